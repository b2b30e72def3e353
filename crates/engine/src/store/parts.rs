//! Parts of values: their bytes, and how they are read.
//!
//! | table   | key (big-endian)                                    | value |
//! |---------|-----------------------------------------------------|-------|
//! | `parts` | keyspace `u32`, value `u64`, first place `u64`      | checksum `u32`, kind `u8`, last place `u64`, payload |
//!
//! The checksum covers the key and all that follows it. The parts of a value do not overlap; where there is none, the
//! value has nothing. The store does not look into payloads and does not know which values there are.

use std::fmt;
use std::ops::Bound;

use heed::RoTxn;

use super::{Store, StoreError};

const SHORT: &str = "the part is cut short";

/// Where a part lies: the keyspace, the value, and the first place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct PartPlace {
    pub(super) keyspace: u32,
    pub(super) value: u64,
    pub(super) start: u64,
}

impl PartPlace {
    pub(super) const BYTES: usize = 20;

    pub(super) fn to_bytes(self) -> [u8; PartPlace::BYTES] {
        let mut bytes = [0; PartPlace::BYTES];
        bytes[..4].copy_from_slice(&self.keyspace.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.value.to_be_bytes());
        bytes[12..].copy_from_slice(&self.start.to_be_bytes());
        bytes
    }

    /// None: not the key of a part.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<PartPlace> {
        let (keyspace, rest) = bytes.split_first_chunk::<4>()?;
        let (value, start) = rest.split_first_chunk::<8>()?;
        Some(PartPlace {
            keyspace: u32::from_be_bytes(*keyspace),
            value: u64::from_be_bytes(*value),
            start: u64::from_be_bytes(start.try_into().ok()?),
        })
    }
}

impl fmt::Display for PartPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part {}:{}:{:016x}", self.keyspace, self.value, self.start)
    }
}

/// A part on its way into the store.
#[derive(Clone, Copy)]
pub(crate) struct NewPart<'a> {
    /// The first place.
    pub(crate) start: u64,
    /// The last place, inclusive.
    pub(crate) until: u64,
    /// What the payload is.
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
}

impl NewPart<'_> {
    pub(super) const HEADER: usize = 4 + 1 + 8;

    /// What stands before the payload, as a part of this value.
    pub(super) fn header(&self, keyspace: u32, value: u64) -> [u8; NewPart::HEADER] {
        let place = PartPlace { keyspace, value, start: self.start };
        let mut header = [self.kind; NewPart::HEADER];
        header[5..].copy_from_slice(&self.until.to_le_bytes());
        let checksum = checksum(place, &[&header[4..], self.payload]);
        header[..4].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    #[cfg(fuzzing)]
    pub(super) fn write(
        &self,
        place: PartPlace,
        out: &mut impl std::io::Write,
    ) -> std::io::Result<()> {
        out.write_all(&self.header(place.keyspace, place.value))?;
        out.write_all(self.payload)
    }
}

pub(super) fn checksum(place: PartPlace, rest: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&place.to_bytes());
    rest.iter().for_each(|bytes| hasher.update(bytes));
    hasher.finalize()
}

/// A part as it lies in the store, verified.
#[derive(Clone, Copy)]
pub(crate) struct PartRef<'a> {
    /// The first place.
    pub(crate) start: u64,
    /// The last place, inclusive.
    pub(crate) until: u64,
    /// What the payload is.
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
}

impl<'a> PartRef<'a> {
    /// The error says what is wrong.
    pub(super) fn parse(place: PartPlace, bytes: &'a [u8]) -> Result<PartRef<'a>, &'static str> {
        let (written, rest) = bytes.split_first_chunk::<4>().ok_or(SHORT)?;
        if checksum(place, &[rest]) != u32::from_le_bytes(*written) {
            return Err("the checksum of the part does not match");
        }
        let (&kind, rest) = rest.split_first().ok_or(SHORT)?;
        let (until, payload) = rest.split_first_chunk::<8>().ok_or(SHORT)?;
        Ok(PartRef { start: place.start, until: u64::from_le_bytes(*until), kind, payload })
    }
}

/// The parts that a reading found.
pub(crate) struct PartsRead<T> {
    /// First and last place of each part, both inclusive, and what was made of it.
    pub(crate) parts: Vec<(u64, u64, T)>,
    /// From the first place that was asked for or before it, up to here (inclusive): there are no other parts between.
    pub(crate) until: u64,
    /// The first place after the part before these, or 0.
    pub(crate) from: u64,
}

impl Store {
    /// What `decode` makes of the parts of a value that have places in `from..=until`, in order; at most `limit` (at least 1)
    /// of them.
    pub(crate) fn read_parts<T>(
        &self,
        keyspace: u32,
        value: u64,
        (from, until): (u64, u64),
        limit: usize,
        mut decode: impl FnMut(PartRef<'_>) -> T,
    ) -> Result<PartsRead<T>, StoreError> {
        let txn = self.read_txn()?;
        let mut read = PartsRead { parts: Vec::new(), until: u64::MAX, from: 0 };
        if let Some(part) = self.part_before(&txn, PartPlace { keyspace, value, start: from })? {
            if part.until >= from {
                read.from = part.start;
                read.parts.push((part.start, part.until, decode(part)));
            } else {
                read.from = part.until + 1;
            }
        }
        let mut last = read.parts.last().map_or(from, |&(_, last, _)| last);
        let Some(next) = last.checked_add(1) else { return Ok(read) };
        let first = PartPlace { keyspace, value, start: next }.to_bytes();
        let end = PartPlace { keyspace, value, start: u64::MAX }.to_bytes();
        let bounds = (Bound::Included(&first[..]), Bound::Included(&end[..]));
        for entry in self.tables.parts.range(&txn, &bounds).map_err(|error| self.fault(error))? {
            let (key, bytes) = entry.map_err(|error| self.fault(error))?;
            let part = self.part(key, bytes)?;
            if part.start > until || read.parts.len() >= limit.max(1) {
                read.until = part.start - 1;
                break;
            }
            if part.start <= last && !read.parts.is_empty() {
                return Err(self.corrupt(format!("part {value}"), "two parts overlap"));
            }
            last = part.until;
            read.parts.push((part.start, part.until, decode(part)));
        }
        Ok(read)
    }

    /// The last part that begins at `place` or before it.
    fn part_before<'txn>(
        &self,
        txn: &'txn RoTxn<'_>,
        place: PartPlace,
    ) -> Result<Option<PartRef<'txn>>, StoreError> {
        let found = self.tables.parts.get_lower_than_or_equal_to(txn, &place.to_bytes());
        let Some((key, bytes)) = found.map_err(|error| self.fault(error))? else { return Ok(None) };
        // Of another value: its key begins otherwise.
        let of_value = key.starts_with(&place.to_bytes()[..12]);
        if of_value { self.part(key, bytes).map(Some) } else { Ok(None) }
    }

    fn part<'a>(&self, key: &[u8], bytes: &'a [u8]) -> Result<PartRef<'a>, StoreError> {
        let place = self.part_place(key)?;
        PartRef::parse(place, bytes).map_err(|problem| self.corrupt(place.to_string(), problem))
    }

    pub(super) fn part_place(&self, key: &[u8]) -> Result<PartPlace, StoreError> {
        PartPlace::from_bytes(key)
            .ok_or_else(|| self.corrupt("the table of parts".into(), "a key has the wrong length"))
    }
}
