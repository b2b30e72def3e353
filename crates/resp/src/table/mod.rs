//! The command table: what every command of Redis 7.2 looks like, as data.
//!
//! The dispatch of an engine, the choice of a cluster slot, access rules,
//! metering and `COMMAND`'s answers all read this one table. Arity, flags,
//! key positions, categories and versions are Redis' own; the words are ours.
//!
//! ```
//! use tuckbox_resp::{cmd, table};
//!
//! let spec = table::lookup(b"GetEx").ok_or("no such command")?;
//! assert_eq!(spec.name, "getex");
//! assert!(spec.arity_ok(2) && !spec.arity_ok(1));
//! assert!(spec.flags.contains(table::Flags::WRITE));
//!
//! let mset = cmd!("MSET", "a", 1, "b", 2);
//! let spec = table::lookup(mset.name()).ok_or("no such command")?;
//! assert_eq!(spec.keys(&mset)?.collect::<Vec<_>>(), [1, 3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acl;
mod category;
mod connection;
mod diagnostics;
mod flags;
mod generic;
mod hash;
mod index;
mod keys;
mod scripting;
mod server;
mod string;
mod transactions;

pub use category::Categories;
pub use flags::Flags;
pub use keys::{KeyIndexes, KeySpec, KeysError};

use category::categories;
use flags::flags;
use keys::{ALL, FIRST};

use crate::Command;

/// One command, or one subcommand of a container such as `OBJECT`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CommandSpec {
    /// The name in lower case; a subcommand's with its container: `object|freq`.
    pub name: &'static str,
    /// How many arguments, the name included (and the subcommand's); negative
    /// means that many or more. See [`arity_ok`](Self::arity_ok).
    pub arity: i8,
    /// What the command does and when it may run.
    pub flags: Flags,
    /// Where the keys stand. A container has none; its subcommands may.
    pub keys: KeySpec,
    /// What the command is about.
    pub group: Group,
    /// The categories that do not follow from the flags; see
    /// [`categories`](Self::categories).
    extra_categories: Categories,
    /// The version of Redis that brought it.
    pub since: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What it costs.
    pub complexity: &'static str,
    /// The subcommands, by name; empty unless this is a container.
    pub subcommands: &'static [CommandSpec],
    index: u16,
}

/// What a command is about, as Redis groups its documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// Strings.
    String,
    /// Hashes.
    Hash,
    /// Keys of any type.
    Generic,
    /// The connection of one client.
    Connection,
    /// Transactions.
    Transactions,
    /// The server as a whole.
    Server,
    /// Scripts and functions.
    Scripting,
}

impl Group {
    /// The word `COMMAND DOCS` uses: `string`, `hash`, `generic`, …
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Hash => "hash",
            Self::Generic => "generic",
            Self::Connection => "connection",
            Self::Transactions => "transactions",
            Self::Server => "server",
            Self::Scripting => "scripting",
        }
    }
}

impl CommandSpec {
    /// A dense number: for a command its place in [`ALL_COMMANDS`], for a
    /// subcommand its place in its container's list. Stable within a build.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index as usize
    }

    /// Whether a command of `len` arguments, the name included, is complete.
    #[must_use]
    pub const fn arity_ok(&self, len: usize) -> bool {
        let arity = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { len >= arity } else { len == arity }
    }

    /// The subcommand called `name`, in any case, without the container's name.
    #[must_use]
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static CommandSpec> {
        let subcommands = self.subcommands;
        subcommands.iter().find(|spec| spec.own_name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The name without its container's: `freq` for `object|freq`.
    #[must_use]
    pub fn own_name(&self) -> &'static str {
        match self.name.split_once('|') {
            Some((_, name)) => name,
            None => self.name,
        }
    }

    /// The spec that says what `command` is: the subcommand's when `command`
    /// names one, else this. Its arity and flags are those to check.
    ///
    /// `None` when this is a container that has no such subcommand.
    #[must_use]
    pub fn resolve(&'static self, command: &Command) -> Option<&'static CommandSpec> {
        match command.get(1) {
            Some(name) if !self.subcommands.is_empty() => self.subcommand(name),
            _ => Some(self),
        }
    }

    /// The access categories, as `ACL CAT` knows them.
    #[must_use]
    pub const fn categories(&self) -> Categories {
        self.extra_categories.with_implied(self.flags)
    }

    /// The numbers of the arguments that are keys; the name is number 0.
    ///
    /// A container looks at the subcommand, a script at its count of keys.
    /// A command that is too short for its arity gives the keys it has.
    ///
    /// # Errors
    /// [`KeysError`] when the command counts its keys and the count is wrong.
    pub fn keys(&self, command: &Command) -> Result<KeyIndexes, KeysError> {
        match command.get(1) {
            Some(name) if !self.subcommands.is_empty() => match self.subcommand(name) {
                Some(spec) => spec.keys.find(command),
                None => Ok(KeyIndexes::none()),
            },
            _ => self.keys.find(command),
        }
    }
}

/// What all commands share until their group's file says otherwise.
const GENERAL: CommandSpec = CommandSpec {
    name: "",
    arity: 1,
    flags: Flags::NONE,
    keys: KeySpec::None,
    group: Group::Generic,
    extra_categories: Categories::NONE,
    since: "1.0.0",
    summary: "",
    complexity: "O(1)",
    subcommands: &[],
    index: 0,
};

/// How many commands the table has, subcommands not counted.
pub const COMMAND_COUNT: usize = count();

/// Every command, ordered by group, then name; [`CommandSpec::index`] is the
/// place in here.
pub static ALL_COMMANDS: [CommandSpec; COMMAND_COUNT] = assemble();

/// The command called `name`, in any case, or `None`.
///
/// Costs one hash of a few bytes and one comparison; allocates nothing.
#[must_use]
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static CommandSpec> {
    index::find(name)
}

const GROUPS: &[&[CommandSpec]] = &[
    string::COMMANDS,
    hash::COMMANDS,
    generic::COMMANDS,
    connection::COMMANDS,
    transactions::COMMANDS,
    server::COMMANDS,
    acl::COMMANDS,
    diagnostics::COMMANDS,
    scripting::COMMANDS,
];

const fn count() -> usize {
    let mut total = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        total += GROUPS[group].len();
        group += 1;
    }
    total
}

const fn assemble() -> [CommandSpec; COMMAND_COUNT] {
    let mut specs = [GENERAL; COMMAND_COUNT];
    let mut next = 0;
    let mut group = 0;
    while group < GROUPS.len() {
        let mut i = 0;
        while i < GROUPS[group].len() {
            specs[next] = GROUPS[group][i];
            next += 1;
            i += 1;
        }
        group += 1;
    }
    numbered(specs)
}

/// Gives each spec its place as its index.
const fn numbered<const N: usize>(mut specs: [CommandSpec; N]) -> [CommandSpec; N] {
    let mut i = 0;
    while i < N {
        specs[i].index = i as u16;
        i += 1;
    }
    specs
}

#[cfg(test)]
mod tests;
