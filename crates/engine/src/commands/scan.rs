//! The arguments that `SCAN`, `HSCAN` and their kin share.

use tuckbox_resp::{Command, ErrorReply};

use super::{
    SYNTAX,
    arguments::{integer, is},
};
use crate::memory::glob;

/// How many elements a call goes through unless `COUNT` says otherwise.
const COUNT: usize = 10;

/// A cursor and the options after it.
#[derive(Debug)]
pub(crate) struct ScanOptions<'a> {
    /// Where to go on; 0 to begin.
    pub(crate) cursor: u64,
    /// How many elements to go through at least.
    pub(crate) count: usize,
    pattern: Option<&'a [u8]>,
    /// The word after `TYPE`, which only `SCAN` takes.
    pub(crate) kind: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Reads the cursor at argument `at` and the options that follow it.
    ///
    /// # Errors
    /// In Redis' words.
    pub(crate) fn parse(command: &'a Command, at: usize) -> Result<Self, ErrorReply> {
        let cursor = cursor(command, at)?;
        let mut options = Self { cursor, count: COUNT, pattern: None, kind: None };
        let mut args = command.iter_from(at + 1);
        while let Some(option) = args.next() {
            let value = args.next().ok_or(SYNTAX)?;
            if is(option, "COUNT") {
                let count = integer(value)?;
                options.count = usize::try_from(count).ok().filter(|&n| n > 0).ok_or(SYNTAX)?;
            } else if is(option, "MATCH") {
                // The pattern that matches all is the same as none.
                options.pattern = (value != b"*").then_some(value);
            } else if is(option, "TYPE") && at == 1 {
                options.kind = Some(value);
            } else {
                return Err(SYNTAX.into());
            }
        }
        Ok(options)
    }

    /// Whether `name` fits the pattern.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob(pattern, name))
    }
}

/// The cursor at argument `at`, whose error comes before all others.
///
/// # Errors
/// In Redis' words.
pub(crate) fn cursor(command: &Command, at: usize) -> Result<u64, ErrorReply> {
    command.get(at).and_then(parse_cursor).ok_or_else(|| "ERR invalid cursor".into())
}

/// The cursor as C's `strtoul` reads it, which is what Redis does: signs are
/// taken, a negative number counts from the end of the range, nothing is 0,
/// and a zero byte ends the text.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = memchr::memchr(0, text).map_or(text, |end| &text[..end]);
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}
