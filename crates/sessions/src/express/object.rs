//! [`Object`]: a JSON object whose values are never read.

use std::fmt;

use bytes::{Bytes, BytesMut};
use indexmap::IndexMap;
use serde::{
    Deserializer as _,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A JSON object: names in their order, and the exact text of the values. What
/// is not changed is written as it was read, so that a number, an escape or an
/// empty array means the same to whoever reads it next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    members: IndexMap<Box<str>, Member>,
}

/// Both are JSON texts.
#[derive(Clone, Debug)]
struct Member {
    name: Bytes,
    value: Bytes,
}

/// Why a text is no [`Object`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObjectError {
    NotJson,
    NotAnObject,
}

impl Object {
    /// The object in `text`, sharing its bytes. Of members with one name the
    /// last counts, in the place of the first, as `JSON.parse` has it.
    pub(crate) fn parse(text: &Bytes) -> Result<Self, ObjectError> {
        let mut parser = serde_json::Deserializer::from_slice(text);
        let members = parser
            .deserialize_map(Members(text))
            .and_then(|members| parser.end().map(|()| members))
            .map_err(|error| match error.classify() {
                serde_json::error::Category::Data => ObjectError::NotAnObject,
                _ => ObjectError::NotJson,
            })?;
        Ok(Self { members })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Bytes> {
        self.members.get(name).map(|member| &member.value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.members.iter().map(|(name, member)| (&**name, &member.value))
    }

    /// Sets a member, in its place if there is one of that name, else last.
    /// `value` is a JSON text.
    pub(crate) fn set(&mut self, name: &str, value: Bytes) {
        if let Some(member) = self.members.get_mut(name) {
            member.value = value;
        } else {
            let member = Member { name: quoted(name), value };
            self.members.insert(name.into(), member);
        }
    }

    /// Takes a member out; `false` when there is none.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        self.members.shift_remove(name).is_some()
    }

    /// The object as JSON, without white space around its members.
    pub(crate) fn to_text(&self) -> Bytes {
        let members = self.members.values();
        let length = 2 + members.clone().map(|m| m.name.len() + m.value.len() + 2).sum::<usize>();
        let mut text = BytesMut::with_capacity(length);
        text.extend_from_slice(b"{");
        for (place, member) in members.enumerate() {
            if place > 0 {
                text.extend_from_slice(b",");
            }
            text.extend_from_slice(&member.name);
            text.extend_from_slice(b":");
            text.extend_from_slice(&member.value);
        }
        text.extend_from_slice(b"}");
        text.freeze()
    }
}

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> Bytes {
    serde_json::Value::from(text).to_string().into()
}

/// The JSON text in `text` without the white space around it; `None` when it
/// is none.
pub(crate) fn json(text: &[u8]) -> Option<&str> {
    serde_json::from_slice::<&RawValue>(text).ok().map(RawValue::get)
}

struct Members<'a>(&'a Bytes);

impl<'de> Visitor<'de> for Members<'de> {
    type Value = IndexMap<Box<str>, Member>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Self::Value = IndexMap::new();
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let text = serde_json::from_str::<Box<str>>(name.get());
            let text = text.map_err(serde::de::Error::custom)?;
            let name = self.0.slice_ref(name.get().as_bytes());
            let value = self.0.slice_ref(value.get().as_bytes());
            members.insert(text, Member { name, value });
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Object, ObjectError> {
        Object::parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn members_are_written_as_they_were_read() {
        for text in [
            "{}",
            r#"{"b":1.0,"a":1e400,"c":-0,"d":12345678901234567890123}"#,
            r#"{"":"","\u00f6":"\u00e4\ud800","ä":[],"x":{ "y" : [ ] }}"#,
            r#"{"a":{"a":1,"a":2}}"#,
        ] {
            assert_eq!(parse(text).unwrap().to_text(), text);
        }
    }

    #[test]
    fn of_members_with_one_name_the_last_counts() {
        let object = parse(r#"{"a":1,"b":2,"\u0061":3}"#).unwrap();
        assert_eq!(object.get("a").unwrap(), "3");
        assert_eq!(object.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn members_are_set_in_place_and_added_last() {
        let mut object = parse(r#" { "a" : 1 , "b\n" : 2 } "#).unwrap();
        object.set("a", Bytes::from_static(b"3"));
        object.set("c\"", Bytes::from_static(b"4"));
        assert_eq!(object.to_text(), r#"{"a":3,"b\n":2,"c\"":4}"#);
        assert!(object.remove("a") && !object.remove("a"));
        assert_eq!(object.to_text(), r#"{"b\n":2,"c\"":4}"#);
    }

    #[test]
    fn other_texts_are_told_apart() {
        for text in ["[]", "null", "1", "\"{}\"", " true "] {
            assert_eq!(parse(text).unwrap_err(), ObjectError::NotAnObject, "{text}");
        }
        for text in ["", "{", "{}}", "{}1", "{a:1}", "{\"a\":01}", "{\"a\":}", "{\"a\":1,}", "nul"]
        {
            assert_eq!(parse(text).unwrap_err(), ObjectError::NotJson, "{text}");
        }
        let not_text = Bytes::from_static(b"{\"a\":\"\xff\"}");
        assert_eq!(Object::parse(&not_text).unwrap_err(), ObjectError::NotJson);
    }

    #[test]
    fn a_deep_value_does_not_overflow_the_stack() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(400_000), "]".repeat(400_000));
        assert_eq!(parse(&deep).unwrap().to_text(), deep);
    }
}
