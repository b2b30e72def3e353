//! What the server does and how well.

use super::{CommandSpec, GENERAL, Group, KeySpec, flags, numbered};

const SERVER: CommandSpec = CommandSpec { group: Group::Server, ..GENERAL };

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "latency",
        arity: -2,
        since: "2.8.13",
        summary: "Diagnoses delays",
        complexity: "by subcommand",
        subcommands: LATENCY,
        ..SERVER
    },
    CommandSpec {
        name: "memory",
        arity: -2,
        since: "4.0.0",
        summary: "Diagnoses memory use",
        complexity: "by subcommand",
        subcommands: MEMORY,
        ..SERVER
    },
    CommandSpec {
        name: "slowlog",
        arity: -2,
        since: "2.2.12",
        summary: "Manages the log of slow commands",
        complexity: "by subcommand",
        subcommands: SLOWLOG,
        ..SERVER
    },
];

const LATENCY: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "latency|doctor",
        arity: 2,
        flags: flags("admin noscript loading stale"),
        since: "2.8.13",
        summary: "Explains the delays in words",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "latency|graph",
        arity: 3,
        flags: flags("admin noscript loading stale"),
        since: "2.8.13",
        summary: "Draws an event's delays",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "latency|help",
        arity: 2,
        flags: flags("loading stale"),
        since: "2.8.13",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "latency|histogram",
        arity: -2,
        flags: flags("admin noscript loading stale"),
        since: "7.0.0",
        summary: "Shows how long commands took, as distributions",
        complexity: "O(N) in the commands",
        ..SERVER
    },
    CommandSpec {
        name: "latency|history",
        arity: 3,
        flags: flags("admin noscript loading stale"),
        since: "2.8.13",
        summary: "Lists an event's delays",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "latency|latest",
        arity: 2,
        flags: flags("admin noscript loading stale"),
        since: "2.8.13",
        summary: "Lists the latest delay of each event",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "latency|reset",
        arity: -2,
        flags: flags("admin noscript loading stale"),
        since: "2.8.13",
        summary: "Forgets the delays of events",
        complexity: "O(1)",
        ..SERVER
    },
]);

const MEMORY: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "memory|doctor",
        arity: 2,
        since: "4.0.0",
        summary: "Explains problems in words",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "memory|help",
        arity: 2,
        flags: flags("loading stale"),
        since: "4.0.0",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "memory|malloc-stats",
        arity: 2,
        since: "4.0.0",
        summary: "Shows the allocator's state",
        complexity: "by the memory in use",
        ..SERVER
    },
    CommandSpec {
        name: "memory|purge",
        arity: 2,
        since: "4.0.0",
        summary: "Asks the allocator to give memory back",
        complexity: "by the memory in use",
        ..SERVER
    },
    CommandSpec {
        name: "memory|stats",
        arity: 2,
        since: "4.0.0",
        summary: "Shows what the memory is used for",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "memory|usage",
        arity: -3,
        flags: flags("readonly"),
        keys: KeySpec::Range { first: 2, last: 2, step: 1 },
        since: "4.0.0",
        summary: "Tells the bytes a key and its value take",
        complexity: "O(N) in the samples",
        ..SERVER
    },
]);

const SLOWLOG: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "slowlog|get",
        arity: -2,
        flags: flags("admin loading stale"),
        since: "2.2.12",
        summary: "Lists slow commands",
        complexity: "O(N) in the entries",
        ..SERVER
    },
    CommandSpec {
        name: "slowlog|help",
        arity: 2,
        flags: flags("loading stale"),
        since: "6.2.0",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "slowlog|len",
        arity: 2,
        flags: flags("admin loading stale"),
        since: "2.2.12",
        summary: "Counts the entries",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "slowlog|reset",
        arity: 2,
        flags: flags("admin loading stale"),
        since: "2.2.12",
        summary: "Empties the log",
        complexity: "O(N) in the entries",
        ..SERVER
    },
]);
