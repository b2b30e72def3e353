//! [`Reply`]: what a command answers, in RESP3's types.

use std::{borrow::Cow, fmt};

use bytes::Bytes;

/// What a command answers.
///
/// The set of types is RESP3's; RESP2 and the REST API's JSON are projections
/// of it that the writers make.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A status, such as `OK`.
    Simple(Cow<'static, str>),
    /// The command failed; what it asked for did not happen.
    Error(ErrorReply),
    /// A 64-bit integer.
    Integer(i64),
    /// A byte string.
    Bulk(Bytes),
    /// No value: RESP3's null, in RESP2 the null bulk string.
    Null,
    /// No array: RESP3's null, in RESP2 the null array (an aborted `EXEC`).
    NullArray,
    /// Values in order.
    Array(Vec<Reply>),
    /// Keys and values in order; in RESP2 a flat array.
    Map(Vec<(Reply, Reply)>),
    /// Values without order; in RESP2 an array.
    Set(Vec<Reply>),
    /// A message out of turn: pub/sub, invalidations; in RESP2 an array.
    Push(Vec<Reply>),
    /// A floating point number; in RESP2 a bulk string.
    Double(f64),
    /// A truth value; in RESP2 the integer 1 or 0.
    Boolean(bool),
    /// An integer of any size in decimal; in RESP2 a bulk string.
    BigNumber(String),
    /// Text with a three-letter format such as `txt`; in RESP2 a bulk string.
    Verbatim {
        /// Three letters: `txt`, `mkd`.
        format: [u8; 3],
        /// The text without the format.
        text: Bytes,
    },
}

impl Reply {
    /// The status `OK`.
    pub const OK: Self = Self::Simple(Cow::Borrowed("OK"));

    /// The status `QUEUED`, as a command inside `MULTI` answers.
    pub const QUEUED: Self = Self::Simple(Cow::Borrowed("QUEUED"));

    /// A byte string with a copy of `bytes`.
    #[must_use]
    pub fn bulk(bytes: &[u8]) -> Self {
        Self::Bulk(Bytes::copy_from_slice(bytes))
    }

    /// An error from its whole text, code first: `ERR syntax error`.
    #[must_use]
    pub fn error(text: impl Into<ErrorReply>) -> Self {
        Self::Error(text.into())
    }

    /// `self`, or the error as `Err`.
    ///
    /// # Errors
    /// The error, when the reply is one.
    pub fn into_result(self) -> Result<Self, ErrorReply> {
        match self {
            Self::Error(error) => Err(error),
            reply => Ok(reply),
        }
    }

    /// The bytes of a bulk, simple or verbatim string; `None` for null.
    ///
    /// # Errors
    /// [`Unexpected`] for every other type.
    pub fn into_bytes(self) -> Result<Option<Bytes>, Unexpected> {
        match self {
            Self::Bulk(bytes) | Self::Verbatim { text: bytes, .. } => Ok(Some(bytes)),
            Self::Simple(Cow::Borrowed(text)) => Ok(Some(Bytes::from_static(text.as_bytes()))),
            Self::Simple(Cow::Owned(text)) => Ok(Some(Bytes::from(text))),
            Self::Null | Self::NullArray => Ok(None),
            other => Err(other.unexpected("a string")),
        }
    }

    /// The integer; a boolean counts as 1 or 0.
    ///
    /// # Errors
    /// [`Unexpected`] for every other type.
    pub fn into_integer(self) -> Result<i64, Unexpected> {
        match self {
            Self::Integer(n) => Ok(n),
            Self::Boolean(b) => Ok(i64::from(b)),
            other => Err(other.unexpected("an integer")),
        }
    }

    /// The elements of an array, set or push; a null is empty.
    ///
    /// # Errors
    /// [`Unexpected`] for every other type.
    pub fn into_array(self) -> Result<Vec<Self>, Unexpected> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Ok(items),
            Self::Null | Self::NullArray => Ok(Vec::new()),
            other => Err(other.unexpected("an array")),
        }
    }

    /// The pairs of a map, or of RESP2's flat array of even length.
    ///
    /// # Errors
    /// [`Unexpected`] for every other type.
    pub fn into_pairs(self) -> Result<Vec<(Self, Self)>, Unexpected> {
        match self {
            Self::Map(pairs) => Ok(pairs),
            Self::Array(items) if items.len() % 2 == 0 => {
                let mut pairs = Vec::with_capacity(items.len() / 2);
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    pairs.push((key, value));
                }
                Ok(pairs)
            }
            Self::Null | Self::NullArray => Ok(Vec::new()),
            other => Err(other.unexpected("a map")),
        }
    }

    fn unexpected(&self, wanted: &'static str) -> Unexpected {
        let got = match self {
            Self::Simple(_) => "a status",
            Self::Error(_) => "an error",
            Self::Integer(_) => "an integer",
            Self::Bulk(_) => "a string",
            Self::Null | Self::NullArray => "null",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Set(_) => "a set",
            Self::Push(_) => "a push message",
            Self::Double(_) => "a double",
            Self::Boolean(_) => "a boolean",
            Self::BigNumber(_) => "a big number",
            Self::Verbatim { .. } => "a verbatim string",
        };
        Unexpected { wanted, got }
    }
}

/// An error a command answered: a code in capitals, then words.
///
/// The text never holds a line break: RESP could not carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReply(Cow<'static, str>);

impl ErrorReply {
    /// The whole text, code first.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The code: `ERR`, `WRONGTYPE`, `NOAUTH`, …
    #[must_use]
    pub fn code(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

impl From<&'static str> for ErrorReply {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for ErrorReply {
    fn from(text: String) -> Self {
        if text.contains(['\r', '\n']) {
            return Self(Cow::Owned(text.replace(['\r', '\n'], " ")));
        }
        Self(Cow::Owned(text))
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ErrorReply {}

/// A reply was of another type than its reader needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unexpected {
    /// What the reader needed.
    pub wanted: &'static str,
    /// What the reply was.
    pub got: &'static str,
}

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store answered {} where {} was expected", self.got, self.wanted)
    }
}

impl std::error::Error for Unexpected {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_from_maps_and_from_flat_arrays() {
        let flat = Reply::Array(vec![Reply::bulk(b"f"), Reply::Integer(1)]);
        let map = Reply::Map(vec![(Reply::bulk(b"f"), Reply::Integer(1))]);
        assert_eq!(flat.into_pairs(), map.into_pairs());
        assert!(Reply::Array(vec![Reply::Null]).into_pairs().is_err());
    }

    #[test]
    fn an_error_never_holds_a_line_break() {
        let error = ErrorReply::from("ERR bad\r\nkey".to_owned());
        assert_eq!(error.text(), "ERR bad  key");
        assert_eq!(error.code(), "ERR");
    }
}
