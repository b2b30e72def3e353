//! The same requests to redis-server and to this server, where the replies must
//! be equal.

use tuckbox_resp::{Command, Reply, cmd};
use tuckbox_test_redis::{Connection, RedisServer};

use crate::running::{Running, field, text};

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
        cmd!("CONFIG", "SET", "lua-time-limit", 10),
        cmd!("CONFIG", "GET", "busy-reply-threshold", "lua-time-limit"),
        cmd!("CONFIG", "SET", "lua-time-limit", 5000, "busy-reply-threshold", 5000),
        cmd!("CONFIG", "SET", "maxmemory-clients", "200%"),
        cmd!("CONFIG", "SET", "loglevel", "loud"),
        cmd!("CONFIG", "SET", "save", "x"),
        cmd!("CONFIG", "SET", "maxmemory", "x"),
        cmd!("CONFIG", "SET", "databases", 3, "nonsense", 1),
        cmd!("CONFIG", "SET", "maxmemory", "1gb", "timeout", "x"),
        cmd!("CONFIG", "GET", "*of"),
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
        cmd!("COMMAND", "GETKEYSANDFLAGS", "SET", "a", 1),
        cmd!("COMMAND", "GETKEYSANDFLAGS", "SET", "a", 1, "GET"),
        cmd!("COMMAND", "GETKEYSANDFLAGS", "RENAME", "a", "b"),
        cmd!("COMMAND", "GETKEYSANDFLAGS", "MSET", "a", 1, "b", 2),
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
        cmd!("LATENCY", "GRAPH", "x"),
        cmd!("LATENCY", "HISTOGRAM", "nonsense"),
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
        cmd!("SHUTDOWN", "SAVE", "NOSAVE"),
        cmd!("SHUTDOWN", "ABORT", "NOW"),
        cmd!("SHUTDOWN", "ABORT"),
        cmd!("LOLWUT", "VERSION", "x"),
        cmd!("CLIENT", "PAUSE", 1, "ALL", "x"),
        cmd!("NONSENSE", "a", "b"),
        cmd!("MULTI"),
        cmd!("CLIENT", "GETNAME"),
        cmd!("CONFIG", "SET", "timeout", "x"),
        cmd!("CONFIG", "GET", "timeout"),
        cmd!("EXEC"),
        cmd!("MULTI"),
        cmd!("MONITOR"),
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

/// The ranges of keys, without the notes that Redis has on some.
fn places(ranges: &Reply) -> Vec<Reply> {
    let ranges = ranges.clone().into_array().unwrap().into_iter().map(|range| {
        let pairs = range.into_pairs().unwrap().into_iter();
        Reply::Map(pairs.filter(|(name, _)| *name != Reply::bulk(b"notes")).collect())
    });
    ranges.map(in_order).collect()
}

/// What is told of arguments but their names: types, words, and what is optional.
fn shape(args: Reply) -> String {
    let mut shape = String::new();
    for arg in args.into_array().unwrap() {
        let mut said = arg.into_pairs().unwrap();
        said.retain(|(what, _)| {
            let what = String::from_utf8(what.clone().into_bytes().unwrap().unwrap().to_vec());
            ["type", "token", "flags", "arguments"].contains(&what.unwrap().as_str())
        });
        for (what, value) in said {
            shape += &match what == Reply::bulk(b"arguments") {
                true => format!("({})", self::shape(value)),
                false => format!("{:?} ", in_order(value)),
            };
        }
    }
    shape
}

/// What `COMMAND DOCS` says that commands take: clients' hints come from it.
#[test]
fn what_commands_take_is_told_as_in_redis() {
    let Some(redis) = RedisServer::start_version("7.0", &[]) else { return };
    let ours = Running::in_memory();
    let mut both = [redis.connect(), ours.connect()];
    both.iter_mut().for_each(|connection| _ = connection.call(&cmd!("HELLO", 3)));
    let all = both[1].call(&cmd!("COMMAND", "LIST")).into_array().unwrap();
    // Redis calls what has to be there optional in the first three, and shows one argument
    // as a block of one in the others; of the last two 7.0 says nothing.
    let other = [
        "client|kill",
        "migrate",
        "client|list",
        "config|get",
        "command|getkeys",
        "command|getkeysandflags",
    ];
    let mut compared = 0;
    for name in all {
        let name = name.into_bytes().unwrap().unwrap();
        let ask = cmd!("COMMAND", "DOCS", name.as_ref());
        let [theirs, ours] = both.each_mut().map(|connection| {
            let docs = connection.call(&ask).into_pairs().unwrap().pop();
            let docs = docs.map(|(_, docs)| docs.into_pairs().unwrap())?;
            let args = docs.into_iter().find(|(what, _)| *what == Reply::bulk(b"arguments"));
            Some(args.map_or_else(String::new, |(_, args)| shape(args)))
        });
        // A command of Redis 7.2 that 7.0 has not.
        let Some(theirs) = theirs else { continue };
        if !other.iter().any(|other| name == *other) {
            assert_eq!(ours, Some(theirs), "{name:?}");
            compared += 1;
        }
    }
    assert!(compared > 150, "{compared}");
}

/// Name, arity, flags, places of keys: what clients route by.
#[test]
fn the_command_table_is_that_of_redis() {
    let Some(redis) = RedisServer::start_version("7.0", &[]) else { return };
    let ours = Running::in_memory();
    let [mut theirs, mut ours] = [redis.connect(), ours.connect()];
    for connection in [&mut theirs, &mut ours] {
        connection.call(&cmd!("HELLO", 3));
    }
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
        // Redis knows where KEYS stands.
        if name != "migrate" {
            assert_eq!(places(&ours[8]), places(&theirs[8]), "{name:?}");
        }
        compared += 1;
    }
    assert!(compared > 80, "{compared}");
}

/// Keys that reads have found, and those that they have not.
#[test]
fn hits_and_misses_count_as_in_redis() {
    let Some(redis) = RedisServer::start_version("7.0", &[]) else { return };
    let ours = Running::on_disk();
    let [theirs, ours] = [redis.connect(), ours.connect()].map(|mut connection| {
        for command in [
            cmd!("SET", "a", 1),
            cmd!("HSET", "h", "f", 1),
            cmd!("GET", "a"),
            cmd!("GET", "missing"),
            cmd!("MGET", "a", "missing", "a", "h"),
            cmd!("INCR", "a"),
            cmd!("DEL", "a", "missing"),
            cmd!("EXISTS", "a", "h"),
            cmd!("HGETALL", "h"),
            cmd!("HGET", "missing", "f"),
            cmd!("TTL", "h"),
            cmd!("TYPE", "missing"),
            cmd!("STRLEN", "h"),
            cmd!("EVAL", "return redis.call('GET', KEYS[1])", 1, "missing"),
            cmd!("MULTI"),
            cmd!("GET", "missing"),
            cmd!("EXEC"),
            cmd!("KEYS", "*"),
        ] {
            connection.call(&command);
        }
        let mut told = || {
            let stats = text(connection.call(&cmd!("INFO", "stats")));
            ["keyspace_hits", "keyspace_misses"].map(|name| field(&stats, name).map(str::to_owned))
        };
        let before = told();
        connection.call(&cmd!("CONFIG", "RESETSTAT"));
        let stats = text(connection.call(&cmd!("INFO", "stats")));
        assert_eq!(field(&stats, "keyspace_hits"), Some("0"));
        before
    });
    assert_eq!(ours, theirs);
}
