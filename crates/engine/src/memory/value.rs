//! [`Value`]: what a key holds.

use super::{Hash, Str};

/// What a key holds. 24 bytes, which keeps a keyspace's entry small.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// A byte string.
    Str(Str),
    /// Fields and values.
    Hash(Box<Hash>),
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
        match tag {
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
}

impl Value {
    /// The type of this value.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Str(_) => Kind::Str,
            Self::Hash(_) => Kind::Hash,
        }
    }

    /// The word that `OBJECT ENCODING` answers.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Self::Str(string) => string.encoding(),
            Self::Hash(hash) => hash.encoding(),
        }
    }

    /// Heap bytes behind the value, in constant time; an estimate.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Str(string) => string.memory(),
            Self::Hash(hash) => hash.memory(),
        }
    }

    /// Appends the stored form to `out`; [`Value::decode`] reads it back.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Str(string) => string.encode(out),
            Self::Hash(hash) => hash.encode(out),
        }
    }

    /// The value behind a stored form; `None` when the bytes are not one.
    pub(crate) fn decode(kind: u8, bytes: &[u8]) -> Option<Self> {
        match Kind::from_tag(kind)? {
            Kind::Str => Some(Self::Str(Str::from_slice(bytes))),
            Kind::Hash => Some(Self::Hash(Box::new(Hash::decode(bytes)?))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(size_of::<Value>(), 24);
        assert_eq!(size_of::<Option<Value>>(), 24);
    }
}
