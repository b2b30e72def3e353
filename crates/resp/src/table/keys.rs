//! Which arguments of a command are keys.

use std::fmt;

use crate::{Command, wire::parse_decimal};

/// Where a command's keys stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySpec {
    /// There are none.
    None,
    /// Every `step`th argument from `first` to `last`.
    Range {
        /// The first key's number.
        first: u8,
        /// The last key's number; negative counts from the end, -1 the last.
        last: i8,
        /// From one key to the next.
        step: u8,
    },
    /// Argument `at` says how many keys follow it.
    NumKeys {
        /// The count's number.
        at: u8,
    },
    /// `SORT`: the first argument, and the one after the last `STORE`.
    Sort,
    /// `MIGRATE`: the third argument, or if empty all after `KEYS`.
    Migrate,
}

/// The first argument.
pub(super) const FIRST: KeySpec = KeySpec::Range { first: 1, last: 1, step: 1 };

/// All arguments.
pub(super) const ALL: KeySpec = KeySpec::Range { first: 1, last: -1, step: 1 };

impl KeySpec {
    /// The three numbers of `COMMAND`: first key, last key, step. Zeros when
    /// these cannot tell it.
    #[must_use]
    pub const fn first_last_step(self) -> (i64, i64, i64) {
        match self {
            Self::None | Self::NumKeys { .. } => (0, 0, 0),
            Self::Range { first, last, step } => (first as i64, last as i64, step as i64),
            Self::Sort => (1, 1, 1),
            Self::Migrate => (3, 3, 1),
        }
    }

    pub(super) fn find(self, command: &Command) -> Result<KeyIndexes, KeysError> {
        let len = command.len();
        Ok(match self {
            Self::None => KeyIndexes::none(),
            Self::Range { first, last, step } => {
                let end = match usize::try_from(last) {
                    Ok(last) => last + 1,
                    Err(_) => (len + 1).saturating_sub(usize::from(last.unsigned_abs())),
                };
                KeyIndexes::range(usize::from(first), end.min(len), usize::from(step))
            }
            Self::NumKeys { at } => {
                let at = usize::from(at);
                let count = key_count(command, at)?;
                KeyIndexes::range(at + 1, at + 1 + count, 1)
            }
            Self::Sort => {
                let mut keys = KeyIndexes::range(1, 2.min(len), 1);
                keys.extra = sort_destination(command);
                keys
            }
            Self::Migrate => migrate_keys(command),
        })
    }
}

fn key_count(command: &Command, at: usize) -> Result<usize, KeysError> {
    let text = command.get(at).ok_or(KeysError::NoCount)?;
    let count = parse_decimal(text).ok_or(KeysError::NotANumber)?;
    let count = usize::try_from(count).map_err(|_| KeysError::Negative)?;
    if count > command.len() - at - 1 {
        return Err(KeysError::TooMany);
    }
    Ok(count)
}

/// The number of the key that `SORT … STORE` writes.
fn sort_destination(command: &Command) -> Option<usize> {
    let mut found = None;
    let mut i = 2;
    while let Some(word) = command.get(i) {
        // The words' own arguments are passed over: one may be called STORE.
        if word.eq_ignore_ascii_case(b"LIMIT") {
            i += 2;
        } else if word.eq_ignore_ascii_case(b"GET") || word.eq_ignore_ascii_case(b"BY") {
            i += 1;
        } else if word.eq_ignore_ascii_case(b"STORE") && i + 1 < command.len() {
            i += 1;
            found = Some(i);
        }
        i += 1;
    }
    found
}

fn migrate_keys(command: &Command) -> KeyIndexes {
    let len = command.len();
    let single = KeyIndexes::range(3, 4.min(len), 1);
    let mut i = 6;
    while let Some(word) = command.get(i) {
        if word.eq_ignore_ascii_case(b"KEYS") {
            // With a key in its place as well the command is wrong; the one
            // key is what Redis reports then.
            let named = command.get(3).is_some_and(|key| !key.is_empty());
            return if named { single } else { KeyIndexes::range(i + 1, len, 1) };
        }
        if word.eq_ignore_ascii_case(b"AUTH") {
            i += 1;
        } else if word.eq_ignore_ascii_case(b"AUTH2") {
            i += 2;
        }
        i += 1;
    }
    single
}

/// The numbers of the arguments that are keys, ascending.
#[derive(Clone, Debug)]
pub struct KeyIndexes {
    next: usize,
    end: usize,
    step: usize,
    extra: Option<usize>,
}

impl KeyIndexes {
    pub(super) const fn none() -> Self {
        Self::range(0, 0, 1)
    }

    const fn range(next: usize, end: usize, step: usize) -> Self {
        Self { next, end, step, extra: None }
    }
}

impl Iterator for KeyIndexes {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.next < self.end {
            let index = self.next;
            self.next += self.step;
            return Some(index);
        }
        self.extra.take()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.next).div_ceil(self.step);
        let left = left + usize::from(self.extra.is_some());
        (left, Some(left))
    }
}

impl ExactSizeIterator for KeyIndexes {}

/// A command counts its keys, and the count is wrong.
///
/// `Display` is what Redis answers, code included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeysError {
    /// The command ends before the count.
    NoCount,
    /// The count is not an integer.
    NotANumber,
    /// The count is negative.
    Negative,
    /// The count is larger than the number of arguments that follow.
    TooMany,
}

impl KeysError {
    /// What Redis answers, code included.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoCount => "ERR Invalid arguments specified for command",
            Self::NotANumber => "ERR value is not an integer or out of range",
            Self::Negative => "ERR Number of keys can't be negative",
            Self::TooMany => "ERR Number of keys can't be greater than number of args",
        }
    }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for KeysError {}
