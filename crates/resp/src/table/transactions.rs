//! Transactions.

use super::{ALL, CommandSpec, GENERAL, Group, categories, flags};

const TRANSACTION: CommandSpec = CommandSpec {
    group: Group::Transactions,
    extra_categories: categories("transaction"),
    ..GENERAL
};

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "discard",
        arity: 1,
        flags: flags("noscript loading stale fast allow_busy"),
        since: "2.0.0",
        summary: "Drops the queued commands",
        complexity: "O(N) in the queued commands",
        ..TRANSACTION
    },
    CommandSpec {
        name: "exec",
        arity: 1,
        flags: flags("noscript loading stale skip_slowlog"),
        since: "1.2.0",
        summary: "Runs the queued commands as one",
        complexity: "by the queued commands",
        ..TRANSACTION
    },
    CommandSpec {
        name: "multi",
        arity: 1,
        flags: flags("noscript loading stale fast allow_busy"),
        since: "1.2.0",
        summary: "Starts to queue commands",
        complexity: "O(1)",
        ..TRANSACTION
    },
    CommandSpec {
        name: "unwatch",
        arity: 1,
        flags: flags("noscript loading stale fast allow_busy"),
        since: "2.2.0",
        summary: "Forgets the watched keys",
        complexity: "O(1)",
        ..TRANSACTION
    },
    CommandSpec {
        name: "watch",
        arity: -2,
        flags: flags("noscript loading stale fast allow_busy"),
        keys: ALL,
        since: "2.2.0",
        summary: "Lets EXEC fail if a key changes before it",
        complexity: "O(1) a key",
        ..TRANSACTION
    },
];
