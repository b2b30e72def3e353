//! Inline requests: a line of words, as a person types them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

/// The words of one line and the buffer they lie in.
pub(super) struct Words {
    pub(super) buf: Bytes,
    pub(super) ranges: SmallVec<[Range<usize>; 8]>,
}

/// A quote was not closed, or a closing quote is followed by more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unbalanced;

/// Splits `line` by Redis' rules: words are apart by white space; in double
/// quotes `\n \r \t \b \a \xHH` and an escaped byte stand for a byte; in single
/// quotes only `\'` does; a closing quote ends the word.
pub(super) fn split(line: &[u8]) -> Result<Words, Unbalanced> {
    let mut buf = BytesMut::with_capacity(line.len());
    let mut ranges = SmallVec::new();
    let mut rest = line;
    loop {
        rest = skip_blanks(rest);
        if rest.is_empty() {
            return Ok(Words { buf: buf.freeze(), ranges });
        }
        let start = buf.len();
        rest = take_word(rest, &mut buf)?;
        ranges.push(start..buf.len());
    }
}

/// Appends the word that `rest` begins with; answers what follows it.
fn take_word<'a>(mut rest: &'a [u8], buf: &mut BytesMut) -> Result<&'a [u8], Unbalanced> {
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(rest),
            [b'"', inside @ ..] => return after_quote(take_double_quoted(inside, buf)?),
            [b'\'', inside @ ..] => return after_quote(take_single_quoted(inside, buf)?),
            [byte, more @ ..] => {
                buf.extend_from_slice(&[*byte]);
                rest = more;
            }
        }
    }
}

fn after_quote(rest: &[u8]) -> Result<&[u8], Unbalanced> {
    match rest {
        [] => Ok(rest),
        [byte, ..] if is_space(*byte) => Ok(rest),
        _ => Err(Unbalanced),
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], buf: &mut BytesMut) -> Result<&'a [u8], Unbalanced> {
    loop {
        let byte;
        (byte, rest) = match rest {
            [] => return Err(Unbalanced),
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex(*high) << 4 | hex(*low), after)
            }
            [b'\\', escaped, after @ ..] => (unescape(*escaped), after),
            [plain, after @ ..] => (*plain, after),
        };
        buf.extend_from_slice(&[byte]);
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], buf: &mut BytesMut) -> Result<&'a [u8], Unbalanced> {
    loop {
        let byte;
        (byte, rest) = match rest {
            [] => return Err(Unbalanced),
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => (b'\'', after),
            [plain, after @ ..] => (*plain, after),
        };
        buf.extend_from_slice(&[byte]);
    }
}

const fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        letter => (letter | 0x20) - b'a' + 10,
    }
}

/// C's `isspace`, which unlike Rust's knows the vertical tab.
const fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0B
}

fn skip_blanks(rest: &[u8]) -> &[u8] {
    let blanks = rest.iter().take_while(|byte| is_space(**byte)).count();
    &rest[blanks..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
        let words = split(line)?;
        Ok(words.ranges.iter().map(|range| words.buf[range.clone()].to_vec()).collect())
    }

    #[test]
    fn words_are_apart_by_white_space() {
        assert_eq!(words(b" SET  key\tvalue \x0b").unwrap(), [&b"SET"[..], b"key", b"value"]);
        assert!(words(b" \t ").unwrap().is_empty());
    }

    #[test]
    fn double_quotes_take_escapes() {
        assert_eq!(
            words(br#"set "a b" "\x00\xfF\n\r\t\b\a\q\"" "#).unwrap(),
            [&b"set"[..], b"a b", b"\x00\xff\n\r\t\x08\x07q\""]
        );
        assert_eq!(words(br#""\xZ1""#).unwrap(), [b"xZ1"]);
        assert_eq!(words(br#""""#).unwrap(), [b""]);
    }

    #[test]
    fn single_quotes_take_all_but_their_own_escape_as_it_is() {
        assert_eq!(words(br"'a\n' 'it\'s'").unwrap(), [&br"a\n"[..], b"it's"]);
    }

    #[test]
    fn a_quote_may_begin_within_a_word_and_ends_it() {
        assert_eq!(words(br#"a"b c" d"#).unwrap(), [&b"ab c"[..], b"d"]);
        for line in [&br#""a"b"#[..], br#""a"#, b"'a", br"'a'b", br#""a\"#, br#""\""#] {
            assert_eq!(words(line), Err(Unbalanced), "{}", line.escape_ascii());
        }
    }
}
