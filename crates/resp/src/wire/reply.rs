//! [`ReplyParser`]: what servers answer.

use std::{borrow::Cow, fmt, vec};

use bytes::{Buf, Bytes, BytesMut};

use super::{Limits, decimal};
use crate::{ErrorReply, Reply};

/// Room for so many replies is kept from one call to the next.
const KEPT_ROOM: usize = 1024;

/// Turns the bytes a server sends into replies, in either dialect of RESP.
///
/// Bytes may come in pieces of any size: what is understood is taken out of
/// the buffer at once and not looked at again. Strings are not copied but stay
/// in the buffer that was received; copy out what is kept long.
///
/// Attributes are read and dropped. Streamed strings and aggregates, which no
/// server sends unasked, are an error.
///
/// ```
/// use bytes::BytesMut;
/// use tuckbox_resp::{Limits, Reply, ReplyParser};
///
/// let mut parser = ReplyParser::new(Limits::REPLY);
/// let mut received = BytesMut::from(&b"%1\r\n$1\r\na\r\n:1"[..]);
/// assert_eq!(parser.parse(&mut received)?, None);
/// received.extend_from_slice(b"\r\n");
/// let map = Reply::Map(vec![(Reply::bulk(b"a"), Reply::Integer(1))]);
/// assert_eq!(parser.parse(&mut received)?, Some(map));
/// # Ok::<(), tuckbox_resp::ReplyError>(())
/// ```
pub struct ReplyParser {
    limits: Limits,
    /// Replies that are whole and whose aggregate is not.
    values: Vec<Reply>,
    /// The aggregates that are open, the innermost last.
    open: Vec<Aggregate>,
    /// Bytes at the buffer's start, after the type, that hold no end of line.
    scanned: usize,
    /// Bytes of the present reply that have been taken out.
    taken: usize,
}

/// An array, set, push, map or attribute whose elements are coming in.
struct Aggregate {
    /// The byte that began it.
    kind: u8,
    /// Elements still to come; a pair counts twice.
    left: usize,
    /// Where in `values` its elements begin.
    start: usize,
}

impl ReplyParser {
    /// A parser at the start of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, values: Vec::new(), open: Vec::new(), scanned: 0, taken: 0 }
    }

    /// The next reply in `buf`, or `None` until more bytes are there.
    ///
    /// `buf` is the connection's read buffer: the same at every call, with
    /// received bytes added at its end and nothing else done to it.
    ///
    /// # Errors
    /// [`ReplyError`] when the bytes are no reply or pass a limit. Where the
    /// next reply begins is not known then: close the connection.
    ///
    /// # Panics
    /// When bytes of an unfinished line were taken out of `buf`.
    pub fn parse(&mut self, buf: &mut BytesMut) -> Result<Option<Reply>, ReplyError> {
        while self.read_part(buf)? {
            self.close_complete();
            if self.open.is_empty()
                && let Some(reply) = self.values.pop()
            {
                self.taken = 0;
                self.values.shrink_to(KEPT_ROOM);
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// Whether the last reply was complete, so that whatever comes next begins
    /// a new one. Bytes still in the buffer are not counted.
    #[must_use]
    pub fn is_between_replies(&self) -> bool {
        self.taken == 0
    }

    /// Turns every open aggregate that has all its elements into a reply.
    #[inline]
    fn close_complete(&mut self) {
        while let Some(aggregate) = self.open.pop_if(|aggregate| aggregate.left == 0) {
            let elements = self.values.drain(aggregate.start..);
            if let Some(reply) = complete(aggregate.kind, elements) {
                self.add(reply);
            }
        }
    }

    #[inline]
    fn add(&mut self, reply: Reply) {
        self.values.push(reply);
        if let Some(aggregate) = self.open.last_mut() {
            aggregate.left -= 1;
        }
    }

    /// Takes a scalar or the head of an aggregate out of `buf`; `false` when
    /// not all of it is there.
    fn read_part(&mut self, buf: &mut BytesMut) -> Result<bool, ReplyError> {
        let Some(kind) = buf.first().copied() else { return Ok(false) };
        let Some(end) = self.find_line_end(buf)? else { return Ok(false) };
        if matches!(kind, b'$' | b'!' | b'=') {
            return self.read_bulk(kind, end, buf);
        }
        let line = &buf[1..end];
        match kind {
            b'*' | b'%' | b'~' | b'>' | b'|' => self.open_aggregate(kind, line)?,
            _ => {
                let reply = read_scalar(kind, line)?;
                self.add(reply);
            }
        }
        self.take(end + 2)?;
        buf.advance(end + 2);
        Ok(true)
    }

    fn open_aggregate(&mut self, kind: u8, line: &[u8]) -> Result<(), ReplyError> {
        if line == b"?" {
            return Err(ReplyError::Streamed);
        }
        let len = match decimal::parse(line).ok_or(ReplyError::InvalidLength)? {
            -1 if kind == b'*' => {
                self.add(Reply::NullArray);
                return Ok(());
            }
            len => usize::try_from(len).map_err(|_| ReplyError::InvalidLength)?,
        };
        if len > self.limits.args {
            return Err(ReplyError::TooManyElements);
        }
        if self.open.len() >= self.limits.depth {
            return Err(ReplyError::TooDeep);
        }
        let left = if matches!(kind, b'%' | b'|') { len.saturating_mul(2) } else { len };
        self.open.push(Aggregate { kind, left, start: self.values.len() });
        Ok(())
    }

    /// Reads a string whose length the line that ends at `end` tells.
    fn read_bulk(&mut self, kind: u8, end: usize, buf: &mut BytesMut) -> Result<bool, ReplyError> {
        let line = &buf[1..end];
        if line == b"?" {
            return Err(ReplyError::Streamed);
        }
        let len = match decimal::parse(line).ok_or(ReplyError::InvalidLength)? {
            -1 if kind == b'$' => {
                self.take(end + 2)?;
                buf.advance(end + 2);
                self.add(Reply::Null);
                return Ok(true);
            }
            len => usize::try_from(len).map_err(|_| ReplyError::InvalidLength)?,
        };
        if len > self.limits.bulk_len {
            return Err(ReplyError::BulkTooLong);
        }
        let whole = end + 2 + len + 2;
        self.check_total(whole)?;
        if buf.len() < whole {
            return Ok(false);
        }
        if buf[whole - 2..whole] != *b"\r\n" {
            return Err(ReplyError::LineEnd);
        }
        buf.advance(end + 2);
        let bytes = buf.split_to(len).freeze();
        buf.advance(2);
        self.take(whole)?;
        let reply = match kind {
            b'$' => Reply::Bulk(bytes),
            b'!' => Reply::Error(error_from(&bytes)),
            _ => verbatim_from(bytes)?,
        };
        self.add(reply);
        Ok(true)
    }

    /// Where the text of the buffer's first line ends, once its end is there.
    #[inline]
    fn find_line_end(&mut self, buf: &[u8]) -> Result<Option<usize>, ReplyError> {
        // Nearly all lengths have one or two digits.
        let short = match buf {
            [_, ones, b'\r', b'\n', ..] if *ones != b'\r' => Some(2),
            [_, tens, ones, b'\r', b'\n', ..] if *tens != b'\r' && *ones != b'\r' => Some(3),
            _ => None,
        };
        if short.is_some() {
            self.scanned = 0;
            return Ok(short);
        }
        let text = &buf[1..buf.len().min(self.limits.inline_len + 2)];
        let Some(at) = memchr::memchr(b'\r', &text[self.scanned..]) else {
            if text.len() > self.limits.inline_len {
                return Err(ReplyError::LineTooLong);
            }
            self.scanned = text.len();
            return Ok(None);
        };
        let end = 1 + self.scanned + at;
        match buf.get(end + 1) {
            Some(b'\n') => {
                // The line is not taken yet when it tells a string's length;
                // then it is short and finding its end again costs little.
                self.scanned = 0;
                Ok(Some(end))
            }
            Some(_) => Err(ReplyError::LineEnd),
            None => {
                self.scanned += at;
                Ok(None)
            }
        }
    }

    fn take(&mut self, len: usize) -> Result<(), ReplyError> {
        self.check_total(len)?;
        self.taken += len;
        Ok(())
    }

    fn check_total(&self, len: usize) -> Result<(), ReplyError> {
        if self.taken.saturating_add(len) > self.limits.total_len {
            return Err(ReplyError::TooLarge);
        }
        Ok(())
    }
}

impl fmt::Debug for ReplyParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyParser")
            .field("limits", &self.limits)
            .field("open_aggregates", &self.open.len())
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}

/// The aggregate of `elements`; `None` for an attribute, which says something
/// of the value that comes next and leaves its place to it.
fn complete(kind: u8, mut elements: vec::Drain<'_, Reply>) -> Option<Reply> {
    Some(match kind {
        b'%' => {
            let mut pairs = Vec::with_capacity(elements.len() / 2);
            while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
                pairs.push((key, value));
            }
            Reply::Map(pairs)
        }
        b'~' => Reply::Set(elements.collect()),
        b'>' => Reply::Push(elements.collect()),
        b'|' => return None,
        _ => Reply::Array(elements.collect()),
    })
}

fn read_scalar(kind: u8, line: &[u8]) -> Result<Reply, ReplyError> {
    Ok(match kind {
        b'+' => Reply::Simple(status_from(line)),
        b'-' => Reply::Error(error_from(line)),
        b':' => {
            // RESP3 allows a plus.
            let digits = line.strip_prefix(b"+").unwrap_or(line);
            Reply::Integer(decimal::parse(digits).ok_or(ReplyError::InvalidInteger)?)
        }
        b'_' if line.is_empty() => Reply::Null,
        b'_' => return Err(ReplyError::InvalidNull),
        b'#' => match line {
            b"t" => Reply::Boolean(true),
            b"f" => Reply::Boolean(false),
            _ => return Err(ReplyError::InvalidBoolean),
        },
        b',' => {
            let text = std::str::from_utf8(line).map_err(|_| ReplyError::InvalidDouble)?;
            Reply::Double(text.parse().map_err(|_| ReplyError::InvalidDouble)?)
        }
        b'(' => Reply::BigNumber(big_number_from(line)?),
        b';' | b'.' => return Err(ReplyError::Streamed),
        kind => return Err(ReplyError::UnknownType(kind)),
    })
}

fn status_from(line: &[u8]) -> Cow<'static, str> {
    match line {
        b"OK" => Cow::Borrowed("OK"),
        b"QUEUED" => Cow::Borrowed("QUEUED"),
        b"PONG" => Cow::Borrowed("PONG"),
        other => Cow::Owned(String::from_utf8_lossy(other).into_owned()),
    }
}

fn error_from(text: &[u8]) -> ErrorReply {
    ErrorReply::from(String::from_utf8_lossy(text).into_owned())
}

fn big_number_from(line: &[u8]) -> Result<String, ReplyError> {
    let digits = line.strip_prefix(b"-").or(line.strip_prefix(b"+")).unwrap_or(line);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(ReplyError::InvalidBigNumber);
    }
    String::from_utf8(line.to_vec()).map_err(|_| ReplyError::InvalidBigNumber)
}

fn verbatim_from(mut bytes: Bytes) -> Result<Reply, ReplyError> {
    let format = match bytes[..] {
        [a, b, c, b':', ..] => [a, b, c],
        _ => return Err(ReplyError::InvalidVerbatim),
    };
    bytes.advance(4);
    Ok(Reply::Verbatim { format, text: bytes })
}

/// What a server sent is no reply, or too large a one.
///
/// The connection is of no use any more: what follows cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// A reply of no known type; this byte should have told it.
    UnknownType(u8),
    /// A string or aggregate that is streamed in parts.
    Streamed,
    /// A length that is no number, or negative.
    InvalidLength,
    /// `:` without an integer.
    InvalidInteger,
    /// `,` without a number.
    InvalidDouble,
    /// `#` without `t` or `f`.
    InvalidBoolean,
    /// `(` without digits.
    InvalidBigNumber,
    /// `=` without a format.
    InvalidVerbatim,
    /// `_` with something after it.
    InvalidNull,
    /// A line or string does not end with `\r\n`.
    LineEnd,
    /// A line longer than [`Limits::inline_len`].
    LineTooLong,
    /// A string longer than [`Limits::bulk_len`].
    BulkTooLong,
    /// An aggregate with more elements than [`Limits::args`].
    TooManyElements,
    /// Aggregates within each other deeper than [`Limits::depth`].
    TooDeep,
    /// The reply is longer than [`Limits::total_len`].
    TooLarge,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownType(kind) => {
                return write!(
                    f,
                    "the server does not speak RESP: a reply began with '{}'",
                    kind.escape_ascii()
                );
            }
            Self::Streamed => "the server sent a streamed reply, which is not supported",
            Self::InvalidLength => "the server sent an invalid length",
            Self::InvalidInteger => "the server sent an invalid integer",
            Self::InvalidDouble => "the server sent an invalid double",
            Self::InvalidBoolean => "the server sent an invalid boolean",
            Self::InvalidBigNumber => "the server sent an invalid big number",
            Self::InvalidVerbatim => "the server sent a verbatim string without a format",
            Self::InvalidNull => "the server sent an invalid null",
            Self::LineEnd => "the server sent a line that does not end in CR LF",
            Self::LineTooLong => "the server sent too long a line",
            Self::BulkTooLong => "the server sent too long a string",
            Self::TooManyElements => "the server sent a reply of too many elements",
            Self::TooDeep => "the server sent a reply nested too deep",
            Self::TooLarge => "the server sent too large a reply",
        })
    }
}

impl std::error::Error for ReplyError {}

#[cfg(test)]
mod tests;
