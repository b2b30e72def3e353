//! [`struct@Hash`]: fields and values, packed while they are few.

use indexmap::{IndexMap, map::Entry};

use super::packed::Packed;
use crate::{
    commands::{Group, dump},
    memory::allocated,
    types::{
        Items,
        items::{put_item, take_item},
    },
};

/// A hash with more fields, or with a longer field or value, is a `hashtable`
/// in Redis' words; below it is a `listpack`.
const LISTPACK_FIELDS: usize = 512;
const LISTPACK_ITEM: usize = 64;

/// A packed hash is searched from its beginning, so it stays this small.
const PACKED_BYTES: usize = 2048;

/// Estimated heap bytes of one field in a table besides its text.
const TABLE_FIELD: usize = 80;

// Type bytes of a payload of `DUMP`.
const HASH: u8 = 4;
const HASH_ZIPMAP: u8 = 9;
const HASH_ZIPLIST: u8 = 13;
const HASH_LISTPACK: u8 = 16;

/// Fields and values of one hash key.
///
/// As in Redis, a small hash keeps the order of insertion. One that grows
/// larger is cut into several of these. No key holds one without fields: the last
/// field's removal removes the key.
#[derive(Clone, Debug, Default)]
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

impl Default for Fields {
    fn default() -> Self {
        Self::Packed(Packed::default())
    }
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
    /// The value of `field`.
    pub(crate) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        match &self.fields {
            Fields::Packed(packed) => packed.get(field),
            Fields::Table(table) => table.fields.get(field).map(|value| &**value),
        }
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

    /// Whether the fields are kept in the order of insertion, all close
    /// together.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.fields, Fields::Packed(_))
    }
}

impl Items for Hash {
    const NAME: &'static str = "hash";
    const COMMANDS: Group = super::COMMANDS;
    const FORMS: &'static [u8] = &[HASH, HASH_ZIPMAP, HASH_ZIPLIST, HASH_LISTPACK];

    fn len(&self) -> usize {
        match &self.fields {
            Fields::Packed(packed) => packed.len(),
            Fields::Table(table) => table.fields.len(),
        }
    }

    fn bytes(&self) -> usize {
        match &self.fields {
            Fields::Packed(packed) => packed.as_bytes().len(),
            Fields::Table(table) => table.bytes + table.fields.len() * 4,
        }
    }

    fn memory(&self) -> usize {
        let fields = match &self.fields {
            Fields::Packed(packed) => packed.memory(),
            Fields::Table(table) => table.bytes + table.fields.capacity() * TABLE_FIELD,
        };
        allocated(size_of::<Self>()) + fields
    }

    /// A packed hash in the order of insertion.
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (packed, table) = match &self.fields {
            Fields::Packed(packed) => (Some(packed.iter()), None),
            Fields::Table(table) => (None, Some(table.fields.iter())),
        };
        let table = table.into_iter().flatten().map(|(field, value)| (&**field, &**value));
        packed.into_iter().flatten().chain(table)
    }

    fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
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

    fn is_large(&self) -> bool {
        self.large
    }

    fn set_large(&mut self) {
        self.large = true;
    }

    fn is_large_at(len: usize) -> bool {
        len > LISTPACK_FIELDS
    }

    fn encoding_of(large: bool) -> &'static str {
        if large { "hashtable" } else { "listpack" }
    }

    fn dump(&self, out: &mut dump::Writer) {
        out.form(HASH);
        out.len(self.len());
        for (field, value) in self.iter() {
            out.string(field);
            out.string(value);
        }
    }

    fn restore(form: u8, payload: &mut dump::Reader<'_>) -> Option<Self> {
        let packed = match form {
            HASH_LISTPACK => payload.listpack()?,
            HASH_ZIPLIST => payload.ziplist()?,
            HASH_ZIPMAP => payload.zipmap()?,
            _ => {
                let pairs = payload.len()?;
                return Self::restored(
                    (0..pairs).map(|_| Some((payload.string()?, payload.string()?))),
                );
            }
        };
        let even = packed.len().is_multiple_of(2);
        let mut items = packed.into_iter();
        let pairs = std::iter::from_fn(|| items.next().map(|field| Some((field, items.next()?))));
        if even { Self::restored(pairs) } else { None }
    }

    fn at(&self, index: usize) -> Option<(&[u8], &[u8])> {
        match &self.fields {
            Fields::Packed(packed) => packed.iter().nth(index),
            Fields::Table(table) => {
                table.fields.get_index(index).map(|(field, value)| (&**field, &**value))
            }
        }
    }

    /// Packed fields lie as they are stored.
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.large));
        match &self.fields {
            Fields::Packed(packed) => out.extend_from_slice(packed.as_bytes()),
            Fields::Table(table) => {
                out.reserve(self.bytes());
                table.fields.iter().for_each(|(field, value)| put_item(out, field, value));
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&large, mut rest) = bytes.split_first()?;
        let fields = if rest.len() <= PACKED_BYTES {
            Fields::Packed(Packed::from_bytes(rest)?)
        } else {
            let mut table = Table::default();
            while !rest.is_empty() {
                let (field, value) = take_item(&mut rest)?;
                table.insert(field, value);
            }
            Fields::Table(Box::new(table))
        };
        Some(Self { fields, large: large != 0 })
    }
}
