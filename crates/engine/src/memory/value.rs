//! [`Value`]: what a key holds.

use super::{Str, parts::Head};
use crate::types::{Collection, Kind};

/// Set in the tag of a stored value that lies in parts.
pub(crate) const IN_PARTS: u8 = 0x80;

/// What a key holds. 24 bytes, which keeps a keyspace's entry small.
#[derive(Debug)]
pub(crate) enum Value {
    /// A byte string.
    Str(Str),
    /// A value of items, of any type but a string.
    Items(Collection),
    /// A value of many items, which lie beside the keys; see
    /// [`parts`](super::parts).
    Parts(Box<Head>),
}

impl Value {
    /// The type of this value.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Str(_) => Kind::Str,
            Self::Items(items) => items.kind(),
            Self::Parts(head) => head.kind,
        }
    }

    /// The word that `OBJECT ENCODING` answers.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Self::Str(string) => string.encoding(),
            Self::Items(items) => items.encoding(),
            Self::Parts(head) => head.kind.encoding(head.large),
        }
    }

    /// Heap bytes behind the value, in constant time; an estimate. Parts count
    /// for themselves.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Str(string) => string.memory(),
            Self::Items(items) => items.memory(),
            Self::Parts(_) => allocated(size_of::<Head>()),
        }
    }

    /// As [`Value::memory`], with the parts.
    pub(crate) fn memory_of_all(&self) -> usize {
        match self {
            Self::Parts(head) => self.memory() + head.bytes as usize,
            _ => self.memory(),
        }
    }

    /// How many items it has: what a value in parts is cut between.
    pub(crate) fn items(&self) -> usize {
        match self {
            Self::Str(_) => 1,
            Self::Items(items) => items.len(),
            Self::Parts(head) => head.len as usize,
        }
    }

    /// The tag of the stored form.
    pub(crate) fn tag(&self) -> u8 {
        match self {
            Self::Parts(head) => head.kind as u8 | IN_PARTS,
            _ => self.kind() as u8,
        }
    }

    /// Appends the stored form to `out`; [`Value::decode`] reads it back. Of a
    /// value in parts it is the head.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Str(string) => string.encode(out),
            Self::Items(items) => items.encode(out),
            Self::Parts(head) => head.encode(out),
        }
    }

    /// The value behind a stored form; `None` when the bytes are not one.
    pub(crate) fn decode(tag: u8, bytes: &[u8]) -> Option<Self> {
        Some(match Kind::from_tag(tag)? {
            kind if tag & IN_PARTS != 0 => Self::Parts(Box::new(Head::decode(kind, bytes)?)),
            Kind::Str => Self::Str(Str::from_slice(bytes)),
            kind => Self::Items(Collection::decode(kind, bytes)?),
        })
    }
}

/// Bytes that the allocator takes for `bytes`: its header, and sixteen at a
/// time.
pub(crate) fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(size_of::<Value>(), 24);
        assert_eq!(size_of::<Option<Value>>(), 24);
    }

    #[test]
    fn a_type_is_told_from_the_tag_of_a_head_too() {
        let head = Value::Parts(Box::new(Head::new(super::super::ValueId(7), Kind::Hash)));
        assert_eq!(Kind::from_tag(head.tag()), Some(Kind::Hash));
        let mut stored = Vec::new();
        head.encode(&mut stored);
        assert!(matches!(Value::decode(head.tag(), &stored), Some(Value::Parts(_))));
        assert!(Value::decode(head.tag(), &stored[..2]).is_none());
    }
}
