//! RESP on the wire: incremental parsers with hard limits, and writers.

mod decimal;
mod double;
mod inline;
mod limits;
mod reply;
mod request;
mod write;

pub use double::format_double;
pub use limits::Limits;
pub use reply::{ReplyError, ReplyParser};
pub use request::{RequestError, RequestParser};
pub use write::{write_command, write_reply};

pub(crate) use decimal::parse as parse_decimal;
pub(crate) use double::write_double;

/// The two dialects of RESP; `HELLO` chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Strings, integers, arrays and errors; what every client speaks at first.
    #[default]
    Resp2,
    /// Also maps, sets, doubles, booleans and messages out of turn.
    Resp3,
}
