//! Hashes.

use super::{CommandSpec, FIRST, GENERAL, Group, categories, flags};

const HASH: CommandSpec =
    CommandSpec { group: Group::Hash, extra_categories: categories("hash"), ..GENERAL };

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "hdel",
        arity: -3,
        flags: flags("write fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Deletes fields",
        complexity: "O(N) in the fields",
        ..HASH
    },
    CommandSpec {
        name: "hexists",
        arity: 3,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Tells whether a field exists",
        complexity: "O(1)",
        ..HASH
    },
    CommandSpec {
        name: "hget",
        arity: 3,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Reads a field",
        complexity: "O(1)",
        ..HASH
    },
    CommandSpec {
        name: "hgetall",
        arity: 2,
        flags: flags("readonly"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Reads all fields with their values",
        complexity: "O(N) in the size of the hash",
        ..HASH
    },
    CommandSpec {
        name: "hincrby",
        arity: 4,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Adds a number to an integer field",
        complexity: "O(1)",
        ..HASH
    },
    CommandSpec {
        name: "hincrbyfloat",
        arity: 4,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "2.6.0",
        summary: "Adds a decimal number to a field",
        complexity: "O(1)",
        ..HASH
    },
    CommandSpec {
        name: "hkeys",
        arity: 2,
        flags: flags("readonly"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Lists the fields",
        complexity: "O(N) in the size of the hash",
        ..HASH
    },
    CommandSpec {
        name: "hlen",
        arity: 2,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Counts the fields",
        complexity: "O(1)",
        ..HASH
    },
    CommandSpec {
        name: "hmget",
        arity: -3,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Reads several fields",
        complexity: "O(N) in the fields",
        ..HASH
    },
    CommandSpec {
        name: "hmset",
        arity: -4,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Sets several fields: the old form of HSET",
        complexity: "O(N) in the fields",
        ..HASH
    },
    CommandSpec {
        name: "hrandfield",
        arity: -2,
        flags: flags("readonly"),
        keys: FIRST,
        since: "6.2.0",
        summary: "Picks fields at random",
        complexity: "O(N) in the fields picked",
        ..HASH
    },
    CommandSpec {
        name: "hscan",
        arity: -3,
        flags: flags("readonly"),
        keys: FIRST,
        since: "2.8.0",
        summary: "Walks over the fields step by step",
        complexity: "O(1) a call, O(N) for the whole walk",
        ..HASH
    },
    CommandSpec {
        name: "hset",
        arity: -4,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Sets fields",
        complexity: "O(N) in the fields",
        ..HASH
    },
    CommandSpec {
        name: "hsetnx",
        arity: 4,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Sets a field if it does not exist",
        complexity: "O(1)",
        ..HASH
    },
    CommandSpec {
        name: "hstrlen",
        arity: 3,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "3.2.0",
        summary: "Tells the length of a field's value",
        complexity: "O(1)",
        ..HASH
    },
    CommandSpec {
        name: "hvals",
        arity: 2,
        flags: flags("readonly"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Lists the values",
        complexity: "O(N) in the size of the hash",
        ..HASH
    },
];
