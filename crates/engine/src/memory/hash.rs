//! [`Hash`]: fields and values, packed while they are few.

mod packed;

use indexmap::{IndexMap, map::Entry};

use self::packed::Packed;
use super::value::allocated;

/// A hash with more fields, or with a longer field or value, is a `hashtable`
/// in Redis' words; below it is a `listpack`.
const LISTPACK_FIELDS: usize = 512;
const LISTPACK_ITEM: usize = 64;

/// A packed hash is searched from its beginning, so it stays this small.
const PACKED_BYTES: usize = 2048;

/// Estimated heap bytes of one field in a table besides its text.
const TABLE_FIELD: usize = 80;

/// Fields and values of one hash key.
///
/// As in Redis, a small hash keeps the order of insertion. One that grows
/// larger is cut into several of these; see [`parts`](super::parts).
#[derive(Clone, Debug)]
pub(crate) struct Hash {
    fields: Fields,
    /// The hash was large once, as Redis sees it.
    large: bool,
}

#[derive(Clone, Debug)]
enum Fields {
    /// One allocation, searched from the beginning.
    Packed(Packed),
    /// An index beside the fields.
    Table(Box<Table>),
}

#[derive(Clone, Debug, Default)]
struct Table {
    fields: IndexMap<Box<[u8]>, Box<[u8]>>,
    /// Bytes of all fields and values.
    bytes: usize,
}

impl Table {
    fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        match self.fields.entry(field.into()) {
            Entry::Occupied(mut entry) => {
                let old = entry.insert(value.into());
                self.bytes = self.bytes + value.len() - old.len();
                false
            }
            Entry::Vacant(entry) => {
                entry.insert(value.into());
                self.bytes += field.len() + value.len();
                true
            }
        }
    }
}

impl Hash {
    /// A hash without fields. No key holds one: the last field's removal
    /// removes the key.
    pub(crate) fn new() -> Self {
        Self { fields: Fields::Packed(Packed::default()), large: false }
    }

    /// The number of fields.
    pub(crate) fn len(&self) -> usize {
        match &self.fields {
            Fields::Packed(packed) => packed.len(),
            Fields::Table(table) => table.fields.len(),
        }
    }

    /// The value of `field`.
    pub(crate) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        match &self.fields {
            Fields::Packed(packed) => packed.get(field),
            Fields::Table(table) => table.fields.get(field).map(|value| &**value),
        }
    }

    /// Field number `index` in the order of [`Hash::iter`].
    pub(crate) fn at(&self, index: usize) -> Option<(&[u8], &[u8])> {
        match &self.fields {
            Fields::Packed(packed) => packed.iter().nth(index),
            Fields::Table(table) => {
                table.fields.get_index(index).map(|(field, value)| (&**field, &**value))
            }
        }
    }

    /// Sets `field` to `value`; returns whether the field is new.
    pub(crate) fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        let long = field.len().max(value.len()) > LISTPACK_ITEM;
        let new = match &mut self.fields {
            Fields::Packed(packed) if packed.fits(field, value, PACKED_BYTES) => {
                packed.insert(field, value)
            }
            Fields::Packed(packed) => {
                let mut table = Table::default();
                for (field, value) in packed.iter() {
                    table.insert(field, value);
                }
                let new = table.insert(field, value);
                self.fields = Fields::Table(Box::new(table));
                new
            }
            Fields::Table(table) => table.insert(field, value),
        };
        self.large |= long || self.len() > LISTPACK_FIELDS;
        new
    }

    /// Removes `field`; returns whether it was there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.fields {
            Fields::Packed(packed) => packed.remove(field),
            Fields::Table(table) => match table.fields.swap_remove(field) {
                Some(value) => {
                    table.bytes -= field.len() + value.len();
                    true
                }
                None => false,
            },
        }
    }

    /// Fields and values; a packed hash in the order of insertion.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (packed, table) = match &self.fields {
            Fields::Packed(packed) => (Some(packed.iter()), None),
            Fields::Table(table) => (None, Some(table.fields.iter())),
        };
        let table = table.into_iter().flatten().map(|(field, value)| (&**field, &**value));
        packed.into_iter().flatten().chain(table)
    }

    /// Whether the fields are kept in the order of insertion, all close
    /// together.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.fields, Fields::Packed(_))
    }

    /// Bytes of the stored form, roughly.
    pub(super) fn bytes(&self) -> usize {
        match &self.fields {
            Fields::Packed(packed) => packed.as_bytes().len(),
            Fields::Table(table) => table.bytes + table.fields.len() * 4,
        }
    }

    /// Whether the hash was large once, as Redis sees it.
    pub(super) fn is_large(&self) -> bool {
        self.large
    }

    /// Notes that it was.
    pub(super) fn set_large(&mut self) {
        self.large = true;
    }

    /// Whether a hash of `len` fields is large, as Redis sees it.
    pub(super) fn is_large_at(len: usize) -> bool {
        len > LISTPACK_FIELDS
    }

    /// Cuts the fields into hashes of about `bytes` bytes; see
    /// [`Value::cut`](super::Value).
    pub(super) fn cut(&self, place_of: impl Fn(&[u8]) -> u64, bytes: usize) -> Vec<(u64, Self)> {
        let mut fields: Vec<_> =
            self.iter().map(|(field, value)| (place_of(field), field, value)).collect();
        fields.sort_unstable_by_key(|&(place, ..)| place);
        let mut pieces: Vec<(u64, Self)> = Vec::new();
        let mut before = None;
        for (place, field, value) in fields {
            let added = field.len() + value.len();
            match pieces.last_mut() {
                Some((_, piece)) if before == Some(place) || piece.bytes() + added <= bytes => {
                    piece.insert(field, value);
                }
                _ => {
                    let mut piece = Self::new();
                    piece.insert(field, value);
                    pieces.push((place, piece));
                }
            }
            before = Some(place);
        }
        pieces
    }

    /// The word that `OBJECT ENCODING` answers.
    pub(crate) fn encoding(&self) -> &'static str {
        Self::encoding_of(self.large)
    }

    /// The word for a hash that was large once, or never.
    pub(super) fn encoding_of(large: bool) -> &'static str {
        if large { "hashtable" } else { "listpack" }
    }

    /// Heap bytes behind the hash, in constant time; an estimate.
    pub(crate) fn memory(&self) -> usize {
        let fields = match &self.fields {
            Fields::Packed(packed) => packed.memory(),
            Fields::Table(table) => table.bytes + table.fields.capacity() * TABLE_FIELD,
        };
        allocated(size_of::<Self>()) + fields
    }

    /// Appends the stored form to `out`: a byte that says whether the hash was
    /// large, then the fields as they are packed.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.large));
        match &self.fields {
            Fields::Packed(packed) => out.extend_from_slice(packed.as_bytes()),
            Fields::Table(table) => {
                out.reserve(table.bytes + table.fields.len() * 4);
                for (field, value) in &table.fields {
                    packed::put(out, field, value);
                }
            }
        }
    }

    /// The hash behind a stored form; `None` when the bytes are not one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&large, bytes) = bytes.split_first()?;
        let large = large != 0;
        if bytes.len() <= PACKED_BYTES {
            let packed = Packed::from_bytes(bytes)?;
            return Some(Self { fields: Fields::Packed(packed), large });
        }
        let mut table = Table::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (field, value) = packed::take(&mut rest)?;
            table.insert(field, value);
        }
        Some(Self { fields: Fields::Table(Box::new(table)), large })
    }
}

#[cfg(test)]
mod tests;
