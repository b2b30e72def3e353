//! The expiry that `SET`, `SETEX`, `PSETEX` and `GETEX` take.

use tuckbox_resp::ErrorReply;

use crate::commands::arguments::{integer, is};

/// How an expiry is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// `EX`: seconds from now.
    Seconds,
    /// `PX`: milliseconds from now.
    Milliseconds,
    /// `EXAT`: Unix time in seconds.
    UnixSeconds,
    /// `PXAT`: Unix time in milliseconds.
    UnixMilliseconds,
}

impl Unit {
    /// The unit that the option `name` means.
    pub(super) fn of_option(name: &[u8]) -> Option<Self> {
        // Most options of most commands are none of these.
        let options = [
            ("EX", Self::Seconds),
            ("PX", Self::Milliseconds),
            ("EXAT", Self::UnixSeconds),
            ("PXAT", Self::UnixMilliseconds),
        ];
        options.into_iter().find(|(option, _)| is(name, option)).map(|(_, unit)| unit)
    }
}

/// An expiry as it was written, not yet looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry<'a> {
    pub(super) unit: Unit,
    pub(super) value: &'a [u8],
}

impl Expiry<'_> {
    /// The expiry in Unix milliseconds; it may be in the past.
    ///
    /// # Errors
    /// When it is no number, not after zero, or too far away, in the name of
    /// `command`.
    pub(super) fn at(self, now: u64, command: &str) -> Result<u64, ErrorReply> {
        let value = integer(self.value)?;
        let (scale, base) = match self.unit {
            Unit::Seconds => (1000, now),
            Unit::Milliseconds => (1, now),
            Unit::UnixSeconds => (1000, 0),
            Unit::UnixMilliseconds => (1, 0),
        };
        // Redis keeps it in 63 bits.
        let at = value.checked_mul(scale).filter(|_| value > 0);
        at.and_then(|ms| ms.checked_add_unsigned(base))
            .map(i64::unsigned_abs)
            .ok_or_else(|| format!("ERR invalid expire time in '{command}' command").into())
    }
}
