//! The connection of one client.

use super::{CommandSpec, GENERAL, Group, categories, flags, numbered};

const CONNECTION: CommandSpec =
    CommandSpec { group: Group::Connection, extra_categories: categories("connection"), ..GENERAL };

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "auth",
        arity: -2,
        flags: flags("noscript loading stale fast no_auth allow_busy"),
        since: "1.0.0",
        summary: "Proves who the client is",
        complexity: "O(N) in the user's passwords",
        ..CONNECTION
    },
    CommandSpec {
        name: "client",
        arity: -2,
        extra_categories: categories(""),
        since: "2.4.0",
        summary: "Manages client connections",
        complexity: "by subcommand",
        subcommands: CLIENT,
        ..CONNECTION
    },
    CommandSpec {
        name: "echo",
        arity: 2,
        flags: flags("loading stale fast"),
        since: "1.0.0",
        summary: "Answers its argument",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "hello",
        arity: -1,
        flags: flags("noscript loading stale fast no_auth allow_busy"),
        since: "6.0.0",
        summary: "Chooses the protocol, with login and name if asked",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "ping",
        arity: -1,
        flags: flags("fast"),
        since: "1.0.0",
        summary: "Answers PONG or its argument",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "quit",
        arity: -1,
        flags: flags("noscript loading stale fast no_auth allow_busy"),
        since: "1.0.0",
        summary: "Closes the connection",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "reset",
        arity: 1,
        flags: flags("noscript loading stale fast no_auth allow_busy"),
        since: "6.2.0",
        summary: "Puts the connection back to its first state",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "select",
        arity: 2,
        flags: flags("loading stale fast"),
        since: "1.0.0",
        summary: "Chooses the database",
        complexity: "O(1)",
        ..CONNECTION
    },
];

const CLIENT: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "client|caching",
        arity: 3,
        flags: flags("noscript loading stale"),
        since: "6.0.0",
        summary: "Says whether to track the keys of the next command",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|getname",
        arity: 2,
        flags: flags("noscript loading stale"),
        since: "2.6.9",
        summary: "Tells the connection's name",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|getredir",
        arity: 2,
        flags: flags("noscript loading stale"),
        since: "6.0.0",
        summary: "Tells where invalidations of tracked keys are sent",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|help",
        arity: 2,
        flags: flags("loading stale"),
        since: "5.0.0",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|id",
        arity: 2,
        flags: flags("noscript loading stale"),
        since: "5.0.0",
        summary: "Tells the connection's number",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|info",
        arity: 2,
        flags: flags("noscript loading stale"),
        since: "6.2.0",
        summary: "Describes this connection",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|kill",
        arity: -3,
        flags: flags("admin noscript loading stale"),
        since: "2.4.0",
        summary: "Closes connections",
        complexity: "O(N) in the connections",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|list",
        arity: -2,
        flags: flags("admin noscript loading stale"),
        since: "2.4.0",
        summary: "Describes all connections",
        complexity: "O(N) in the connections",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|no-evict",
        arity: 3,
        flags: flags("admin noscript loading stale"),
        since: "7.0.0",
        summary: "Protects the connection from being closed for memory",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|no-touch",
        arity: 3,
        flags: flags("noscript loading stale"),
        since: "7.2.0",
        summary: "Lets the connection's commands not count as use of keys",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|pause",
        arity: -3,
        flags: flags("admin noscript loading stale"),
        since: "3.0.0",
        summary: "Holds the commands of all clients for a while",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|reply",
        arity: 3,
        flags: flags("noscript loading stale"),
        since: "3.2.0",
        summary: "Turns replies on or off",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|setinfo",
        arity: 4,
        flags: flags("noscript loading stale"),
        since: "7.2.0",
        summary: "Notes the client library's name or version",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|setname",
        arity: 3,
        flags: flags("noscript loading stale"),
        since: "2.6.9",
        summary: "Names the connection",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|tracking",
        arity: -3,
        flags: flags("noscript loading stale"),
        since: "6.0.0",
        summary: "Turns invalidation messages for read keys on or off",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|trackinginfo",
        arity: 2,
        flags: flags("noscript loading stale"),
        since: "6.2.0",
        summary: "Describes this connection's tracking",
        complexity: "O(1)",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|unblock",
        arity: -3,
        flags: flags("admin noscript loading stale"),
        since: "5.0.0",
        summary: "Ends another connection's blocking command",
        complexity: "O(log(N)) in the connections",
        ..CONNECTION
    },
    CommandSpec {
        name: "client|unpause",
        arity: 2,
        flags: flags("admin noscript loading stale"),
        since: "6.2.0",
        summary: "Ends a pause",
        complexity: "O(N) in the paused clients",
        ..CONNECTION
    },
]);
