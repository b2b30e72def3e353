//! Reading arguments, with Redis' errors for those that cannot be read.

use tuckbox_resp::ErrorReply;

use super::NOT_AN_INTEGER;
use crate::memory::parse_integer;

/// The 64-bit integer that `arg` is.
pub(crate) fn integer(arg: &[u8]) -> Result<i64, ErrorReply> {
    parse_integer(arg).ok_or_else(|| NOT_AN_INTEGER.into())
}

/// Whether `arg` is the option called `name`, in any case.
pub(crate) fn is(arg: &[u8], name: &str) -> bool {
    arg.eq_ignore_ascii_case(name.as_bytes())
}
