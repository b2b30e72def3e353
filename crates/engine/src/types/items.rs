//! [`Items`]: what a type says of itself.

use crate::commands::{Group, dump};

/// A structure of items that a value is made of, as a whole or in parts.
///
/// An item is a name, which tells it from the others of the value, and bytes
/// that go with it: a field and its value, a member and nothing. A part of a
/// value is a small value of the same type. So whoever can go through the items
/// and put one in is stored, read back, cut into parts, and copied.
pub(crate) trait Items: Clone + Default + 'static {
    /// The word that `TYPE` answers.
    const NAME: &'static str;

    /// The commands on values of this type.
    const COMMANDS: Group;

    /// The type bytes of the forms that [`Items::restore`] reads.
    const FORMS: &'static [u8];

    /// The number of items.
    fn len(&self) -> usize;

    /// Bytes of the stored form, roughly.
    fn bytes(&self) -> usize;

    /// Heap bytes behind the structure, itself included, in constant time; an
    /// estimate.
    fn memory(&self) -> usize;

    /// Every item, with its name.
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])>;

    /// Puts an item in, in the place of one of this name; returns whether there
    /// was none.
    fn insert(&mut self, name: &[u8], rest: &[u8]) -> bool;

    /// Whether it was large once, as Redis sees it: it uses another encoding
    /// then and keeps it.
    fn is_large(&self) -> bool;

    /// Notes that it was.
    fn set_large(&mut self);

    /// Whether a value of `len` items is large, as Redis sees it.
    fn is_large_at(len: usize) -> bool;

    /// The word that `OBJECT ENCODING` answers for a value that was large once,
    /// or never.
    fn encoding_of(large: bool) -> &'static str;

    /// Appends the type byte and what `DUMP` writes of it.
    fn dump(&self, out: &mut dump::Writer);

    /// What a form of [`Items::FORMS`] means; `None` when the bytes are not one.
    fn restore(form: u8, payload: &mut dump::Reader<'_>) -> Option<Self>;

    /// Item number `index` in the order of [`Items::iter`].
    fn at(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.iter().nth(index)
    }

    /// The word that `OBJECT ENCODING` answers.
    fn encoding(&self) -> &'static str {
        Self::encoding_of(self.is_large())
    }

    /// Appends the stored form to `out`: a byte that says whether it was large,
    /// then the items.
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_large()));
        out.reserve(self.bytes());
        self.iter().for_each(|(name, rest)| put_item(out, name, rest));
    }

    /// The structure behind a stored form; `None` when the bytes are not one.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&large, mut rest) = bytes.split_first()?;
        let mut items = Self::default();
        while !rest.is_empty() {
            let (name, of_name) = take_item(&mut rest)?;
            items.insert(name, of_name);
        }
        if large != 0 {
            items.set_large();
        }
        Some(items)
    }

    /// The structure of these items; `None` when one of them could not be read,
    /// when a name comes twice, or when there are none.
    fn restored(items: impl Iterator<Item = Option<(Vec<u8>, Vec<u8>)>>) -> Option<Self> {
        let mut restored = Self::default();
        for item in items {
            let (name, rest) = item?;
            if !restored.insert(&name, &rest) {
                return None;
            }
        }
        (restored.len() > 0).then_some(restored)
    }

    /// Cuts the items, in the order of the places that `place_of` gives their
    /// names, into structures of about `bytes` bytes; each with its first place.
    /// Items of one place stay together.
    fn cut(&self, place_of: impl Fn(&[u8]) -> u64, bytes: usize) -> Vec<(u64, Self)> {
        let mut items: Vec<_> =
            self.iter().map(|(name, rest)| (place_of(name), name, rest)).collect();
        items.sort_unstable_by_key(|&(place, ..)| place);
        let mut pieces: Vec<(u64, Self)> = Vec::new();
        let mut before = None;
        for (place, name, rest) in items {
            let added = name.len() + rest.len();
            match pieces.last_mut() {
                Some((_, piece)) if before == Some(place) || piece.bytes() + added <= bytes => {
                    piece.insert(name, rest);
                }
                _ => {
                    let mut piece = Self::default();
                    piece.insert(name, rest);
                    pieces.push((place, piece));
                }
            }
            before = Some(place);
        }
        pieces
    }
}

/// Appends the stored form of an item.
pub(super) fn put_item(out: &mut Vec<u8>, name: &[u8], rest: &[u8]) {
    put_bytes(out, name);
    put_bytes(out, rest);
}

/// Appends the length of `bytes` in LEB128, and `bytes`.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut len = bytes.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(bytes);
}

/// Takes an item's stored form from the beginning of `bytes`.
pub(super) fn take_item<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    Some((take_bytes(bytes)?, take_bytes(bytes)?))
}

/// Takes a length and as many bytes.
pub(super) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut len = 0usize;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        len |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            let (item, rest) = bytes.split_at_checked(len)?;
            *bytes = rest;
            return Some(item);
        }
    }
    None
}
