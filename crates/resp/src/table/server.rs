//! The server as a whole.

use super::{CommandSpec, GENERAL, Group, categories, flags, numbered};

const SERVER: CommandSpec = CommandSpec { group: Group::Server, ..GENERAL };

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "bgrewriteaof",
        arity: 1,
        flags: flags("admin noscript no_async_loading"),
        since: "1.0.0",
        summary: "Compacts the log in the background",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "bgsave",
        arity: -1,
        flags: flags("admin noscript no_async_loading"),
        since: "1.0.0",
        summary: "Saves in the background",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "command",
        arity: -1,
        flags: flags("loading stale"),
        extra_categories: categories("connection"),
        since: "2.8.13",
        summary: "Describes the commands",
        complexity: "O(N) in all commands",
        subcommands: COMMAND,
        ..SERVER
    },
    CommandSpec {
        name: "config",
        arity: -2,
        since: "2.0.0",
        summary: "Manages settings",
        complexity: "by subcommand",
        subcommands: CONFIG,
        ..SERVER
    },
    CommandSpec {
        name: "dbsize",
        arity: 1,
        flags: flags("readonly fast"),
        extra_categories: categories("keyspace"),
        since: "1.0.0",
        summary: "Counts the keys of the database",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "debug",
        arity: -2,
        flags: flags("admin noscript loading stale"),
        since: "1.0.0",
        summary: "Tools for testing the server itself",
        complexity: "by subcommand",
        ..SERVER
    },
    CommandSpec {
        name: "flushall",
        arity: -1,
        flags: flags("write"),
        extra_categories: categories("dangerous keyspace"),
        since: "1.0.0",
        summary: "Deletes all keys of all databases",
        complexity: "O(N) in all keys",
        ..SERVER
    },
    CommandSpec {
        name: "flushdb",
        arity: -1,
        flags: flags("write"),
        extra_categories: categories("dangerous keyspace"),
        since: "1.0.0",
        summary: "Deletes all keys of the database",
        complexity: "O(N) in the database's keys",
        ..SERVER
    },
    CommandSpec {
        name: "info",
        arity: -1,
        flags: flags("loading stale"),
        extra_categories: categories("dangerous"),
        since: "1.0.0",
        summary: "Tells the server's state and counters",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "lastsave",
        arity: 1,
        flags: flags("loading stale fast"),
        extra_categories: categories("admin dangerous"),
        since: "1.0.0",
        summary: "Tells the Unix time of the last save",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "lolwut",
        arity: -1,
        flags: flags("readonly fast"),
        since: "5.0.0",
        summary: "Draws a picture and tells the version",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "monitor",
        arity: 1,
        flags: flags("admin noscript loading stale"),
        since: "1.0.0",
        summary: "Shows every command as it comes in",
        complexity: "O(1) a command",
        ..SERVER
    },
    CommandSpec {
        name: "role",
        arity: 1,
        flags: flags("noscript loading stale fast"),
        extra_categories: categories("admin dangerous"),
        since: "2.8.12",
        summary: "Tells the server's part in replication",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "save",
        arity: 1,
        flags: flags("admin noscript no_multi no_async_loading"),
        since: "1.0.0",
        summary: "Saves while all others wait",
        complexity: "O(N) in all keys",
        ..SERVER
    },
    CommandSpec {
        name: "shutdown",
        arity: -1,
        flags: flags("admin noscript loading stale no_multi allow_busy"),
        since: "1.0.0",
        summary: "Saves everything and ends the server",
        complexity: "O(N) in the changes since the last save",
        ..SERVER
    },
    CommandSpec {
        name: "swapdb",
        arity: 3,
        flags: flags("write fast"),
        extra_categories: categories("dangerous keyspace"),
        since: "4.0.0",
        summary: "Swaps two databases",
        complexity: "O(N) in the clients that watch or wait on keys",
        ..SERVER
    },
    CommandSpec {
        name: "time",
        arity: 1,
        flags: flags("loading stale fast"),
        since: "2.6.0",
        summary: "Tells the server's time",
        complexity: "O(1)",
        ..SERVER
    },
];

const COMMAND: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "command|count",
        arity: 2,
        flags: flags("loading stale"),
        extra_categories: categories("connection"),
        since: "2.8.13",
        summary: "Counts the commands",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "command|docs",
        arity: -2,
        flags: flags("loading stale"),
        extra_categories: categories("connection"),
        since: "7.0.0",
        summary: "Documents commands",
        complexity: "O(N) in the commands asked for",
        ..SERVER
    },
    CommandSpec {
        name: "command|getkeys",
        arity: -3,
        flags: flags("loading stale"),
        extra_categories: categories("connection"),
        since: "2.8.13",
        summary: "Finds the keys in a command",
        complexity: "O(N) in its arguments",
        ..SERVER
    },
    CommandSpec {
        name: "command|getkeysandflags",
        arity: -3,
        flags: flags("loading stale"),
        extra_categories: categories("connection"),
        since: "7.0.0",
        summary: "Finds the keys in a command and how it uses them",
        complexity: "O(N) in its arguments",
        ..SERVER
    },
    CommandSpec {
        name: "command|help",
        arity: 2,
        flags: flags("loading stale"),
        extra_categories: categories("connection"),
        since: "5.0.0",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "command|info",
        arity: -2,
        flags: flags("loading stale"),
        extra_categories: categories("connection"),
        since: "2.8.13",
        summary: "Describes some commands",
        complexity: "O(N) in the commands asked for",
        ..SERVER
    },
    CommandSpec {
        name: "command|list",
        arity: -2,
        flags: flags("loading stale"),
        extra_categories: categories("connection"),
        since: "7.0.0",
        summary: "Lists the names of commands",
        complexity: "O(N) in all commands",
        ..SERVER
    },
]);

const CONFIG: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "config|get",
        arity: -3,
        flags: flags("admin noscript loading stale"),
        since: "2.0.0",
        summary: "Reads settings",
        complexity: "O(N) in the settings asked for",
        ..SERVER
    },
    CommandSpec {
        name: "config|help",
        arity: 2,
        flags: flags("loading stale"),
        since: "5.0.0",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "config|resetstat",
        arity: 2,
        flags: flags("admin noscript loading stale"),
        since: "2.0.0",
        summary: "Sets the counters of INFO to zero",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "config|rewrite",
        arity: 2,
        flags: flags("admin noscript loading stale"),
        since: "2.8.0",
        summary: "Writes the settings to their file",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "config|set",
        arity: -4,
        flags: flags("admin noscript loading stale"),
        since: "2.0.0",
        summary: "Changes settings",
        complexity: "O(N) in the settings given",
        ..SERVER
    },
]);
