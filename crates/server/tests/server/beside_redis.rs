//! The same requests to redis-server and to this server, where the replies must
//! be equal.

use tuckbox_resp::{Command, Reply, cmd};
use tuckbox_test_redis::{Connection, RedisServer};

use crate::running::Running;

/// Commands on connections and servers whose replies do not tell of a server's
/// own state.
fn commands() -> Vec<Command> {
    let mut commands = vec![
        cmd!("PING"),
        cmd!("PING", "a"),
        cmd!("PING", "a", "b"),
        cmd!("ECHO", "a"),
        cmd!("SELECT", 1),
        cmd!("SELECT", 16),
        cmd!("SELECT", "x"),
        cmd!("AUTH", "x"),
        cmd!("AUTH", "default", "x"),
        cmd!("AUTH", "other", "x"),
        cmd!("AUTH", "a", "b", "c"),
        cmd!("HELLO", 4),
        cmd!("HELLO", "x"),
        cmd!("HELLO", 2, "NONSENSE"),
        cmd!("HELLO", 2, "SETNAME", "a b"),
        cmd!("RESET"),
        cmd!("CLIENT", "GETNAME"),
        cmd!("CLIENT", "SETNAME", "me"),
        cmd!("CLIENT", "GETNAME"),
        cmd!("CLIENT", "KILL"),
        cmd!("CLIENT", "KILL", "1.1.1.1:1"),
        cmd!("CLIENT", "KILL", "ID"),
        cmd!("CLIENT", "KILL", "ID", 999_999),
        cmd!("CLIENT", "KILL", "ID", "x"),
        cmd!("CLIENT", "KILL", "ID", -1),
        cmd!("CLIENT", "KILL", "TYPE", "x"),
        cmd!("CLIENT", "KILL", "TYPE", "pubsub"),
        cmd!("CLIENT", "KILL", "ADDR", "1.1.1.1:1", "SKIPME", "no"),
        cmd!("CLIENT", "KILL", "SKIPME", "x"),
        cmd!("CLIENT", "KILL", "USER", "x"),
        cmd!("CLIENT", "KILL", "x", "y"),
        cmd!("CLIENT", "LIST", "TYPE", "x"),
        cmd!("CLIENT", "LIST", "TYPE", "pubsub"),
        cmd!("CLIENT", "LIST", "ID", "x"),
        cmd!("CLIENT", "LIST", "x"),
        cmd!("CLIENT", "PAUSE", "x"),
        cmd!("CLIENT", "PAUSE", -1),
        cmd!("CLIENT", "PAUSE", 1, "x"),
        cmd!("CLIENT", "UNPAUSE"),
        cmd!("CLIENT", "NO-EVICT", "ON"),
        cmd!("CLIENT", "REPLY", "x"),
        cmd!("CLIENT", "x"),
        cmd!("CONFIG", "SET", "nonsense", 1),
        cmd!("CONFIG", "SET", "timeout"),
        cmd!("CONFIG", "SET", "timeout", "x"),
        cmd!("CONFIG", "SET", "timeout", -1),
        cmd!("CONFIG", "SET", "timeout", 1, "timeout", 2),
        cmd!("CONFIG", "SET", "timeout", 1, "x"),
        cmd!("CONFIG", "SET", "databases", 3),
        cmd!("CONFIG", "SET", "timeout", 7, "slowlog-max-len", 5),
        cmd!("CONFIG", "GET", "timeout"),
        cmd!("CONFIG", "GET", "slowlog-max-len", "timeout"),
        cmd!("CONFIG", "GET", "nonsense"),
        cmd!("CONFIG", "GET", "databases"),
        cmd!("CONFIG", "GET", "client-query-buffer-limit"),
        cmd!("CONFIG", "GET", "hash-max-listpack-entries"),
        cmd!("CONFIG", "SET", "client-output-buffer-limit", "x"),
        cmd!("CONFIG", "SET", "client-output-buffer-limit", "x 1 1 1"),
        cmd!("CONFIG", "REWRITE"),
        cmd!("CONFIG", "RESETSTAT"),
        cmd!("CONFIG", "x"),
        cmd!("CONFIG", "GET"),
        cmd!("COMMAND", "GETKEYS", "GET", "a"),
        cmd!("COMMAND", "GETKEYS", "nonsense", "a"),
        cmd!("COMMAND", "GETKEYS", "MSET", "a", 1, "b", 2),
        cmd!("COMMAND", "GETKEYS", "EVAL", "return 1", 2, "a", "b", "c"),
        cmd!("COMMAND", "GETKEYS", "PING", "x"),
        cmd!("COMMAND", "GETKEYSANDFLAGS", "GET", "a"),
        cmd!("COMMAND", "INFO", "nonsense"),
        cmd!("COMMAND", "DOCS", "nonsense"),
        cmd!("COMMAND", "LIST", "FILTERBY", "x", "y"),
        cmd!("COMMAND", "LIST", "FILTERBY", "PATTERN", "getde*"),
        cmd!("COMMAND", "LIST", "FILTERBY", "MODULE", "x"),
        cmd!("COMMAND", "x"),
        cmd!("INFO", "nonsense"),
        cmd!("SLOWLOG", "GET", "x"),
        cmd!("SLOWLOG", "GET", -2),
        cmd!("SLOWLOG", "RESET"),
        cmd!("SLOWLOG", "LEN"),
        cmd!("LATENCY", "LATEST"),
        cmd!("LATENCY", "RESET"),
        cmd!("LATENCY", "HISTORY", "x"),
        cmd!("ACL", "WHOAMI"),
        cmd!("ACL", "USERS"),
        cmd!("ACL", "CAT"),
        cmd!("ACL", "CAT", "nonsense"),
        cmd!("ROLE"),
        cmd!("SAVE", "x"),
        cmd!("BGSAVE", "x"),
        cmd!("LASTSAVE", "x"),
        cmd!("DEBUG", "SLEEP", 0),
        cmd!("DEBUG", "OBJECT", "missing"),
        cmd!("DEBUG", "nonsense"),
        cmd!("SHUTDOWN", "nonsense"),
        cmd!("NONSENSE", "a", "b"),
        cmd!("MULTI"),
        cmd!("CLIENT", "GETNAME"),
        cmd!("CONFIG", "SET", "timeout", "x"),
        cmd!("CONFIG", "GET", "timeout"),
        cmd!("EXEC"),
        cmd!("MULTI"),
        cmd!("SAVE"),
        cmd!("EXEC"),
    ];
    let kinds = [
        "string", "integer", "double", "null", "array", "set", "map", "verbatim", "true", "false",
        "bignum",
    ];
    commands.extend(kinds.map(|kind| cmd!("DEBUG", "PROTOCOL", kind)));
    commands
}

/// Sets and maps have no order; in RESP2 they are arrays.
fn in_order(reply: Reply) -> Reply {
    let sorted = |items: Vec<Reply>| {
        let mut items: Vec<Reply> = items.into_iter().map(in_order).collect();
        items.sort_by_key(|item| format!("{item:?}"));
        items
    };
    match reply {
        Reply::Array(items) => Reply::Array(sorted(items)),
        Reply::Set(items) => Reply::Set(sorted(items)),
        Reply::Map(mut pairs) => {
            pairs.sort_by_key(|(key, _)| format!("{key:?}"));
            Reply::Map(pairs)
        }
        other => other,
    }
}

fn compare(resp3: bool) {
    let arguments = ["--enable-debug-command", "yes"];
    let Some(redis) = RedisServer::start_version("7.0", &arguments) else { return };
    let ours = Running::in_memory();
    let mut both = [redis.connect(), ours.connect()];
    let hello = |connection: &mut Connection| {
        if resp3 {
            connection.call(&cmd!("HELLO", 3));
        }
    };
    both.iter_mut().for_each(hello);
    let mut different = Vec::new();
    for command in commands() {
        let [theirs, ours] = both.each_mut().map(|connection| in_order(connection.call(&command)));
        if ours != theirs {
            let words: Vec<_> = command.iter().map(String::from_utf8_lossy).collect();
            different
                .push(format!("{}\n  ours:   {ours:?}\n  theirs: {theirs:?}", words.join(" ")));
        }
        if command.name() == b"RESET" {
            both.iter_mut().for_each(hello);
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn replies_are_equal_in_resp2() {
    compare(false);
}

#[test]
fn replies_are_equal_in_resp3() {
    compare(true);
}

/// Name, arity, flags, places of keys: what clients route by.
#[test]
fn the_command_table_is_that_of_redis() {
    let Some(redis) = RedisServer::start_version("7.0", &[]) else { return };
    let ours = Running::in_memory();
    let [mut theirs, mut ours] = [redis.connect(), ours.connect()];
    let all = ours.call(&cmd!("COMMAND", "LIST")).into_array().unwrap();
    let mut compared = 0;
    for name in all {
        let name = name.into_bytes().unwrap().unwrap();
        let ask = cmd!("COMMAND", "INFO", name.as_ref());
        let [theirs, ours] = [&mut theirs, &mut ours].map(|connection| {
            connection.call(&ask).into_array().unwrap().remove(0).into_array().unwrap()
        });
        // A command of Redis 7.2 that 7.0 has not.
        // These take a command without arguments since 7.2.
        if theirs.is_empty() || name.starts_with(b"command|getkeys") {
            continue;
        }
        for place in [0, 1, 3, 4, 5] {
            assert_eq!(ours[place], theirs[place], "{name:?}");
        }
        compared += 1;
    }
    assert!(compared > 80, "{compared}");
}
