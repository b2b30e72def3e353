//! [`Key`]: the name of an entry, in the entry itself while it is short.

use std::ops::Deref;

use super::value::allocated;

/// The longest key that is kept without an allocation: what fits in the three
/// words that a longer one takes with its tag.
const SHORT: usize = 22;

/// The name of an entry. 24 bytes.
///
/// Most keys are short, and finding an entry compares its key: one memory access
/// less for each command, and one allocation less for each key.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

impl From<&[u8]> for Key {
    fn from(key: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..key.len()) {
            Some(place) => {
                place.copy_from_slice(key);
                Self::Short { len: key.len() as u8, bytes }
            }
            None => Self::Long(key.into()),
        }
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Self::Long(key) => key,
        }
    }
}

impl Key {
    /// Heap bytes behind the key.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(key) => allocated(key.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_are_kept() {
        assert_eq!(size_of::<Key>(), 24);
        for len in 0..100 {
            let name: Vec<u8> = (0..len).collect();
            assert_eq!(*Key::from(&*name), *name);
        }
    }
}
