//! [`RequestParser`]: what clients send.

use std::{fmt, mem};

use bytes::{Buf, Bytes, BytesMut};

use super::{Limits, decimal, inline};
use crate::{
    Command, ErrorReply,
    command::{Span, Spans},
};

/// Redis' limits for a client that has not logged in yet.
const ARGS_BEFORE_LOGIN: usize = 10;
const BULK_LEN_BEFORE_LOGIN: usize = 16384;

/// Turns the bytes a client sends into commands: arrays of bulk strings, or
/// inline requests as a person types them.
///
/// Bytes may come in pieces of any size: each is looked at once. The arguments
/// of a command are not copied but stay in the buffer that was received, so a
/// value that is kept long should be copied out of its command.
///
/// ```
/// use bytes::BytesMut;
/// use tuckbox_resp::{Limits, RequestParser, cmd};
///
/// let mut parser = RequestParser::new(Limits::REQUEST);
/// let mut received = BytesMut::from(&b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n*1\r\n$4\r\nPI"[..]);
/// assert_eq!(parser.parse(&mut received)?, Some(cmd!("GET", "a")));
/// assert_eq!(parser.parse(&mut received)?, Some(cmd!("PING")));
/// assert_eq!(parser.parse(&mut received)?, None);
/// received.extend_from_slice(b"NG\r\n");
/// assert_eq!(parser.parse(&mut received)?, Some(cmd!("PING")));
/// # Ok::<(), tuckbox_resp::RequestError>(())
/// ```
#[derive(Clone)]
pub struct RequestParser {
    limits: Limits,
    login_required: bool,
    /// Bytes of the present request that are understood.
    pos: usize,
    /// Bytes after `pos` that hold no end of line.
    scanned: usize,
    /// Arguments still to come; zero between requests.
    left: usize,
    /// The length of the argument that is coming in.
    bulk: Option<usize>,
    spans: Spans,
}

impl RequestParser {
    /// A parser at the start of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let limits = Limits { total_len: limits.total_len.min(u32::MAX as usize), ..limits };
        Self {
            limits,
            login_required: false,
            pos: 0,
            scanned: 0,
            left: 0,
            bulk: None,
            spans: Spans::new(),
        }
    }

    /// Has other limits from the next request on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = Limits { total_len: limits.total_len.min(u32::MAX as usize), ..limits };
    }

    /// While `true`, no request may have more than 10 arguments or a longer one
    /// than 16 KiB: enough to log in, too little to do harm. At first `false`.
    pub fn require_login(&mut self, required: bool) {
        self.login_required = required;
    }

    /// The next command in `buf`, or `None` until more bytes are there.
    ///
    /// `buf` is the connection's read buffer: the same at every call, with
    /// received bytes added at its end and nothing else done to it. The bytes
    /// of a finished command are taken out of it.
    ///
    /// # Errors
    /// [`RequestError`] when the bytes are no request or pass a limit. Where
    /// the next request begins is not known then: answer the error and close.
    ///
    /// # Panics
    /// When bytes of an unfinished request were taken out of `buf`.
    pub fn parse(&mut self, buf: &mut BytesMut) -> Result<Option<Command>, RequestError> {
        loop {
            if self.left == 0 {
                match buf.first() {
                    None => return Ok(None),
                    Some(b'*') => match self.begin(buf)? {
                        Some(0) => continue,
                        Some(count) => self.left = count,
                        None => return Ok(None),
                    },
                    Some(_) => match self.inline(buf)? {
                        Some(words) if words.ranges.is_empty() => continue,
                        Some(words) => return Ok(inline_command(words)),
                        None => return Ok(None),
                    },
                }
            }
            return Ok(self.read_args(buf)?.then(|| self.finish(buf)));
        }
    }

    /// How many bytes at least must be added to the `buffered` ones before
    /// [`parse`](Self::parse) can go on: a hint for reading long arguments in
    /// few steps. Do not allocate all of it at once on a client's word.
    #[must_use]
    pub fn missing(&self, buffered: usize) -> usize {
        let needed = self.bulk.map_or(0, |len| self.pos + len + 2);
        needed.saturating_sub(buffered).max(1)
    }

    /// Reads `*count`; zero when the request is empty and was skipped.
    fn begin(&mut self, buf: &mut BytesMut) -> Result<Option<usize>, RequestError> {
        let Some(line) = self.find_line(buf, RequestError::CountTooLong)? else {
            return Ok(None);
        };
        let count =
            decimal::parse(&buf[1..line.end]).ok_or(RequestError::InvalidMultibulkLength)?;
        let count = usize::try_from(count).unwrap_or(0);
        if count > self.limits.args {
            return Err(RequestError::InvalidMultibulkLength);
        }
        if self.login_required && count > ARGS_BEFORE_LOGIN {
            return Err(RequestError::CountBeforeLogin);
        }
        if count == 0 {
            buf.advance(line.next);
        } else {
            self.pos = line.next;
        }
        Ok(Some(count))
    }

    /// Reads as many arguments as are there; whether that was all of them.
    fn read_args(&mut self, buf: &BytesMut) -> Result<bool, RequestError> {
        while self.left > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => match self.read_bulk_len(buf)? {
                    Some(len) => len,
                    None => return Ok(false),
                },
            };
            let end = self.pos + len;
            if buf.len() < end + 2 {
                self.bulk = Some(len);
                return Ok(false);
            }
            // Within `total_len`, which is at most `u32::MAX`.
            self.spans.push(Span { start: self.pos as u32, end: end as u32 });
            self.pos = end + 2;
            self.bulk = None;
            self.left -= 1;
        }
        Ok(true)
    }

    /// Reads `$len`.
    #[inline]
    fn read_bulk_len(&mut self, buf: &BytesMut) -> Result<Option<usize>, RequestError> {
        let (len, next) = match &buf[self.pos..] {
            // Nearly all lengths have one or two digits.
            [b'$', digit @ b'0'..=b'9', b'\r', _, ..] => (usize::from(digit - b'0'), self.pos + 4),
            [b'$', tens @ b'1'..=b'9', ones @ b'0'..=b'9', b'\r', _, ..] => {
                (usize::from(tens - b'0') * 10 + usize::from(ones - b'0'), self.pos + 5)
            }
            _ => match self.read_long_bulk_len(buf)? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        if len > self.limits.bulk_len {
            return Err(RequestError::InvalidBulkLength);
        }
        if self.login_required && len > BULK_LEN_BEFORE_LOGIN {
            return Err(RequestError::BulkBeforeLogin);
        }
        if next.saturating_add(len).saturating_add(2) > self.limits.total_len {
            return Err(RequestError::TooLarge);
        }
        self.pos = next;
        self.scanned = 0;
        Ok(Some(len))
    }

    fn read_long_bulk_len(
        &mut self,
        buf: &BytesMut,
    ) -> Result<Option<(usize, usize)>, RequestError> {
        let Some(line) = self.find_line(buf, RequestError::BulkCountTooLong)? else {
            return Ok(None);
        };
        let kind = buf[self.pos];
        if kind != b'$' {
            return Err(RequestError::ExpectedDollar(kind));
        }
        // An empty line has its `\r` in the place of the `$`, so there is one.
        let len = decimal::parse(&buf[self.pos + 1..line.end]);
        let len = len.and_then(|len| usize::try_from(len).ok());
        Ok(Some((len.ok_or(RequestError::InvalidBulkLength)?, line.next)))
    }

    /// The line that begins at `pos`, once its end is there. As in Redis the
    /// byte after `\r` is taken for `\n` unseen.
    fn find_line(
        &mut self,
        buf: &BytesMut,
        too_long: RequestError,
    ) -> Result<Option<Line>, RequestError> {
        let rest = &buf[self.pos..];
        let within = &rest[..rest.len().min(self.limits.inline_len + 1)];
        match memchr::memchr(b'\r', &within[self.scanned..]) {
            Some(at) if self.scanned + at + 1 < rest.len() => {
                let end = self.pos + self.scanned + at;
                self.scanned = 0;
                Ok(Some(Line { end, next: end + 2 }))
            }
            Some(at) => {
                self.scanned += at;
                Ok(None)
            }
            None if rest.len() > self.limits.inline_len => Err(too_long),
            None => {
                self.scanned = rest.len();
                Ok(None)
            }
        }
    }

    fn inline(&mut self, buf: &mut BytesMut) -> Result<Option<inline::Words>, RequestError> {
        let within = &buf[..buf.len().min(self.limits.inline_len + 1)];
        let Some(at) = memchr::memchr(b'\n', &within[self.scanned..]) else {
            if buf.len() > self.limits.inline_len {
                return Err(RequestError::InlineTooLong);
            }
            self.scanned = buf.len();
            return Ok(None);
        };
        let end = self.scanned + at;
        let line = &buf[..end];
        let words = inline::split(line.strip_suffix(b"\r").unwrap_or(line))
            .map_err(|inline::Unbalanced| RequestError::UnbalancedQuotes)?;
        if words.ranges.len() > self.limits.args {
            return Err(RequestError::InlineTooLong);
        }
        self.scanned = 0;
        buf.advance(end + 1);
        Ok(Some(words))
    }

    #[inline]
    fn finish(&mut self, buf: &mut BytesMut) -> Command {
        let request = buf.split_to(self.pos).freeze();
        self.pos = 0;
        Command::from_spans(request, mem::take(&mut self.spans))
    }
}

impl fmt::Debug for RequestParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParser")
            .field("limits", &self.limits)
            .field("understood", &self.pos)
            .field("arguments_left", &self.left)
            .finish_non_exhaustive()
    }
}

fn inline_command(words: inline::Words) -> Option<Command> {
    let buf: Bytes = words.buf;
    Command::from_ranges(buf, words.ranges)
}

/// Where a line's text ends and the next begins.
struct Line {
    end: usize,
    next: usize,
}

/// What a client sent is no request, or too large a one.
///
/// `Display` is Redis' own text; [`ErrorReply::from`] makes the reply of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The number of arguments is no number, or over [`Limits::args`].
    InvalidMultibulkLength,
    /// More than 10 arguments before the login.
    CountBeforeLogin,
    /// The line with the number of arguments does not end.
    CountTooLong,
    /// This byte stands where `$` and an argument's length should.
    ExpectedDollar(u8),
    /// An argument's length is no number, negative, or over [`Limits::bulk_len`].
    InvalidBulkLength,
    /// An argument longer than 16 KiB before the login.
    BulkBeforeLogin,
    /// The line with an argument's length does not end.
    BulkCountTooLong,
    /// A line longer than [`Limits::inline_len`], or with too many words.
    InlineTooLong,
    /// A quote was not closed, or something follows a closing quote.
    UnbalancedQuotes,
    /// The request is longer than [`Limits::total_len`].
    TooLarge,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        f.write_str(match self {
            Self::InvalidMultibulkLength => "invalid multibulk length",
            Self::CountBeforeLogin => "unauthenticated multibulk length",
            Self::CountTooLong => "too big mbulk count string",
            Self::ExpectedDollar(got) => {
                // An error is one line of text.
                let shown = if *got == b' ' || got.is_ascii_graphic() { *got } else { b'?' };
                return write!(f, "expected '$', got '{}'", char::from(shown));
            }
            Self::InvalidBulkLength => "invalid bulk length",
            Self::BulkBeforeLogin => "unauthenticated bulk length",
            Self::BulkCountTooLong => "too big bulk count string",
            Self::InlineTooLong => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::TooLarge => "too big request",
        })
    }
}

impl std::error::Error for RequestError {}

impl From<RequestError> for ErrorReply {
    fn from(error: RequestError) -> Self {
        Self::from(format!("ERR {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd;

    const SMALL: Limits =
        Limits { bulk_len: 20_000, args: 16, inline_len: 64, total_len: 30_000, depth: 4 };

    /// What comes of `bytes` when they arrive whole and when one by one; it
    /// must be the same.
    fn parse_all(bytes: &[u8]) -> (Vec<Command>, Option<RequestError>) {
        let whole = feed(&mut RequestParser::new(SMALL), bytes.chunks(bytes.len().max(1)));
        let pieces = feed(&mut RequestParser::new(SMALL), bytes.chunks(1));
        assert_eq!(whole, pieces, "{}", bytes.escape_ascii());
        whole
    }

    fn feed<'a>(
        parser: &mut RequestParser,
        chunks: impl Iterator<Item = &'a [u8]>,
    ) -> (Vec<Command>, Option<RequestError>) {
        let mut buf = BytesMut::new();
        let mut commands = Vec::new();
        for chunk in chunks {
            buf.extend_from_slice(chunk);
            loop {
                match parser.parse(&mut buf) {
                    Ok(Some(command)) => commands.push(command),
                    Ok(None) => break,
                    Err(error) => return (commands, Some(error)),
                }
            }
        }
        (commands, None)
    }

    fn error_of(bytes: &[u8]) -> RequestError {
        parse_all(bytes).1.expect("an error")
    }

    #[test]
    fn requests_follow_each_other() {
        let bytes = b"*1\r\n$4\r\nPING\r\nECHO hi\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\n0123456789\r\n\r\n";
        let (commands, error) = parse_all(bytes);
        assert_eq!(
            commands,
            [cmd!("PING"), cmd!("ECHO", "hi"), cmd!("SET", "k", "0123456789\r\n")]
        );
        assert_eq!(error, None);
    }

    #[test]
    fn empty_requests_are_skipped() {
        let (commands, error) = parse_all(b"\r\n*0\r\n*-1\r\n*-5\r\n  \n\nPING\n*0\r\n");
        assert_eq!(commands, [cmd!("PING")]);
        assert_eq!(error, None);
    }

    #[test]
    fn a_long_argument_arrives_in_pieces() {
        let value = vec![b'x'; 15_000];
        let mut bytes = b"*2\r\n$4\r\nECHO\r\n$15000\r\n".to_vec();
        bytes.extend_from_slice(&value);
        bytes.extend_from_slice(b"\r\n");
        assert_eq!(parse_all(&bytes).0, [cmd!("ECHO", value)]);
    }

    #[test]
    fn what_is_missing_of_an_argument_is_told() {
        let mut parser = RequestParser::new(SMALL);
        let mut buf = BytesMut::from(&b"*2\r\n$4\r\nECHO\r\n$100\r\nabc"[..]);
        assert_eq!(parser.parse(&mut buf), Ok(None));
        assert_eq!(parser.missing(buf.len()), 99);
        assert_eq!(RequestParser::new(SMALL).missing(0), 1);
    }

    #[test]
    fn wrong_counts_are_refused() {
        use RequestError as E;
        for bytes in [&b"*a\r\n"[..], b"*\r\n", b"*+1\r\n", b"*01\r\n", b"*17\r\n", b"*1 \r\n"] {
            assert_eq!(error_of(bytes), E::InvalidMultibulkLength);
        }
        for bytes in [&b"*1\r\n$-1\r\n"[..], b"*1\r\n$\r\n", b"*1\r\n$x\r\n", b"*1\r\n$20001\r\n"] {
            assert_eq!(error_of(bytes), E::InvalidBulkLength);
        }
        assert_eq!(error_of(b"*1\r\n:1\r\n"), E::ExpectedDollar(b':'));
        assert_eq!(error_of(b"*1\r\n\r\n"), E::ExpectedDollar(b'\r'));
    }

    #[test]
    fn lines_without_an_end_are_refused() {
        let long = [b'1'; 70];
        assert_eq!(error_of(&[&b"*"[..], &long].concat()), RequestError::CountTooLong);
        assert_eq!(error_of(&[&b"*1\r\n$"[..], &long].concat()), RequestError::BulkCountTooLong);
        assert_eq!(error_of(&long), RequestError::InlineTooLong);
        assert_eq!(error_of(b"say \"hello\n"), RequestError::UnbalancedQuotes);
    }

    #[test]
    fn a_request_is_bounded_as_a_whole() {
        let mut bytes = b"*2\r\n$15000\r\n".to_vec();
        bytes.extend_from_slice(&[b'x'; 15_000]);
        bytes.extend_from_slice(b"\r\n$15000\r\n");
        assert_eq!(error_of(&bytes), RequestError::TooLarge);
    }

    #[test]
    fn before_the_login_requests_must_be_small() {
        let mut parser = RequestParser::new(SMALL);
        parser.require_login(true);
        let parse = |bytes: &[u8]| parser.clone().parse(&mut BytesMut::from(bytes));
        assert_eq!(parse(b"*11\r\n"), Err(RequestError::CountBeforeLogin));
        assert_eq!(parse(b"*1\r\n$16385\r\n"), Err(RequestError::BulkBeforeLogin));
        assert_eq!(parse(b"*10\r\n$16384\r\n"), Ok(None));
        parser.require_login(false);
        assert_eq!(parser.parse(&mut BytesMut::from(&b"*11\r\n"[..])), Ok(None));
    }

    #[test]
    fn errors_read_as_those_of_redis() {
        let text = |error| ErrorReply::from(error).text().to_owned();
        assert_eq!(
            text(RequestError::ExpectedDollar(b'x')),
            "ERR Protocol error: expected '$', got 'x'"
        );
        assert_eq!(
            text(RequestError::InvalidMultibulkLength),
            "ERR Protocol error: invalid multibulk length"
        );
    }
}
