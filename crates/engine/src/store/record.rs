//! The bytes of a record, of its place in the tables, and of the expiry index.
//!
//! | table     | key (big-endian, so that byte order is number order) | value |
//! |-----------|------------------------------------------------------|-------|
//! | `records` | keyspace `u32`, hash `u128`                          | header checksum `u32`, payload checksum `u32`, kind `u8`, expiry varint, key length varint, key, payload |
//! | `expiry`  | keyspace `u32`, expiry `u64`, hash `u128`            | nothing |
//!
//! The header checksum covers the place (so a value that turns up under another record's hash is found), the payload
//! checksum and everything up to the payload. Two checksums, so that a listing need not read the payloads.

use std::fmt;
use std::io::{self, Write};

/// The expiry of a record without one.
const NO_EXPIRY: u64 = 0;
const CHECKSUMS: usize = 8;
const VARINT_MAX: usize = 10;

/// Where a record lies: the keyspace and the hash of its key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) keyspace: u32,
    pub(super) hash: u128,
}

impl Place {
    pub(super) const BYTES: usize = 20;

    pub(super) fn to_bytes(self) -> [u8; Place::BYTES] {
        let mut bytes = [0; Place::BYTES];
        bytes[..4].copy_from_slice(&self.keyspace.to_be_bytes());
        bytes[4..].copy_from_slice(&self.hash.to_be_bytes());
        bytes
    }

    /// None: not the key of a record.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Place> {
        let (keyspace, hash) = bytes.split_first_chunk::<4>()?;
        Some(Place {
            keyspace: u32::from_be_bytes(*keyspace),
            hash: u128::from_be_bytes(hash.try_into().ok()?),
        })
    }

    pub(super) fn hash_upper(self) -> u64 {
        (self.hash >> 64) as u64
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}:{:032x}", self.keyspace, self.hash)
    }
}

/// An entry of the expiry index.
#[derive(Clone, Copy)]
pub(super) struct Expiry {
    pub(super) place: Place,
    pub(super) at: u64,
}

impl Expiry {
    pub(super) const BYTES: usize = 28;

    pub(super) fn to_bytes(self) -> [u8; Expiry::BYTES] {
        let mut bytes = [0; Expiry::BYTES];
        bytes[..4].copy_from_slice(&self.place.keyspace.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.at.to_be_bytes());
        bytes[12..].copy_from_slice(&self.place.hash.to_be_bytes());
        bytes
    }

    /// None: not an entry of the index.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Expiry> {
        let (keyspace, rest) = bytes.split_first_chunk::<4>()?;
        let (at, hash) = rest.split_first_chunk::<8>()?;
        let place = Place {
            keyspace: u32::from_be_bytes(*keyspace),
            hash: u128::from_be_bytes(hash.try_into().ok()?),
        };
        Some(Expiry { place, at: u64::from_be_bytes(*at) })
    }
}

/// A record on its way into the store.
#[derive(Clone, Copy)]
pub(super) struct NewRecord<'a> {
    pub(super) key: &'a [u8],
    pub(super) expire_at: u64,
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
}

impl NewRecord<'_> {
    /// The bytes [`write_with`](NewRecord::write_with) writes.
    pub(super) fn len(&self) -> usize {
        CHECKSUMS
            + 1
            + varint_len(self.expire_at)
            + varint_len(self.key.len() as u64)
            + self.key.len()
            + self.payload.len()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn write(&self, place: Place, out: &mut impl Write) -> io::Result<()> {
        self.write_with(place, crc32fast::hash(self.payload), out)
    }

    /// Writes the record, whose payload has this checksum.
    pub(super) fn write_with(
        &self,
        place: Place,
        payload_checksum: u32,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut fixed = [0; 1 + 2 * VARINT_MAX];
        fixed[0] = self.kind;
        let mut len = 1;
        len += put_varint(&mut fixed[len..], self.expire_at);
        len += put_varint(&mut fixed[len..], self.key.len() as u64);
        let fixed = &fixed[..len];

        let payload_checksum = payload_checksum.to_le_bytes();
        let mut header = crc32fast::Hasher::new();
        for part in [&place.to_bytes()[..], &payload_checksum, fixed, self.key] {
            header.update(part);
        }
        for part in
            [&header.finalize().to_le_bytes()[..], &payload_checksum, fixed, self.key, self.payload]
        {
            out.write_all(part)?;
        }
        Ok(())
    }
}

/// A record as it lies in the store, its header verified.
pub(super) struct StoredRecord<'a> {
    pub(super) key: &'a [u8],
    pub(super) expire_at: u64,
    pub(super) kind: u8,
    payload: &'a [u8],
    payload_checksum: u32,
}

impl<'a> StoredRecord<'a> {
    /// Verifies and takes apart the header. Does not touch the payload. The error says what is wrong.
    pub(super) fn parse(place: Place, value: &'a [u8]) -> Result<StoredRecord<'a>, &'static str> {
        const SHORT: &str = "the record is cut short";
        let (header_checksum, covered) = value.split_first_chunk::<4>().ok_or(SHORT)?;
        let (payload_checksum, rest) = covered.split_first_chunk::<4>().ok_or(SHORT)?;
        let (&kind, rest) = rest.split_first().ok_or(SHORT)?;
        let (expire_at, rest) = take_varint(rest).ok_or(SHORT)?;
        let (key_len, rest) = take_varint(rest).ok_or(SHORT)?;
        let key_len =
            usize::try_from(key_len).ok().filter(|len| *len <= rest.len()).ok_or(SHORT)?;
        let (key, payload) = rest.split_at(key_len);

        let checksum = header_checksum_of(place, &covered[..covered.len() - payload.len()]);
        if checksum != u32::from_le_bytes(*header_checksum) {
            return Err("the checksum of the record's header does not match");
        }
        let payload_checksum = u32::from_le_bytes(*payload_checksum);
        Ok(StoredRecord { key, expire_at, kind, payload, payload_checksum })
    }

    /// The payload, verified.
    pub(super) fn payload(&self) -> Result<&'a [u8], &'static str> {
        if crc32fast::hash(self.payload) != self.payload_checksum {
            return Err("the checksum of the record's payload does not match");
        }
        Ok(self.payload)
    }

    /// Whether this is what writing `new` under the same key gives, byte for byte.
    pub(super) fn is(&self, new: &NewRecord<'_>, payload_checksum: u32) -> bool {
        let same = self.payload_checksum == payload_checksum
            && (self.kind, self.expire_at) == (new.kind, new.expire_at);
        same && self.payload == new.payload
    }

    /// The record's entry in the expiry index, if it has one.
    pub(super) fn expiry(&self, place: Place) -> Option<Expiry> {
        expiry(place, self.expire_at)
    }
}

/// Of the place and what follows the checksum up to the payload.
pub(super) fn header_checksum_of(place: Place, covered: &[u8]) -> u32 {
    let mut header = crc32fast::Hasher::new();
    header.update(&place.to_bytes());
    header.update(covered);
    header.finalize()
}

/// The entry in the expiry index of a record that expires at `at`.
pub(super) fn expiry(place: Place, at: u64) -> Option<Expiry> {
    (at != NO_EXPIRY).then_some(Expiry { place, at })
}

fn varint_len(value: u64) -> usize {
    ((64 - (value | 1).leading_zeros()) as usize).div_ceil(7)
}

/// LEB128: seven bits a byte, the lowest first. Returns the bytes written.
fn put_varint(out: &mut [u8], mut value: u64) -> usize {
    let mut len = 0;
    while value >= 0x80 {
        out[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    out[len] = value as u8;
    len + 1
}

fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(VARINT_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { keyspace: 7, hash: 0x1234_5678_9abc_def0 << 60 };

    fn written(record: &NewRecord<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        record.write(PLACE, &mut bytes).unwrap();
        assert_eq!(bytes.len(), record.len());
        bytes
    }

    #[test]
    fn records_come_back_as_they_were_written() {
        for (key, expire_at, kind, payload) in [
            (&b""[..], 0, 0, &b""[..]),
            (b"k", 1, 1, b"v"),
            (&[b'k'; 127], 127, 127, &[0; 4096]),
            (&[b'k'; 128], 128, 128, b"\0"),
            (&[0xff; 20_000], u64::MAX, 255, &[0xff; 70_000]),
            (b"session:1", 1_795_000_000_000, 4, b"payload"),
        ] {
            let bytes = written(&NewRecord { key, expire_at, kind, payload });
            let stored = StoredRecord::parse(PLACE, &bytes).unwrap();
            assert_eq!((stored.key, stored.expire_at, stored.kind), (key, expire_at, kind));
            assert_eq!(stored.payload().unwrap(), payload);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let bytes = written(&NewRecord {
            key: b"key",
            expire_at: 1_795_000_000_000,
            kind: 3,
            payload: b"some payload",
        });
        let whole = |bytes: &[u8]| {
            StoredRecord::parse(PLACE, bytes).and_then(|stored| stored.payload()).is_ok()
        };
        assert!(whole(&bytes));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!whole(&flipped), "bit {bit} was not missed");
        }
        for len in 0..bytes.len() {
            assert!(!whole(&bytes[..len]), "a record of {len} bytes was taken for whole");
        }
    }

    #[test]
    fn a_record_under_another_hash_is_found() {
        let bytes = written(&NewRecord { key: b"key", expire_at: 0, kind: 3, payload: b"payload" });
        assert!(StoredRecord::parse(Place { hash: PLACE.hash + 1, ..PLACE }, &bytes).is_err());
        assert!(StoredRecord::parse(Place { keyspace: 8, ..PLACE }, &bytes).is_err());
    }

    #[test]
    fn table_keys_sort_as_their_numbers_do() {
        let place = |keyspace, hash| Place { keyspace, hash };
        let places = [
            place(0, u128::MAX),
            place(1, 0),
            place(1, 1),
            place(1, 1 << 64),
            place(256, 0),
            place(u32::MAX, 5),
        ];
        assert!(places.iter().map(|place| place.to_bytes()).is_sorted());
        let expiry = |at, hash| Expiry { place: place(3, hash), at }.to_bytes();
        assert!(
            [expiry(1, u128::MAX), expiry(2, 0), expiry(256, 0), expiry(1 << 40, 9)].is_sorted()
        );
        for place in places {
            assert!(Place::from_bytes(&place.to_bytes()) == Some(place));
            let expiry = Expiry::from_bytes(&Expiry { place, at: 77 }.to_bytes()).unwrap();
            assert!(expiry.place == place && expiry.at == 77);
        }
        assert!(Place::from_bytes(&[0; 19]).is_none() && Expiry::from_bytes(&[0; 29]).is_none());
    }
}
