//! Scripts and functions.

use super::{CommandSpec, GENERAL, Group, KeySpec, categories, flags, numbered};

const SCRIPTING: CommandSpec =
    CommandSpec { group: Group::Scripting, extra_categories: categories("scripting"), ..GENERAL };

pub(super) const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "eval",
        arity: -3,
        flags: flags("noscript stale skip_monitor may_replicate no_mandatory_keys movablekeys"),
        keys: KeySpec::NumKeys { at: 2 },
        since: "2.6.0",
        summary: "Runs a script",
        complexity: "by the script",
        ..SCRIPTING
    },
    CommandSpec {
        name: "eval_ro",
        arity: -3,
        flags: flags("readonly noscript stale skip_monitor no_mandatory_keys movablekeys"),
        keys: KeySpec::NumKeys { at: 2 },
        since: "7.0.0",
        summary: "Runs a script that only reads",
        complexity: "by the script",
        ..SCRIPTING
    },
    CommandSpec {
        name: "evalsha",
        arity: -3,
        flags: flags("noscript stale skip_monitor may_replicate no_mandatory_keys movablekeys"),
        keys: KeySpec::NumKeys { at: 2 },
        since: "2.6.0",
        summary: "Runs a loaded script by its digest",
        complexity: "by the script",
        ..SCRIPTING
    },
    CommandSpec {
        name: "evalsha_ro",
        arity: -3,
        flags: flags("readonly noscript stale skip_monitor no_mandatory_keys movablekeys"),
        keys: KeySpec::NumKeys { at: 2 },
        since: "7.0.0",
        summary: "Runs a loaded script that only reads by its digest",
        complexity: "by the script",
        ..SCRIPTING
    },
    CommandSpec {
        name: "fcall",
        arity: -3,
        flags: flags("noscript stale skip_monitor may_replicate no_mandatory_keys movablekeys"),
        keys: KeySpec::NumKeys { at: 2 },
        since: "7.0.0",
        summary: "Calls a function",
        complexity: "by the function",
        ..SCRIPTING
    },
    CommandSpec {
        name: "fcall_ro",
        arity: -3,
        flags: flags("readonly noscript stale skip_monitor no_mandatory_keys movablekeys"),
        keys: KeySpec::NumKeys { at: 2 },
        since: "7.0.0",
        summary: "Calls a function that only reads",
        complexity: "by the function",
        ..SCRIPTING
    },
    CommandSpec {
        name: "function",
        arity: -2,
        extra_categories: categories(""),
        since: "7.0.0",
        summary: "Manages functions",
        complexity: "by subcommand",
        subcommands: FUNCTION,
        ..SCRIPTING
    },
    CommandSpec {
        name: "script",
        arity: -2,
        extra_categories: categories(""),
        since: "2.6.0",
        summary: "Manages loaded scripts",
        complexity: "by subcommand",
        subcommands: SCRIPT,
        ..SCRIPTING
    },
];

const FUNCTION: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "function|delete",
        arity: 3,
        flags: flags("write noscript"),
        since: "7.0.0",
        summary: "Deletes a library",
        complexity: "O(1)",
        ..SCRIPTING
    },
    CommandSpec {
        name: "function|dump",
        arity: 2,
        flags: flags("noscript"),
        since: "7.0.0",
        summary: "Answers all libraries in serialized form",
        complexity: "O(N) in the functions",
        ..SCRIPTING
    },
    CommandSpec {
        name: "function|flush",
        arity: -2,
        flags: flags("write noscript"),
        since: "7.0.0",
        summary: "Deletes all libraries",
        complexity: "O(N) in the functions",
        ..SCRIPTING
    },
    CommandSpec {
        name: "function|help",
        arity: 2,
        flags: flags("loading stale"),
        since: "7.0.0",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..SCRIPTING
    },
    CommandSpec {
        name: "function|kill",
        arity: 2,
        flags: flags("noscript allow_busy"),
        since: "7.0.0",
        summary: "Ends the function that runs",
        complexity: "O(1)",
        ..SCRIPTING
    },
    CommandSpec {
        name: "function|list",
        arity: -2,
        flags: flags("noscript"),
        since: "7.0.0",
        summary: "Lists the libraries",
        complexity: "O(N) in the functions",
        ..SCRIPTING
    },
    CommandSpec {
        name: "function|load",
        arity: -3,
        flags: flags("write denyoom noscript"),
        since: "7.0.0",
        summary: "Creates a library",
        complexity: "O(1)",
        ..SCRIPTING
    },
    CommandSpec {
        name: "function|restore",
        arity: -3,
        flags: flags("write denyoom noscript"),
        since: "7.0.0",
        summary: "Creates libraries from their serialized form",
        complexity: "O(N) in the functions",
        ..SCRIPTING
    },
    CommandSpec {
        name: "function|stats",
        arity: 2,
        flags: flags("noscript allow_busy"),
        since: "7.0.0",
        summary: "Describes the function that runs",
        complexity: "O(1)",
        ..SCRIPTING
    },
]);

const SCRIPT: &[CommandSpec] = &numbered([
    CommandSpec {
        name: "script|debug",
        arity: 3,
        flags: flags("noscript"),
        since: "3.2.0",
        summary: "Sets how scripts are debugged",
        complexity: "O(1)",
        ..SCRIPTING
    },
    CommandSpec {
        name: "script|exists",
        arity: -3,
        flags: flags("noscript"),
        since: "2.6.0",
        summary: "Tells which scripts are loaded",
        complexity: "O(N) in the digests",
        ..SCRIPTING
    },
    CommandSpec {
        name: "script|flush",
        arity: -2,
        flags: flags("noscript"),
        since: "2.6.0",
        summary: "Forgets all scripts",
        complexity: "O(N) in the scripts",
        ..SCRIPTING
    },
    CommandSpec {
        name: "script|help",
        arity: 2,
        flags: flags("loading stale"),
        since: "5.0.0",
        summary: "Lists the subcommands",
        complexity: "O(1)",
        ..SCRIPTING
    },
    CommandSpec {
        name: "script|kill",
        arity: 2,
        flags: flags("noscript allow_busy"),
        since: "2.6.0",
        summary: "Ends the script that runs",
        complexity: "O(1)",
        ..SCRIPTING
    },
    CommandSpec {
        name: "script|load",
        arity: 3,
        flags: flags("noscript stale"),
        since: "2.6.0",
        summary: "Keeps a script for EVALSHA",
        complexity: "O(N) in its bytes",
        ..SCRIPTING
    },
]);
