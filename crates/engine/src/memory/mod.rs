//! The memory makes it fast: the keyspace and the native structures of every
//! data type. Nothing here waits, reads a file or knows a command.

mod glob;
mod hash;
mod key;
mod keyspace;
mod segment;
mod string;
mod value;

pub(crate) use glob::glob;
pub(crate) use hash::Hash;
pub(crate) use keyspace::{Image, KeyHash, Keyspace, KeyspaceId, Residency, Slot};
pub(crate) use segment::Removed;
pub(crate) use string::{Str, parse_integer};
pub(crate) use value::{Kind, Value};
