//! [`Packed`]: a few fields and values in one allocation.
//!
//! Each is a length in LEB128 and the bytes; a field is followed by its value.

use super::allocated;

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
    end: usize,
}

impl Packed {
    /// The packed form in `bytes`; `None` when they are not one.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut len = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            take(&mut rest)?;
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
            Some(found) => {
                let mut item = Vec::with_capacity(value.len() + 3);
                put_item(&mut item, value);
                self.bytes.splice(found.value..found.end, item);
                false
            }
            None => {
                self.bytes.reserve_exact(field.len() + value.len() + 6);
                put(&mut self.bytes, field, value);
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
        std::iter::from_fn(move || take(&mut rest))
    }

    fn find(&self, field: &[u8]) -> Option<Found> {
        let mut rest = &*self.bytes;
        loop {
            let start = self.bytes.len() - rest.len();
            let name = take_item(&mut rest)?;
            let value = self.bytes.len() - rest.len();
            take_item(&mut rest)?;
            if name == field {
                return Some(Found { start, value, end: self.bytes.len() - rest.len() });
            }
        }
    }
}

/// Appends a field and its value.
pub(super) fn put(out: &mut Vec<u8>, field: &[u8], value: &[u8]) {
    put_item(out, field);
    put_item(out, value);
}

/// Takes a field and its value from the beginning of `bytes`.
pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    Some((take_item(bytes)?, take_item(bytes)?))
}

fn put_item(out: &mut Vec<u8>, item: &[u8]) {
    let mut len = item.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(item);
}

fn take_item<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
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
