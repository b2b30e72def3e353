//! The words of Tuckbox: commands, replies, the command table and the RESP
//! wire forms. No I/O happens here.
//!
//! # Commands and replies
//!
//! A [`Command`] is a name and its byte arguments; a [`Reply`] is RESP3's set
//! of types. Everything above this crate speaks in these two, whether the
//! engine is in the same process, behind TCP or behind HTTP.
//!
//! ```
//! use tuckbox_resp::cmd;
//!
//! let command = cmd!("SET", "greeting", "hello", "EX", 60);
//! assert_eq!(command.name(), b"SET");
//! assert_eq!(command.len(), 5);
//! ```
//!
//! A command never shows its arguments in `Debug`: they can be session ids or
//! passwords.
//!
//! # The command table
//!
//! [`table`] says of every command what it is called, how many arguments it
//! takes, which of them are keys, and what it does to the data. An engine keeps
//! its handlers in an array by [`CommandSpec::index`](table::CommandSpec::index):
//!
//! ```
//! use tuckbox_resp::{cmd, table};
//!
//! let command = cmd!("hget", "user:1", "name");
//! let spec = table::lookup(command.name()).ok_or("unknown command")?;
//! assert!(spec.arity_ok(command.len()));
//! for index in spec.keys(&command)? {
//!     assert_eq!(&command[index], b"user:1");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The wire
//!
//! A server reads with a [`RequestParser`] and answers with [`write_reply`]; a
//! client asks with [`write_command`] and reads with a [`ReplyParser`]. Both
//! parsers take the connection's read buffer, however the bytes were cut, and
//! take out of it what they understood. What they hand out is not copied, so
//! it keeps that buffer alive: copy what outlives the request.
//!
//! ```
//! use bytes::BytesMut;
//! use tuckbox_resp::{
//!     ErrorReply, Limits, Protocol, Reply, RequestParser, write_reply,
//! };
//!
//! let mut parser = RequestParser::new(Limits::REQUEST);
//! let mut received = BytesMut::from(&b"PING\r\n*1\r\n+4\r\n"[..]);
//! let mut answers = BytesMut::new();
//! loop {
//!     match parser.parse(&mut received) {
//!         Ok(Some(_command)) => {
//!             write_reply(&Reply::Simple("PONG".into()), Protocol::Resp2, &mut answers);
//!         }
//!         Ok(None) => break, // read more from the socket
//!         Err(error) => {
//!             let reply = Reply::Error(ErrorReply::from(error));
//!             write_reply(&reply, Protocol::Resp2, &mut answers);
//!             break; // and close it
//!         }
//!     }
//! }
//! assert_eq!(answers, "+PONG\r\n-ERR Protocol error: expected '$', got '+'\r\n");
//! ```
//!
//! ## Limits
//!
//! Every length a peer can announce has a limit in [`Limits`], and announcing
//! one allocates nothing: memory grows with the bytes that came in. Passing a
//! limit is an error, after which the connection is to be closed.
//!
//! ## Where this is not Redis to the byte
//!
//! - Doubles look as Redis 7.2 prints them; 7.0 printed seventeen digits.
//! - A line is measured against its limit however it was cut; Redis lets a long
//!   one pass when it arrives in one read.
//! - An inline request may hold a zero byte; Redis stops reading at it.
//! - An error that would show a byte which is no printable ASCII shows `?`.
//! - A request is bounded as a whole, and answered with an error at the bound;
//!   Redis closes the connection without a word.

mod command;
mod reply;
pub mod table;
mod wire;

pub use command::{Arg, Command, CommandBuilder};
pub use reply::{ErrorReply, Reply, Unexpected};
pub use wire::{
    Limits, Protocol, ReplyError, ReplyParser, RequestError, RequestParser, format_double,
    write_command, write_reply,
};
