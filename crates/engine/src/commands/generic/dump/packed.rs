//! Redis' packed lists: small hashes lie in one string, field after value.
//!
//! Three forms, of which Redis 7 writes the first and reads all.

/// The decimal form of `n`, as a packed integer reads.
pub(super) fn decimal(n: i64) -> Vec<u8> {
    itoa::Buffer::new().format(n).as_bytes().to_vec()
}

/// What is left of a packed list.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn bytes(&mut self, len: usize) -> Option<&[u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// A signed integer of up to eight bytes, little-endian.
    fn integer(&mut self, len: usize) -> Option<Vec<u8>> {
        let bytes = self.bytes(len)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..len].copy_from_slice(bytes);
        Some(decimal(i64::from_le_bytes(wide)))
    }

    /// A length of up to eight bytes, little-endian.
    fn len_le(&mut self, len: usize) -> Option<usize> {
        let mut wide = [0; 8];
        wide[..len].copy_from_slice(self.bytes(len)?);
        usize::try_from(u64::from_le_bytes(wide)).ok()
    }

    fn string(&mut self, len: usize) -> Option<Vec<u8>> {
        self.bytes(len).map(<[u8]>::to_vec)
    }
}

/// What is between a header with the whole length in its first four bytes and
/// the end mark.
fn between(bytes: &[u8], header: usize) -> Option<Rest<'_>> {
    let total = u32::from_le_bytes(*bytes.first_chunk::<4>()?) as usize;
    let [items @ .., 0xff] = bytes.get(header..)? else { return None };
    (total == bytes.len()).then_some(Rest(items))
}

/// The items of a listpack.
///
/// ```text
/// listpack = bytes (u32), items (u16; 0xffff unknown), item*, 0xff
/// item     = kind and length, content, length of both (1 to 5 bytes)
/// ```
pub(super) fn listpack(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = between(bytes, 6)?;
    let mut items = Vec::new();
    while !rest.0.is_empty() {
        let before = rest.0.len();
        let kind = rest.byte()?;
        items.push(match kind {
            0x00..=0x7f => decimal(i64::from(kind)),
            0x80..=0xbf => rest.string(usize::from(kind & 0x3f))?,
            0xc0..=0xdf => {
                // Thirteen bits, signed.
                let raw = i64::from(kind & 0x1f) << 8 | i64::from(rest.byte()?);
                decimal(if raw < 1 << 12 { raw } else { raw - (1 << 13) })
            }
            0xe0..=0xef => {
                let len = usize::from(kind & 0x0f) << 8 | usize::from(rest.byte()?);
                rest.string(len)?
            }
            0xf0 => {
                let len = rest.len_le(4)?;
                rest.string(len)?
            }
            0xf1..=0xf3 => rest.integer(usize::from(kind - 0xf0) + 1)?,
            0xf4 => rest.integer(8)?,
            _ => return None,
        });
        // Seven bits a byte, but all ones is a byte longer from two bytes on.
        let back = match before - rest.0.len() {
            0..=0x7f => 1,
            0x80..0x3fff => 2,
            0x3fff..0x1f_ffff => 3,
            0x1f_ffff..0xfff_ffff => 4,
            _ => 5,
        };
        rest.bytes(back)?;
    }
    Some(items)
}

/// The items of a ziplist.
///
/// ```text
/// ziplist = bytes (u32), offset of the last item (u32), items (u16), item*, 0xff
/// item    = length of the item before (1 or 5 bytes), kind and length, content
/// ```
pub(super) fn ziplist(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = between(bytes, 10)?;
    let mut items = Vec::new();
    while !rest.0.is_empty() {
        if rest.byte()? == 0xfe {
            rest.bytes(4)?;
        }
        let kind = rest.byte()?;
        items.push(match kind {
            0x00..=0x3f => rest.string(usize::from(kind))?,
            0x40..=0x7f => {
                let len = usize::from(kind & 0x3f) << 8 | usize::from(rest.byte()?);
                rest.string(len)?
            }
            0x80..=0xbf => {
                let len = u32::from_be_bytes(*rest.bytes(4)?.first_chunk()?);
                rest.string(usize::try_from(len).ok()?)?
            }
            0xc0 => rest.integer(2)?,
            0xd0 => rest.integer(4)?,
            0xe0 => rest.integer(8)?,
            0xf0 => rest.integer(3)?,
            0xfe => rest.integer(1)?,
            0xf1..=0xfd => decimal(i64::from(kind - 0xf1)),
            _ => return None,
        });
    }
    Some(items)
}

/// The items of a zipmap, which has fields and values by its form.
///
/// ```text
/// zipmap = fields (u8; 254 unknown), (length, field, length, unused (u8), value, unused bytes)*, 0xff
/// length = u8 under 254, or 254 and a u32
/// ```
pub(super) fn zipmap(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let [_, items @ .., 0xff] = bytes else { return None };
    let mut rest = Rest(items);
    let mut items = Vec::new();
    while !rest.0.is_empty() {
        for unused in [false, true] {
            let len = match rest.byte()? {
                254 => rest.len_le(4)?,
                255 => return None,
                len => usize::from(len),
            };
            let unused = if unused { usize::from(rest.byte()?) } else { 0 };
            items.push(rest.string(len)?);
            rest.bytes(unused)?;
        }
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(items: Option<Vec<Vec<u8>>>) -> Option<Vec<String>> {
        let text = |item| String::from_utf8(item).unwrap();
        items.map(|items| items.into_iter().map(text).collect())
    }

    fn listpack_of(items: &[u8]) -> Vec<u8> {
        let total = items.len() as u32 + 7;
        [&total.to_le_bytes()[..], &[0xff, 0xff], items, &[0xff]].concat()
    }

    fn ziplist_of(items: &[u8]) -> Vec<u8> {
        let total = items.len() as u32 + 11;
        [&total.to_le_bytes()[..], &[10, 0, 0, 0, 0xff, 0xff], items, &[0xff]].concat()
    }

    #[test]
    fn every_item_of_a_listpack_is_read() {
        for (item, expected) in [
            (&[0x00, 1][..], "0"),
            (&[0x7f, 1], "127"),
            (&[0x82, b'h', b'i', 3], "hi"),
            (&[0xdf, 0xff, 2], "-1"),
            (&[0xcf, 0xff, 2], "4095"),
            (&[0xd0, 0x00, 2], "-4096"),
            (&[0xe0, 0x02, b'h', b'i', 4], "hi"),
            (&[0xf0, 2, 0, 0, 0, b'h', b'i', 7], "hi"),
            (&[0xf1, 0x00, 0x80, 3], "-32768"),
            (&[0xf2, 0xff, 0xff, 0x7f, 4], "8388607"),
            (&[0xf3, 0x00, 0x00, 0x00, 0x80, 5], "-2147483648"),
            (&[0xf4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9], "-9223372036854775808"),
        ] {
            assert_eq!(words(listpack(&listpack_of(item))).unwrap(), [expected], "{item:?}");
        }
    }

    #[test]
    fn a_long_item_of_a_listpack_has_a_long_length_behind_it() {
        for (whole, back) in
            [(127, 1), (128, 2), (16_382, 2), (16_383, 3), (2_097_150, 3), (2_097_151, 4)]
        {
            let text = "x".repeat(whole - 5);
            let mut item = vec![0xf0];
            item.extend((text.len() as u32).to_le_bytes());
            item.extend(text.as_bytes());
            item.extend(vec![0; back]);
            item.extend([0x05, 1]);
            assert_eq!(words(listpack(&listpack_of(&item))).unwrap(), [text, "5".into()]);
        }
    }

    #[test]
    fn every_item_of_a_ziplist_is_read() {
        for (item, expected) in [
            (&[0, 0x02, b'h', b'i'][..], "hi"),
            (&[0xfe, 0, 0, 0, 0, 0x02, b'h', b'i'], "hi"),
            (&[0, 0x40, 0x02, b'h', b'i'], "hi"),
            (&[0, 0x80, 0, 0, 0, 2, b'h', b'i'], "hi"),
            (&[0, 0xc0, 0x00, 0x80], "-32768"),
            (&[0, 0xd0, 0xff, 0xff, 0xff, 0x7f], "2147483647"),
            (&[0, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80], "-9223372036854775808"),
            (&[0, 0xf0, 0xff, 0xff, 0xff], "-1"),
            (&[0, 0xfe, 0x80], "-128"),
            (&[0, 0xf1], "0"),
            (&[0, 0xfd], "12"),
        ] {
            assert_eq!(words(ziplist(&ziplist_of(item))).unwrap(), [expected], "{item:?}");
        }
    }

    #[test]
    fn a_zipmap_is_read_past_its_unused_bytes() {
        let map = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world!!\xff";
        assert_eq!(words(zipmap(map)).unwrap(), ["foo", "bar", "hello", "world"]);
        let map = b"\x01\xfe\x03\x00\x00\x00foo\x01\x00x\xff";
        assert_eq!(words(zipmap(map)).unwrap(), ["foo", "x"]);
    }

    #[test]
    fn what_is_cut_or_wrong_is_refused() {
        let whole = listpack_of(&[0x82, b'h', b'i', 3]);
        for len in 0..whole.len() {
            assert!(listpack(&whole[..len]).is_none());
        }
        assert!(listpack(&listpack_of(&[0xf5, 1])).is_none());
        assert!(listpack(&listpack_of(&[0xbf, b'x', 2])).is_none());
        assert!(ziplist(&ziplist_of(&[0, 0xc1, 1, 1])).is_none());
        assert!(ziplist(&ziplist_of(&[0])).is_none());
        assert!(zipmap(b"\x01\x03foo\xff").is_none());
        assert!(zipmap(b"").is_none());
    }
}
