//! The payload of `DUMP`: a value as in a snapshot file of Redis (RDB), then
//! the version of that format and a checksum of all.
//!
//! ```text
//! payload = type, value, version (u16), CRC-64 (u64)       both little-endian
//! string  = length, bytes | special form (integer, compressed)
//! ```
//!
//! What follows the type byte of a collection, its type knows; see
//! [`Items::dump`](crate::types::Items::dump).

use super::{lzf, packed};
use crate::{
    memory::{Str, Value, parse_integer},
    types::Collection,
};

/// The version written: the newest whose forms are used, so that older servers
/// read it too.
const WRITTEN: u16 = 9;

/// The newest version read. Its strings and hashes are those of the versions
/// before; a type of value that is newer is refused by its tag.
const READ_UP_TO: u16 = 12;

/// Bytes after the value.
const FOOTER: usize = 10;

/// Longer strings are refused, compressed ones above all.
const STRING_MAX: usize = 512 << 20;

const CRC: crc::Crc<u64> = crc::Crc::<u64>::new(&crc::CRC_64_REDIS);

/// The type byte of a string.
const STRING: u8 = 0;

// Lengths: the two upper bits of the first byte, or all of it.
const LEN_14: u8 = 0x40;
const LEN_32: u8 = 0x80;
const LEN_64: u8 = 0x81;

// Special strings.
const INT_8: u8 = 0xc0;
const INT_16: u8 = 0xc1;
const INT_32: u8 = 0xc2;
const LZF: u8 = 0xc3;

/// The payload of `value`.
pub(super) fn write(value: &Value) -> Vec<u8> {
    let mut out = Writer(Vec::new());
    match value {
        Value::Str(string) => {
            out.form(STRING);
            out.string(&string.as_bytes());
        }
        Value::Items(items) => items.dump(&mut out),
        // Only of values that are whole.
        Value::Parts(_) => {}
    }
    let mut payload = out.0;
    payload.extend_from_slice(&WRITTEN.to_le_bytes());
    let checksum = CRC.checksum(&payload);
    payload.extend_from_slice(&checksum.to_le_bytes());
    payload
}

/// What is before the footer; `None` when version or checksum are wrong.
pub(super) fn verify(payload: &[u8]) -> Option<&[u8]> {
    let (body, footer) = payload.split_at_checked(payload.len().checked_sub(FOOTER)?)?;
    let (version, checksum) = footer.split_first_chunk::<2>()?;
    if u16::from_le_bytes(*version) > READ_UP_TO {
        return None;
    }
    let expected = CRC.checksum(&payload[..body.len() + 2]);
    (expected.to_le_bytes() == checksum).then_some(body)
}

/// The value; `None` when the bytes are not one, or of a type that the engine
/// does not have. As in Redis, bytes after the value are not looked at.
pub(super) fn read(body: &[u8]) -> Option<Value> {
    let mut reader = Reader(body);
    match reader.byte()? {
        STRING => Some(Value::Str(Str::from_vec(reader.string()?))),
        form => Some(Value::Items(Collection::restore(form, &mut reader)?)),
    }
}

/// A payload that is being written.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// Writes the type byte, with which a value begins.
    pub(crate) fn form(&mut self, form: u8) {
        self.0.push(form);
    }

    /// Writes a number of items or bytes.
    pub(crate) fn len(&mut self, len: usize) {
        let out = &mut self.0;
        if len < 1 << 6 {
            out.push(len as u8);
        } else if len < 1 << 14 {
            out.extend_from_slice(&[LEN_14 | (len >> 8) as u8, len as u8]);
        } else if let Ok(len) = u32::try_from(len) {
            out.push(LEN_32);
            out.extend_from_slice(&len.to_be_bytes());
        } else {
            out.push(LEN_64);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }

    /// Writes a string.
    pub(crate) fn string(&mut self, bytes: &[u8]) {
        let out = &mut self.0;
        match parse_integer(bytes) {
            Some(n) if i8::try_from(n).is_ok() => out.extend_from_slice(&[INT_8, n as u8]),
            Some(n) if i16::try_from(n).is_ok() => {
                out.push(INT_16);
                out.extend_from_slice(&(n as i16).to_le_bytes());
            }
            Some(n) if i32::try_from(n).is_ok() => {
                out.push(INT_32);
                out.extend_from_slice(&(n as i32).to_le_bytes());
            }
            _ => {
                self.len(bytes.len());
                self.0.extend_from_slice(bytes);
            }
        }
    }
}

/// What is left to read of a payload.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Reads a number of items or bytes.
    pub(crate) fn len(&mut self) -> Option<usize> {
        let first = self.byte()?;
        self.len_after(first)
    }

    fn len_after(&mut self, first: u8) -> Option<usize> {
        match first {
            0..LEN_14 => Some(usize::from(first)),
            LEN_14..LEN_32 => Some(usize::from(first - LEN_14) << 8 | usize::from(self.byte()?)),
            LEN_32 => usize::try_from(u32::from_be_bytes(self.array()?)).ok(),
            LEN_64 => usize::try_from(u64::from_be_bytes(self.array()?)).ok(),
            _ => None,
        }
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Option<Vec<u8>> {
        let integer = match self.byte()? {
            INT_8 => i64::from(i8::from_le_bytes(self.array()?)),
            INT_16 => i64::from(i16::from_le_bytes(self.array()?)),
            INT_32 => i64::from(i32::from_le_bytes(self.array()?)),
            LZF => {
                let compressed = self.len()?;
                let len = self.len().filter(|&len| len <= STRING_MAX)?;
                return lzf::decompress(self.bytes(compressed)?, len);
            }
            first => {
                let len = self.len_after(first)?;
                return self.bytes(len).map(<[u8]>::to_vec);
            }
        };
        Some(packed::decimal(integer))
    }

    /// Reads the items of a listpack, which lies in a string.
    pub(crate) fn listpack(&mut self) -> Option<Vec<Vec<u8>>> {
        packed::listpack(&self.string()?)
    }

    /// Reads the items of a ziplist, which lies in a string.
    pub(crate) fn ziplist(&mut self) -> Option<Vec<Vec<u8>>> {
        packed::ziplist(&self.string()?)
    }

    /// Reads the fields and values of a zipmap, which lies in a string.
    pub(crate) fn zipmap(&mut self) -> Option<Vec<Vec<u8>>> {
        packed::zipmap(&self.string()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_redis() {
        assert_eq!(CRC.checksum(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn lengths_of_every_form_read_back() {
        for len in [0, 63, 64, 16_383, 16_384, u32::MAX as usize, u32::MAX as usize + 1] {
            let mut out = Writer(Vec::new());
            out.len(len);
            assert_eq!(Reader(&out.0).len(), Some(len));
        }
    }

    #[test]
    fn strings_of_every_form_read_back() {
        for n in [0, 127, 128, -128, -129, 32_767, 32_768, 2_147_483_647, 2_147_483_648, i64::MIN] {
            let mut out = Writer(Vec::new());
            out.string(n.to_string().as_bytes());
            assert_eq!(Reader(&out.0).string(), Some(n.to_string().into_bytes()));
        }
        for text in ["", "007", "-0", "text", &"x".repeat(20_000)] {
            let mut out = Writer(Vec::new());
            out.string(text.as_bytes());
            assert_eq!(Reader(&out.0).string(), Some(text.into()));
        }
    }

    #[test]
    fn a_field_that_comes_twice_is_no_hash() {
        const HASH: u8 = 4;
        assert!(read(&[HASH, 2, 1, b'a', 1, b'x', 1, b'b', 1, b'x']).is_some());
        assert!(read(&[HASH, 2, 1, b'a', 1, b'x', 1, b'a', 1, b'x']).is_none());
        assert!(read(&[HASH, 0]).is_none());
    }
}
