//! Errors in Redis' words, where more than one command has them.

/// The key holds another type than the command works on.
pub(crate) const WRONGTYPE: &str =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
/// The arguments make no sense together.
pub(crate) const SYNTAX: &str = "ERR syntax error";
/// An argument should be a 64-bit integer.
pub(crate) const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
/// An argument should be a number.
pub(crate) const NOT_A_FLOAT: &str = "ERR value is not a valid float";
/// A sum of numbers is not finite.
pub(crate) const NAN_OR_INFINITY: &str = "ERR increment would produce NaN or Infinity";
/// An increment would leave the range of 64-bit integers.
pub(crate) const OVERFLOW: &str = "ERR increment or decrement would overflow";
/// The command needs the key.
pub(crate) const NO_SUCH_KEY: &str = "ERR no such key";
/// A string would pass the longest one allowed.
pub(crate) const STRING_TOO_LONG: &str =
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
/// Memory is over its limit and nothing can be dropped.
pub(crate) const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";
/// The disk has no room for the log.
pub(crate) const DISK_FULL: &str = "MISCONF Writes are refused: the disk is full. Reads go on; \
     writes will too as soon as there is room.";
/// The log needs another file.
pub(crate) const NO_FILES: &str = "MISCONF Writes are refused: no file can be opened for the log, \
     since too many are open. Reads go on; writes will too as soon as one can.";
/// The log could not be written or synced.
pub(crate) const LOG_FAILED: &str = "MISCONF Writes are refused: writing the log failed. Check \
     the disk, then restart.";
/// More is waiting to be synced than the log holds back.
pub(crate) const LOG_BEHIND: &str =
    "MISCONF Writes are refused for now: the disk is slower than the writers. Try again.";
/// The engine was closed.
pub(crate) const CLOSED: &str = "ERR the database is closed";
/// A field's value should be a 64-bit integer.
pub(crate) const HASH_NOT_AN_INTEGER: &str = "ERR hash value is not an integer";
/// A field's value should be a number.
pub(crate) const HASH_NOT_A_FLOAT: &str = "ERR hash value is not a float";
