//! [`Str`]: a byte string in the smallest form that holds it.

use std::{borrow::Cow, ops::Range, sync::Arc};

use bytes::Bytes;

use super::value::allocated;

/// Longer strings are shared with their readers instead of copied.
const SHARED_FROM: usize = 1024;

/// Redis keeps strings up to this length inside the object (`embstr`).
const EMBSTR_MAX: usize = 44;

/// A byte string.
#[derive(Clone, Debug)]
pub(crate) enum Str {
    /// The decimal form of a 64-bit integer.
    Int(i64),
    /// Up to [`SHARED_FROM`] bytes.
    Small(Box<[u8]>),
    /// More: shared with replies in flight, and with room to append.
    Large(Arc<Vec<u8>>),
}

/// The owner of a reply's bytes while the value may go on changing.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Str {
    /// The string with these bytes; a canonical decimal integer becomes
    /// [`Str::Int`].
    pub(crate) fn from_slice(bytes: &[u8]) -> Self {
        if let Some(n) = parse_integer(bytes) {
            return Self::Int(n);
        }
        if bytes.len() < SHARED_FROM {
            return Self::Small(bytes.into());
        }
        Self::Large(Arc::new(bytes.to_vec()))
    }

    /// The string with these bytes, taking the allocation; see
    /// [`Str::from_slice`].
    pub(crate) fn from_vec(bytes: Vec<u8>) -> Self {
        if bytes.len() >= SHARED_FROM {
            return Self::Large(Arc::new(bytes));
        }
        match parse_integer(&bytes) {
            Some(n) => Self::Int(n),
            None => Self::Small(bytes.into_boxed_slice()),
        }
    }

    /// The bytes; an integer's are made.
    pub(crate) fn as_bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Int(n) => Cow::Owned(itoa::Buffer::new().format(*n).as_bytes().to_vec()),
            Self::Small(bytes) => Cow::Borrowed(bytes),
            Self::Large(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// The bytes for a reply: copied when short, shared when long.
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Self::Int(n) => Bytes::copy_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
            Self::Small(bytes) => Bytes::copy_from_slice(bytes),
            Self::Large(bytes) => Bytes::from_owner(Shared(Arc::clone(bytes))),
        }
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Int(n) => itoa::Buffer::new().format(*n).len(),
            Self::Small(bytes) => bytes.len(),
            Self::Large(bytes) => bytes.len(),
        }
    }

    /// The integer this string is the canonical decimal form of.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            // Every canonical integer was made an Int, whatever made the string.
            Self::Small(_) | Self::Large(_) => None,
        }
    }

    /// The bytes of `range`, which lies in the string, for a reply: copied
    /// when short, shared when long.
    pub(crate) fn part(&self, range: Range<usize>) -> Bytes {
        match self {
            Self::Large(_) if range.len() >= SHARED_FROM => self.to_bytes().slice(range),
            _ => Bytes::copy_from_slice(&self.as_bytes()[range]),
        }
    }

    /// Adds `tail` at the end.
    ///
    /// A long string keeps room to grow, so appending is amortised; a reader's
    /// share of it is copied away first.
    pub(crate) fn append(&mut self, tail: &[u8]) {
        if let Self::Large(bytes) = self {
            Arc::make_mut(bytes).extend_from_slice(tail);
            return;
        }
        let head = self.as_bytes();
        let mut bytes = Vec::with_capacity(head.len() + tail.len());
        bytes.extend_from_slice(&head);
        bytes.extend_from_slice(tail);
        *self = Self::from_vec(bytes);
    }

    /// Puts `part` over the bytes from `offset` on, with zero bytes before it
    /// where the string ends earlier.
    pub(crate) fn overwrite(&mut self, offset: usize, part: &[u8]) {
        let end = offset + part.len();
        let write = |bytes: &mut Vec<u8>| {
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[offset..end].copy_from_slice(part);
        };
        if let Self::Large(bytes) = self {
            write(Arc::make_mut(bytes));
            return;
        }
        let mut bytes = self.as_bytes().into_owned();
        write(&mut bytes);
        *self = Self::from_vec(bytes);
    }

    /// The word that `OBJECT ENCODING` answers.
    pub(crate) fn encoding(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Small(bytes) if bytes.len() <= EMBSTR_MAX => "embstr",
            Self::Small(_) | Self::Large(_) => "raw",
        }
    }

    /// Heap bytes behind the string.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Int(_) => 0,
            Self::Small(bytes) => allocated(bytes.len()),
            Self::Large(bytes) => {
                allocated(bytes.capacity()) + allocated(size_of::<Vec<u8>>() + 16)
            }
        }
    }

    /// Appends the stored form: the bytes themselves.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.as_bytes());
    }
}

/// The integer whose canonical decimal form `bytes` is: no sign but `-`, no
/// leading zero, no space.
pub(crate) fn parse_integer(bytes: &[u8]) -> Option<i64> {
    let (digits, negative) = match bytes {
        [b'-', rest @ ..] => (rest, true),
        _ => (bytes, false),
    };
    match digits {
        [b'0'] => return (!negative).then_some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut n: i64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(n) } else { n.checked_neg() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for (text, n) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-0", None),
            ("01", None),
            ("+1", None),
            ("", None),
            ("-", None),
            ("1 ", None),
        ] {
            assert_eq!(parse_integer(text.as_bytes()), n, "{text:?}");
        }
    }

    #[test]
    fn growing_moves_between_the_forms() {
        let mut string = Str::from_slice(b"7");
        string.append(b"7");
        assert!(matches!(string, Str::Int(77)));
        string.append(b"x");
        assert!(matches!(string, Str::Small(_)));
        string.overwrite(2, b"8");
        assert!(matches!(string, Str::Int(778)));
        string.overwrite(4, &[b'y'; 5000]);
        assert!(matches!(string, Str::Large(_)));
        assert_eq!(string.as_bytes()[..6], *b"778\0yy");
        assert_eq!(string.len(), 5004);
    }

    #[test]
    fn a_reader_keeps_what_it_was_given() {
        let mut string = Str::from_slice(&[b'a'; 2000]);
        let (whole, part) = (string.to_bytes(), string.part(100..1900));
        string.append(b"bb");
        string.overwrite(0, b"cc");
        assert!(whole.iter().all(|&byte| byte == b'a') && whole.len() == 2000);
        assert!(part.iter().all(|&byte| byte == b'a') && part.len() == 1800);
        assert_eq!(string.part(0..3), "cca");
        assert_eq!(string.part(1999..2002), "abb");
        assert_eq!(Str::Int(-1234).part(0..2), "-1");
    }
}
