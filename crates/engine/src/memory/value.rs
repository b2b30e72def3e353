//! [`Value`]: what a key holds.

use super::{Hash, Str, parts::Head};

/// Set in the tag of a stored value that lies in parts.
pub(crate) const IN_PARTS: u8 = 0x80;

/// What a key holds. 24 bytes, which keeps a keyspace's entry small.
#[derive(Debug)]
pub(crate) enum Value {
    /// A byte string.
    Str(Str),
    /// Fields and values.
    Hash(Box<Hash>),
    /// A value of many items, which lie beside the keys; see
    /// [`parts`](super::parts).
    Parts(Box<Head>),
}

/// The type of a value, as stored on disk and as `TYPE` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A byte string.
    Str = 0,
    /// Fields and values.
    Hash = 1,
}

impl Kind {
    /// The kind that a stored record's tag means.
    pub(crate) fn from_tag(tag: u8) -> Option<Self> {
        match tag & !IN_PARTS {
            0 => Some(Self::Str),
            1 => Some(Self::Hash),
            _ => None,
        }
    }

    /// The word that `TYPE` answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Str => "string",
            Self::Hash => "hash",
        }
    }

    /// A value of this kind without items.
    pub(crate) fn empty(self) -> Value {
        match self {
            Self::Str => Value::Str(Str::from_slice(b"")),
            Self::Hash => Value::Hash(Box::new(Hash::new())),
        }
    }
}

impl Value {
    /// The type of this value.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Str(_) => Kind::Str,
            Self::Hash(_) => Kind::Hash,
            Self::Parts(head) => head.kind,
        }
    }

    /// The word that `OBJECT ENCODING` answers.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Self::Str(string) => string.encoding(),
            Self::Hash(hash) => hash.encoding(),
            Self::Parts(head) => match head.kind {
                Kind::Str => "raw",
                Kind::Hash => Hash::encoding_of(head.large),
            },
        }
    }

    /// Heap bytes behind the value, in constant time; an estimate. Parts count
    /// for themselves.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Str(string) => string.memory(),
            Self::Hash(hash) => hash.memory(),
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
            Self::Hash(hash) => hash.len(),
            Self::Parts(head) => head.len as usize,
        }
    }

    /// Bytes of the items' stored form, roughly.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Str(string) => string.len(),
            Self::Hash(hash) => hash.bytes(),
            Self::Parts(head) => head.bytes as usize,
        }
    }

    /// Whether it is one of many items as `OBJECT ENCODING` tells them apart.
    pub(super) fn is_large(&self) -> bool {
        match self {
            Self::Str(_) => false,
            Self::Hash(hash) => hash.is_large(),
            Self::Parts(head) => head.large,
        }
    }

    /// Whether it has more than `bytes` bytes and can be cut.
    pub(super) fn is_to_be_cut(&self, bytes: usize) -> bool {
        match self {
            Self::Str(_) | Self::Parts(_) => false,
            Self::Hash(hash) => hash.bytes() > bytes && hash.len() > 1,
        }
    }

    /// Cuts the items, in the order of the places that `place_of` gives their
    /// names, into values of about `bytes` bytes; each with its first place.
    /// Items of one place stay together.
    pub(super) fn cut(&self, place_of: impl Fn(&[u8]) -> u64, bytes: usize) -> Vec<(u64, Self)> {
        match self {
            Self::Str(_) | Self::Parts(_) => Vec::new(),
            Self::Hash(hash) => {
                let pieces = hash.cut(place_of, bytes).into_iter();
                pieces.map(|(place, hash)| (place, Self::Hash(Box::new(hash)))).collect()
            }
        }
    }

    /// Adds the items of `part`, none of which it has.
    pub(super) fn join(&mut self, part: &Self) {
        if let (Self::Hash(hash), Self::Hash(part)) = (self, part) {
            part.iter().for_each(|(field, value)| _ = hash.insert(field, value));
        }
    }

    /// Notes that the value it comes from was large.
    pub(super) fn set_large(&mut self) {
        if let Self::Hash(hash) = self {
            hash.set_large();
        }
    }

    /// The tag of the stored form.
    pub(crate) fn tag(&self) -> u8 {
        match self {
            Self::Str(_) | Self::Hash(_) => self.kind() as u8,
            Self::Parts(head) => head.kind as u8 | IN_PARTS,
        }
    }

    /// Appends the stored form to `out`; [`Value::decode`] reads it back. Of a
    /// value in parts it is the head.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Str(string) => string.encode(out),
            Self::Hash(hash) => hash.encode(out),
            Self::Parts(head) => head.encode(out),
        }
    }

    /// The value behind a stored form; `None` when the bytes are not one.
    pub(crate) fn decode(tag: u8, bytes: &[u8]) -> Option<Self> {
        let kind = Kind::from_tag(tag)?;
        if tag & IN_PARTS != 0 {
            return Some(Self::Parts(Box::new(Head::decode(kind, bytes)?)));
        }
        match kind {
            Kind::Str => Some(Self::Str(Str::from_slice(bytes))),
            Kind::Hash => Some(Self::Hash(Box::new(Hash::decode(bytes)?))),
        }
    }
}

/// A structure of items that a value can be made of, as a whole or in parts.
///
/// A part of a value is a small value of the same type: so all that a type has
/// to say for it to be cut, kept and stored in parts is [`Value::cut`] and
/// [`Value::join`].
pub(crate) trait Items {
    /// The type that is made of it.
    const KIND: Kind;

    /// The structure in `value`, if that is what it holds.
    fn of(value: &Value) -> Option<&Self>;

    /// The same, to be changed.
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
}

impl Items for Hash {
    const KIND: Kind = Kind::Hash;

    fn of(value: &Value) -> Option<&Self> {
        match value {
            Value::Hash(hash) => Some(hash),
            _ => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Hash(hash) => Some(hash),
            _ => None,
        }
    }
}

/// Bytes that the allocator takes for `bytes`: its header, and sixteen at a
/// time.
pub(super) fn allocated(bytes: usize) -> usize {
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
