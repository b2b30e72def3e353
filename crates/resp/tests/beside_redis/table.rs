//! The command table: arity, flags, key positions and categories against the
//! server's own `COMMAND`.

use std::collections::BTreeSet;

use tuckbox_resp::{
    Command, Reply, cmd,
    table::{ALL_COMMANDS, CommandSpec, lookup},
};

use crate::peer;

/// Where 7.2, which the table describes, changed what 7.0 answers.
const CHANGED_IN_7_2: [&str; 3] = ["wait", "command|getkeys", "command|getkeysandflags"];

#[test]
fn the_table_is_what_the_server_says() {
    let Some(server) = peer::start() else { return };
    let mut connection = server.connect();
    let mut compared = 0;
    for spec in &ALL_COMMANDS {
        let answer = connection.call(&cmd!("COMMAND", "INFO", spec.name));
        let described = answer.into_array().expect("an array").remove(0);
        if matches!(described, Reply::NullArray | Reply::Null) {
            assert!(spec.since.starts_with("7.2"), "the server has no {}", spec.name);
            continue;
        }
        compared += compare(spec, &described);
    }
    assert!(compared >= 180, "only {compared} commands and subcommands were compared");
}

#[test]
fn keys_are_found_where_the_server_finds_them() {
    let Some(server) = peer::start() else { return };
    let mut connection = server.connect();
    let commands = [
        cmd!("GET", "a"),
        cmd!("MSET", "a", 1, "b", 2),
        cmd!("DEL", "a", "b", "c"),
        cmd!("COPY", "a", "b"),
        cmd!("OBJECT", "encoding", "a"),
        cmd!("MEMORY", "USAGE", "a"),
        cmd!("EVAL", "return 1", 2, "a", "b", "c"),
        cmd!("SORT", "a", "BY", "store", "GET", "x", "STORE", "b"),
        cmd!("SORT", "a", "STORE", "b", "LIMIT", 0, 1, "STORE", "c"),
        cmd!("MIGRATE", "host", 6379, "a", 0, 1000, "COPY"),
        cmd!("MIGRATE", "host", 6379, "", 0, 1000, "AUTH2", "u", "KEYS", "KEYS", "a", "b"),
        cmd!("WATCH", "a", "b"),
    ];
    for command in commands {
        let spec = lookup(command.name()).expect("a known command");
        let indexes = spec.keys(&command).expect("keys");
        let ours: Vec<Reply> = indexes.map(|i| Reply::bulk(&command[i])).collect();
        let mut question = Command::new("COMMAND").arg("GETKEYS");
        for arg in command.iter() {
            question.push(arg);
        }
        let question = question.build();
        assert_eq!(connection.call(&question), Reply::Array(ours), "{command:?}");
    }
}

/// Compares one command with its subcommands; answers how many that were.
fn compare(spec: &CommandSpec, described: &Reply) -> usize {
    let fields = described.clone().into_array().expect("an array");
    let integer = |i: usize| fields[i].clone().into_integer().expect("an integer");
    assert_eq!(text(&fields[0]), spec.name);
    let keys = spec.keys.first_last_step();
    assert_eq!((integer(3), integer(4), integer(5)), keys, "keys of {}", spec.name);
    if !CHANGED_IN_7_2.contains(&spec.name) {
        assert_eq!(integer(1), i64::from(spec.arity), "arity of {}", spec.name);
        let flags = spec.flags.names().map(str::to_owned).collect();
        assert_eq!(words(&fields[2]), flags, "flags of {}", spec.name);
        let categories = spec.categories().names().map(|name| format!("@{name}")).collect();
        assert_eq!(words(&fields[6]), categories, "categories of {}", spec.name);
    }
    let theirs = fields[9].clone().into_array().expect("an array");
    let shared = spec.subcommands.iter().filter(|sub| !sub.since.starts_with("7.2")).count();
    assert_eq!(theirs.len(), shared, "subcommands of {}", spec.name);
    let mut compared = 1;
    for sub in &theirs {
        let name = text(&sub.clone().into_array().expect("an array")[0]);
        let ours = spec.subcommands.iter().find(|s| s.name == name);
        compared += compare(ours.unwrap_or_else(|| panic!("the table has no {name}")), sub);
    }
    compared
}

fn text(reply: &Reply) -> String {
    let bytes = reply.clone().into_bytes().expect("a string").expect("not null");
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn words(reply: &Reply) -> BTreeSet<String> {
    reply.clone().into_array().expect("an array").iter().map(text).collect()
}
