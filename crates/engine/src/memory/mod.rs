//! The memory makes it fast: the keyspace, strings, and the parts of large
//! values. Nothing here waits, reads a file or knows a command; what other
//! values are made of is in [`types`](crate::types).

mod glob;
mod key;
mod keyspace;
mod parts;
mod segment;
mod string;
mod value;
mod view;

pub(crate) use glob::glob;
pub(crate) use keyspace::{Images, KeyHash, Keyspace, KeyspaceId, Residency, Slot};
pub(crate) use parts::{Absent, Gap, Head, PART_BYTES, Part, Parts, Reach, StoredPart, ValueId};
pub(crate) use segment::Removed;
pub(crate) use string::{Str, parse_integer};
pub(crate) use value::{IN_PARTS, Value, allocated};
pub(crate) use view::View;
