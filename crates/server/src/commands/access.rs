//! What commands do to their keys, as `COMMAND` tells it.

use tuckbox_resp::{
    Command,
    table::{CommandSpec, Flags},
};

use super::is;

/// Commands that do something else to their keys than most that write or read: what,
/// for all keys, or for the first and the others. `RO`: nothing is written; `RW`: what
/// is written may depend on what was there; `OW`: it does not; `RM`: the key is deleted
/// whatever it holds. `access`: the reply, or another key, tells of the value.
const ACCESS: &[(&str, &[&str])] = &[
    ("append", &["RW insert"]),
    ("copy", &["RO access", "OW update"]),
    ("del", &["RM delete"]),
    ("exists", &["RO"]),
    ("expire", &["RW update"]),
    ("expireat", &["RW update"]),
    ("getdel", &["RW access delete"]),
    ("hdel", &["RW delete"]),
    ("hexists", &["RO"]),
    ("hlen", &["RO"]),
    ("hmset", &["RW update"]),
    ("hset", &["RW update"]),
    ("hsetnx", &["RW insert"]),
    ("hstrlen", &["RO"]),
    ("memory|usage", &["RO"]),
    ("migrate", &["RW access delete"]),
    ("mset", &["OW update"]),
    ("msetnx", &["OW insert"]),
    ("object|encoding", &["RO"]),
    ("object|freq", &["RO"]),
    ("object|idletime", &["RO"]),
    ("object|refcount", &["RO"]),
    ("persist", &["RW update"]),
    ("pexpire", &["RW update"]),
    ("pexpireat", &["RW update"]),
    ("psetex", &["OW update"]),
    ("rename", &["RW access delete", "OW update"]),
    ("renamenx", &["RW access delete", "OW insert"]),
    ("restore", &["OW update"]),
    ("set", &["RW access update variable_flags"]),
    ("setex", &["OW update"]),
    ("setnx", &["OW insert"]),
    ("setrange", &["RW update"]),
    ("sort", &["RO access", "OW update"]),
    ("strlen", &["RO"]),
    ("touch", &["RO"]),
    ("type", &["RO"]),
    ("unlink", &["RM delete"]),
    ("watch", &["RO"]),
];

/// What a command does to its keys: to all, or to the first and to the others.
pub(super) fn flags(spec: &CommandSpec) -> &'static [&'static str] {
    if let Some((_, flags)) = ACCESS.iter().find(|(name, _)| *name == spec.name) {
        return flags;
    }
    let writes = Flags::WRITE.union(Flags::MAY_REPLICATE);
    if spec.flags.intersects(writes) { &["RW access update"] } else { &["RO access"] }
}

/// As [`flags`], of a command that is there with its arguments.
pub(super) fn flags_of(spec: &CommandSpec, command: &Command) -> &'static [&'static str] {
    let gets = || command.iter_from(3).any(|option| is(option, "GET"));
    match spec.name {
        "set" if gets() => &["RW access update"],
        "set" => &["OW update"],
        _ => flags(spec),
    }
}
