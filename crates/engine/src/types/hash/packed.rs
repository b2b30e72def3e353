//! [`Packed`]: a few fields and values in one allocation.
//!
//! They lie as they are stored.

use crate::{
    memory::allocated,
    types::items::{put_bytes, put_item, take_bytes, take_item},
};

/// A few fields and values in one allocation, in the order of insertion.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    len: u32,
}

/// Where a field and its value lie.
struct Found {
    start: usize,
    value: usize,
    /// Of the value alone, up to the end.
    bytes: usize,
    end: usize,
}

impl Packed {
    /// The packed form in `bytes`; `None` when they are not one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut len = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            take_item(&mut rest)?;
            len += 1;
        }
        Some(Self { bytes: bytes.to_vec(), len })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn memory(&self) -> usize {
        allocated(self.bytes.capacity())
    }

    /// Whether the fields would take at most `limit` bytes with this one added.
    pub(super) fn fits(&self, field: &[u8], value: &[u8], limit: usize) -> bool {
        self.bytes.len() + field.len() + value.len() + 6 <= limit
    }

    pub(super) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    /// Sets `field` to `value`; returns whether the field is new.
    pub(super) fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        match self.find(field) {
            // As long as before: written over where it lies.
            Some(found) if found.bytes == value.len() => {
                self.bytes[found.end - found.bytes..found.end].copy_from_slice(value);
                false
            }
            Some(found) => {
                let mut stored = Vec::with_capacity(value.len() + 3);
                put_bytes(&mut stored, value);
                self.bytes.splice(found.value..found.end, stored);
                false
            }
            None => {
                self.bytes.reserve_exact(field.len() + value.len() + 6);
                put_item(&mut self.bytes, field, value);
                self.len += 1;
                true
            }
        }
    }

    /// Removes `field`; returns whether it was there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let Some(found) = self.find(field) else { return false };
        self.bytes.drain(found.start..found.end);
        self.len -= 1;
        true
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &*self.bytes;
        std::iter::from_fn(move || take_item(&mut rest))
    }

    fn find(&self, field: &[u8]) -> Option<Found> {
        let mut rest = &*self.bytes;
        loop {
            let start = self.bytes.len() - rest.len();
            let name = take_bytes(&mut rest)?;
            let value = self.bytes.len() - rest.len();
            let bytes = take_bytes(&mut rest)?.len();
            if name == field {
                return Some(Found { start, value, bytes, end: self.bytes.len() - rest.len() });
            }
        }
    }
}
