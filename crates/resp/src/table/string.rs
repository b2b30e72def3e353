//! Strings.

use super::{ALL, CommandSpec, FIRST, GENERAL, Group, KeySpec, categories, flags};

const STRING: CommandSpec =
    CommandSpec { group: Group::String, extra_categories: categories("string"), ..GENERAL };

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "append",
        arity: 3,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Adds bytes to the end of a string",
        complexity: "O(1) amortized",
        ..STRING
    },
    CommandSpec {
        name: "decr",
        arity: 2,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Subtracts one from an integer",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "decrby",
        arity: 3,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Subtracts a number from an integer",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "get",
        arity: 2,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Reads a string",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "getdel",
        arity: 2,
        flags: flags("write fast"),
        keys: FIRST,
        since: "6.2.0",
        summary: "Reads a string and deletes its key",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "getex",
        arity: -2,
        flags: flags("write fast"),
        keys: FIRST,
        since: "6.2.0",
        summary: "Reads a string and changes its expiry",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "getrange",
        arity: 4,
        flags: flags("readonly"),
        keys: FIRST,
        since: "2.4.0",
        summary: "Reads part of a string",
        complexity: "O(N) in the bytes returned",
        ..STRING
    },
    CommandSpec {
        name: "getset",
        arity: 3,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Sets a string and answers the old one",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "incr",
        arity: 2,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Adds one to an integer",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "incrby",
        arity: 3,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Adds a number to an integer",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "incrbyfloat",
        arity: 3,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "2.6.0",
        summary: "Adds a decimal number to a number",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "lcs",
        arity: -3,
        flags: flags("readonly"),
        keys: KeySpec::Range { first: 1, last: 2, step: 1 },
        since: "7.0.0",
        summary: "Finds the longest subsequence two strings share",
        complexity: "O(N*M) in the two lengths",
        ..STRING
    },
    CommandSpec {
        name: "mget",
        arity: -2,
        flags: flags("readonly fast"),
        keys: ALL,
        since: "1.0.0",
        summary: "Reads several strings",
        complexity: "O(N) in the keys",
        ..STRING
    },
    CommandSpec {
        name: "mset",
        arity: -3,
        flags: flags("write denyoom"),
        keys: KeySpec::Range { first: 1, last: -1, step: 2 },
        since: "1.0.1",
        summary: "Sets several strings at once",
        complexity: "O(N) in the keys",
        ..STRING
    },
    CommandSpec {
        name: "msetnx",
        arity: -3,
        flags: flags("write denyoom"),
        keys: KeySpec::Range { first: 1, last: -1, step: 2 },
        since: "1.0.1",
        summary: "Sets several strings if none of the keys exists",
        complexity: "O(N) in the keys",
        ..STRING
    },
    CommandSpec {
        name: "psetex",
        arity: 4,
        flags: flags("write denyoom"),
        keys: FIRST,
        since: "2.6.0",
        summary: "Sets a string that expires in milliseconds",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "set",
        arity: -3,
        flags: flags("write denyoom"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Sets a string, on conditions and with an expiry if asked",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "setex",
        arity: 4,
        flags: flags("write denyoom"),
        keys: FIRST,
        since: "2.0.0",
        summary: "Sets a string that expires in seconds",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "setnx",
        arity: 3,
        flags: flags("write denyoom fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Sets a string if its key does not exist",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "setrange",
        arity: 4,
        flags: flags("write denyoom"),
        keys: FIRST,
        since: "2.2.0",
        summary: "Overwrites part of a string",
        complexity: "O(M) in the bytes written",
        ..STRING
    },
    CommandSpec {
        name: "strlen",
        arity: 2,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "2.2.0",
        summary: "Tells the length of a string",
        complexity: "O(1)",
        ..STRING
    },
    CommandSpec {
        name: "substr",
        arity: 4,
        flags: flags("readonly"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Reads part of a string: the old name of GETRANGE",
        complexity: "O(N) in the bytes returned",
        ..STRING
    },
];
