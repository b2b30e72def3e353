//! Users and their rights.

use super::{CommandSpec, GENERAL, Group, flags, numbered};

const SERVER: CommandSpec = CommandSpec { group: Group::Server, ..GENERAL };

pub(super) const COMMANDS: &[CommandSpec] = &[CommandSpec {
    name: "acl",
    arity: -2,
    since: "6.0.0",
    summary: "Manages users and their rights",
    complexity: "by subcommand",
    subcommands: ACL,
    ..SERVER
}];

const ACL: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "acl|cat",
        arity: -2,
        flags: flags("noscript loading stale"),
        since: "6.0.0",
        summary: "Lists categories, or the commands of one",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "acl|deluser",
        arity: -3,
        flags: flags("admin noscript loading stale"),
        since: "6.0.0",
        summary: "Deletes users",
        complexity: "O(1) a user",
        ..SERVER
    },
    CommandSpec {
        name: "acl|dryrun",
        arity: -4,
        flags: flags("admin noscript loading stale"),
        since: "7.0.0",
        summary: "Tells whether a user could run a command",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "acl|genpass",
        arity: -2,
        flags: flags("noscript loading stale"),
        since: "6.0.0",
        summary: "Makes a random password",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "acl|getuser",
        arity: 3,
        flags: flags("admin noscript loading stale"),
        since: "6.0.0",
        summary: "Shows a user's rights",
        complexity: "O(N) in the user's rules",
        ..SERVER
    },
    CommandSpec {
        name: "acl|help",
        arity: 2,
        flags: flags("loading stale"),
        since: "6.0.0",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..SERVER
    },
    CommandSpec {
        name: "acl|list",
        arity: 2,
        flags: flags("admin noscript loading stale"),
        since: "6.0.0",
        summary: "Shows all users with their rules",
        complexity: "O(N) in the users",
        ..SERVER
    },
    CommandSpec {
        name: "acl|load",
        arity: 2,
        flags: flags("admin noscript loading stale"),
        since: "6.0.0",
        summary: "Reads the users from their file again",
        complexity: "O(N) in the users",
        ..SERVER
    },
    CommandSpec {
        name: "acl|log",
        arity: -2,
        flags: flags("admin noscript loading stale"),
        since: "6.0.0",
        summary: "Lists what was refused of late",
        complexity: "O(N) in the entries",
        ..SERVER
    },
    CommandSpec {
        name: "acl|save",
        arity: 2,
        flags: flags("admin noscript loading stale"),
        since: "6.0.0",
        summary: "Writes the users to their file",
        complexity: "O(N) in the users",
        ..SERVER
    },
    CommandSpec {
        name: "acl|setuser",
        arity: -3,
        flags: flags("admin noscript loading stale"),
        since: "6.0.0",
        summary: "Creates a user or changes its rights",
        complexity: "O(N) in the rules",
        ..SERVER
    },
    CommandSpec {
        name: "acl|users",
        arity: 2,
        flags: flags("admin noscript loading stale"),
        since: "6.0.0",
        summary: "Lists the names of all users",
        complexity: "O(N) in the users",
        ..SERVER
    },
    CommandSpec {
        name: "acl|whoami",
        arity: 2,
        flags: flags("noscript loading stale"),
        since: "6.0.0",
        summary: "Tells the connection's user",
        complexity: "O(1)",
        ..SERVER
    },
]);
