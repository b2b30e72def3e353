//! Keys of any type.

use super::{ALL, CommandSpec, FIRST, GENERAL, Group, KeySpec, categories, flags, numbered};

const GENERIC: CommandSpec =
    CommandSpec { group: Group::Generic, extra_categories: categories("keyspace"), ..GENERAL };

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "copy",
        arity: -3,
        flags: flags("write denyoom"),
        keys: KeySpec::Range { first: 1, last: 2, step: 1 },
        since: "6.2.0",
        summary: "Copies a value to another key",
        complexity: "O(N) in the elements",
        ..GENERIC
    },
    CommandSpec {
        name: "del",
        arity: -2,
        flags: flags("write"),
        keys: ALL,
        since: "1.0.0",
        summary: "Deletes keys with their values",
        complexity: "O(N) in the keys and their elements",
        ..GENERIC
    },
    CommandSpec {
        name: "dump",
        arity: 2,
        flags: flags("readonly"),
        keys: FIRST,
        since: "2.6.0",
        summary: "Answers a value in serialized form",
        complexity: "O(N*M) in elements and their size",
        ..GENERIC
    },
    CommandSpec {
        name: "exists",
        arity: -2,
        flags: flags("readonly fast"),
        keys: ALL,
        since: "1.0.0",
        summary: "Counts which of the keys exist",
        complexity: "O(N) in the keys",
        ..GENERIC
    },
    CommandSpec {
        name: "expire",
        arity: -3,
        flags: flags("write fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Lets a key expire after seconds",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "expireat",
        arity: -3,
        flags: flags("write fast"),
        keys: FIRST,
        since: "1.2.0",
        summary: "Lets a key expire at a Unix time in seconds",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "expiretime",
        arity: 2,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "7.0.0",
        summary: "Tells the Unix time in seconds at which a key expires",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "keys",
        arity: 2,
        flags: flags("readonly"),
        extra_categories: categories("dangerous keyspace"),
        since: "1.0.0",
        summary: "Lists the keys that match a pattern",
        complexity: "O(N) in the keys of the database",
        ..GENERIC
    },
    CommandSpec {
        name: "migrate",
        arity: -6,
        flags: flags("write movablekeys"),
        keys: KeySpec::Migrate,
        extra_categories: categories("dangerous keyspace"),
        since: "2.6.0",
        summary: "Moves keys to another server",
        complexity: "O(N) in the bytes moved",
        ..GENERIC
    },
    CommandSpec {
        name: "move",
        arity: 3,
        flags: flags("write fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Moves a key to another database",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "object",
        arity: -2,
        extra_categories: categories(""),
        since: "2.2.3",
        summary: "Looks inside a value",
        complexity: "by subcommand",
        subcommands: OBJECT,
        ..GENERIC
    },
    CommandSpec {
        name: "persist",
        arity: 2,
        flags: flags("write fast"),
        keys: FIRST,
        since: "2.2.0",
        summary: "Removes the expiry of a key",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "pexpire",
        arity: -3,
        flags: flags("write fast"),
        keys: FIRST,
        since: "2.6.0",
        summary: "Lets a key expire after milliseconds",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "pexpireat",
        arity: -3,
        flags: flags("write fast"),
        keys: FIRST,
        since: "2.6.0",
        summary: "Lets a key expire at a Unix time in milliseconds",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "pexpiretime",
        arity: 2,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "7.0.0",
        summary: "Tells the Unix time in milliseconds at which a key expires",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "pttl",
        arity: 2,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "2.6.0",
        summary: "Tells the milliseconds until a key expires",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "randomkey",
        arity: 1,
        flags: flags("readonly touches_arbitrary_keys"),
        since: "1.0.0",
        summary: "Picks a key at random",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "rename",
        arity: 3,
        flags: flags("write"),
        keys: KeySpec::Range { first: 1, last: 2, step: 1 },
        since: "1.0.0",
        summary: "Gives a value another key, over what was there",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "renamenx",
        arity: 3,
        flags: flags("write fast"),
        keys: KeySpec::Range { first: 1, last: 2, step: 1 },
        since: "1.0.0",
        summary: "Gives a value another key if that is free",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "restore",
        arity: -4,
        flags: flags("write denyoom"),
        keys: FIRST,
        extra_categories: categories("dangerous keyspace"),
        since: "2.6.0",
        summary: "Creates a key from the serialized form of a value",
        complexity: "O(N*M) in elements and their size",
        ..GENERIC
    },
    CommandSpec {
        name: "scan",
        arity: -2,
        flags: flags("readonly touches_arbitrary_keys"),
        since: "2.8.0",
        summary: "Walks over the keys step by step",
        complexity: "O(1) a call, O(N) for the whole walk",
        ..GENERIC
    },
    CommandSpec {
        name: "sort",
        arity: -2,
        flags: flags("write denyoom movablekeys"),
        keys: KeySpec::Sort,
        extra_categories: categories("dangerous list set sortedset"),
        since: "1.0.0",
        summary: "Sorts a list, set or sorted set, and stores the result if asked",
        complexity: "O(N+M*log(M)) in elements and elements returned",
        ..GENERIC
    },
    CommandSpec {
        name: "sort_ro",
        arity: -2,
        flags: flags("readonly movablekeys"),
        keys: KeySpec::Sort,
        extra_categories: categories("dangerous list set sortedset"),
        since: "7.0.0",
        summary: "Sorts a list, set or sorted set",
        complexity: "O(N+M*log(M)) in elements and elements returned",
        ..GENERIC
    },
    CommandSpec {
        name: "touch",
        arity: -2,
        flags: flags("readonly fast"),
        keys: ALL,
        since: "3.2.1",
        summary: "Marks keys as used now",
        complexity: "O(N) in the keys",
        ..GENERIC
    },
    CommandSpec {
        name: "ttl",
        arity: 2,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Tells the seconds until a key expires",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "type",
        arity: 2,
        flags: flags("readonly fast"),
        keys: FIRST,
        since: "1.0.0",
        summary: "Names the type of a value",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "unlink",
        arity: -2,
        flags: flags("write fast"),
        keys: ALL,
        since: "4.0.0",
        summary: "Deletes keys and frees their values later",
        complexity: "O(1) a key",
        ..GENERIC
    },
    CommandSpec {
        name: "wait",
        arity: 3,
        extra_categories: categories("connection"),
        since: "3.0.0",
        summary: "Waits until replicas have the connection's writes",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "waitaof",
        arity: 4,
        flags: flags("noscript"),
        extra_categories: categories("connection"),
        since: "7.2.0",
        summary: "Waits until the connection's writes are on disk",
        complexity: "O(1)",
        ..GENERIC
    },
];

const OBJECT: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "object|encoding",
        arity: 3,
        flags: flags("readonly"),
        keys: KeySpec::Range { first: 2, last: 2, step: 1 },
        since: "2.2.3",
        summary: "Names the internal form of a value",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "object|freq",
        arity: 3,
        flags: flags("readonly"),
        keys: KeySpec::Range { first: 2, last: 2, step: 1 },
        since: "4.0.0",
        summary: "Tells how often a key is used, on a logarithmic scale",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "object|help",
        arity: 2,
        flags: flags("loading stale"),
        since: "6.2.0",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "object|idletime",
        arity: 3,
        flags: flags("readonly"),
        keys: KeySpec::Range { first: 2, last: 2, step: 1 },
        since: "2.2.3",
        summary: "Tells the seconds since a key was last used",
        complexity: "O(1)",
        ..GENERIC
    },
    CommandSpec {
        name: "object|refcount",
        arity: 3,
        flags: flags("readonly"),
        keys: KeySpec::Range { first: 2, last: 2, step: 1 },
        since: "2.2.3",
        summary: "Tells how often a value is referred to",
        complexity: "O(1)",
        ..GENERIC
    },
]);
