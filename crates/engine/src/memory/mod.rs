//! The memory makes it fast: the keyspace and the native structures of every
//! data type. Nothing here waits, reads a file or knows a command.

mod glob;
mod hash;
mod key;
mod keyspace;
mod parts;
mod segment;
mod string;
mod value;
mod view;

pub(crate) use glob::glob;
pub(crate) use hash::Hash;
pub(crate) use keyspace::{Image, Images, KeyHash, Keyspace, KeyspaceId, Residency, Slot};
pub(crate) use parts::{
    Absent, Gap, Head, PART_BYTES, Part, PartImage, Parts, Reach, StoredPart, ValueId,
};
pub(crate) use segment::Removed;
pub(crate) use string::{Str, parse_integer};
pub(crate) use value::{IN_PARTS, Items, Kind, Value};
pub(crate) use view::View;
