//! The commands: one file per group, one small function per command.
//!
//! A command runs to completion on structures in memory. It returns its reply
//! or an error in Redis' words, and tells its effects to the [`Context`] when
//! it changed anything.

mod arguments;
mod context;
mod errors;
mod float;
mod generic;
mod scan;
mod server;
mod string;

use std::sync::LazyLock;

use tuckbox_resp::{
    Command, ErrorReply, Reply,
    table::{COMMAND_COUNT, CommandSpec},
};

use crate::{
    database::{Call, Running},
    random::Random,
    script, types,
};

pub(crate) use arguments::{integer, is};
pub(crate) use context::{Cold, ColdKey, Context, Need, Walk};
pub(crate) use errors::*;
pub(crate) use float::Float;
pub(crate) use generic::dump;
pub(crate) use scan::{ScanOptions, cursor};

/// Runs one command on a database.
pub(crate) type Handler = fn(&mut Context<'_>, &Command) -> Result<Reply, ErrorReply>;

/// Runs a command that runs others.
pub(crate) type ScriptHandler = fn(&mut Running<'_>, &Call) -> Result<Reply, ErrorReply>;

/// What runs a command.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runs {
    /// A command on data.
    Data(Handler),
    /// A script, which runs others.
    Script(ScriptHandler),
}

/// Commands that belong together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// Each command and what runs it.
    pub(crate) runs: &'static [(&'static str, Handler)],
    /// What they need of a value in parts; of those that are not listed its head
    /// is enough.
    pub(crate) needs: &'static [(&'static str, Needs)],
}

/// All commands on data.
fn groups() -> impl Iterator<Item = Group> {
    let types = types::COMMANDS.iter().copied();
    [string::COMMANDS, generic::COMMANDS, server::COMMANDS].into_iter().chain(types)
}

/// The handler of every command that works on data, by the spec's index.
static HANDLERS: LazyLock<[Option<Runs>; COMMAND_COUNT]> = LazyLock::new(|| {
    let mut handlers = [None; COMMAND_COUNT];
    for (name, handler) in groups().flat_map(|group| group.runs) {
        if let Some(spec) = tuckbox_resp::table::lookup(name.as_bytes()) {
            handlers[spec.index()] = Some(Runs::Data(*handler));
        }
    }
    for (name, handler) in script::COMMANDS {
        if let Some(spec) = tuckbox_resp::table::lookup(name.as_bytes()) {
            handlers[spec.index()] = Some(Runs::Script(*handler));
        }
    }
    handlers
});

/// What says how much of a value in parts a command needs, when that is more
/// than its head.
pub(crate) type Needs = fn(&Command) -> Need;

/// The commands that need more of a value than its head.
static NEEDS: LazyLock<[Option<Needs>; COMMAND_COUNT]> = LazyLock::new(|| {
    let mut needs = [None; COMMAND_COUNT];
    for (name, need) in groups().flat_map(|group| group.needs) {
        if let Some(spec) = tuckbox_resp::table::lookup(name.as_bytes()) {
            needs[spec.index()] = Some(*need);
        }
    }
    needs
});

/// How much a command needs of the value at the key that it names first, when
/// that is in parts.
pub(crate) fn need(call: &Call) -> Need {
    let needs = NEEDS.get(call.spec.index()).copied().flatten();
    needs.map_or(Need::Head, |need| need(&call.command))
}

/// The handler of the command that `spec` describes; `None` when the engine
/// does not have it.
pub(crate) fn handler(spec: &CommandSpec) -> Option<Runs> {
    HANDLERS[spec.index()]
}

/// The places that a command walks besides the keys it names; `None` for the
/// most, that walk none.
/// `gone`: keys that the store still has and that were deleted since.
pub(crate) fn walk(call: &Call, gone: usize, random: &mut Random) -> Option<Walk> {
    match call.spec.name {
        "scan" | "keys" | "randomkey" => generic::walk(call, gone, random),
        _ => None,
    }
}

/// Whether the reply tells of keys that the command does not name.
pub(crate) fn sees_all_keys(call: &Call) -> bool {
    matches!(
        call.spec.name,
        "dbsize" | "flushall" | "flushdb" | "keys" | "randomkey" | "scan" | "swapdb" | "waitaof"
    )
}

/// The two logical databases that a command swaps.
pub(crate) fn swap(call: &Call) -> Option<(usize, usize)> {
    match call.spec.name {
        "swapdb" => server::swapped(&call.command),
        _ => None,
    }
}

/// Whether a command may name keys in another logical database than its own.
pub(crate) fn reaches_elsewhere(spec: &CommandSpec) -> bool {
    matches!(spec.name, "copy" | "move")
}

/// Keys that a command names in another logical database than its own.
pub(crate) fn keys_elsewhere(call: &Call) -> Option<(usize, &[u8])> {
    if reaches_elsewhere(call.spec) { generic::key_elsewhere(call) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_handler_has_its_place_in_the_table() {
        let data = groups().flat_map(|group| group.runs).map(|(name, _)| name);
        let scripts = script::COMMANDS.iter().map(|(name, _)| name);
        for name in data.chain(scripts) {
            let spec = tuckbox_resp::table::lookup(name.as_bytes());
            assert!(spec.is_some_and(|spec| handler(spec).is_some()), "{name}");
        }
    }
}
