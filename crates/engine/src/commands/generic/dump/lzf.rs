//! LZF, which Redis compresses long strings with.
//!
//! ```text
//! 000lllll                     l + 1 bytes follow as they are
//! llldddddd dddddddd           l + 2 bytes are those at d + 1 bytes back
//! 111ddddd llllllll dddddddd   the same with l + 9 bytes
//! ```

/// The most bytes that one compressed byte can stand for: 264 by three.
const EXPANSION: usize = 88;

/// The `len` bytes that `input` is the compressed form of; `None` when it is
/// not.
pub(super) fn decompress(mut input: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > input.len().saturating_mul(EXPANSION) {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    while let Some(control) = take(&mut input) {
        let high = usize::from(control >> 5);
        if high == 0 {
            let (literal, rest) = input.split_at_checked(usize::from(control) + 1)?;
            out.extend_from_slice(literal);
            input = rest;
        } else {
            let more = if high == 7 { usize::from(take(&mut input)?) } else { 0 };
            let distance = (usize::from(control & 0x1f) << 8 | usize::from(take(&mut input)?)) + 1;
            let start = out.len().checked_sub(distance)?;
            copy_within(&mut out, start, high + more + 2);
        }
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

fn take(input: &mut &[u8]) -> Option<u8> {
    let (first, rest) = input.split_first()?;
    *input = rest;
    Some(*first)
}

/// Appends `count` bytes from `start` on, which may run into what they append.
fn copy_within(out: &mut Vec<u8>, start: usize, mut count: usize) {
    while count > 0 {
        let step = count.min(out.len() - start);
        out.extend_from_within(start..start + step);
        count -= step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_references_are_put_together() {
        assert_eq!(decompress(&[2, b'a', b'b', b'c'], 3).unwrap(), b"abc");
        assert_eq!(decompress(&[0, b'a', 0xe0, 0, 0], 10).unwrap(), b"aaaaaaaaaa");
        assert_eq!(decompress(&[1, b'a', b'b', 0x20, 1], 5).unwrap(), b"ababa");
    }

    #[test]
    fn what_is_not_compressed_is_refused() {
        for (input, len) in [
            (&[2, b'a'][..], 3),
            (&[0x20, 0], 3),
            (&[0, b'a', 0x20, 1], 4),
            (&[0, b'a'], 2),
            (&[1, b'a', b'b'], 1),
            (&[0, b'a'], 1 << 40),
        ] {
            assert!(decompress(input, len).is_none(), "{input:?}");
        }
    }
}
