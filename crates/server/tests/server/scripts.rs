//! What the server tells of the commands that scripts call.

use tuckbox_resp::{Reply, cmd};
use tuckbox_test_redis::{Connection, RedisServer};

use crate::running::{Running, field, text};

/// The commands of a monitoring client's lines, up to one that has `end`, each with
/// where it came from.
fn seen(watcher: &mut Connection, end: &str) -> Vec<(String, String)> {
    let mut seen = Vec::new();
    loop {
        let line = text(watcher.read_reply());
        let (from, what) = line.split_once(" [").unwrap().1.split_once("] ").unwrap();
        seen.push((from.to_owned(), what.to_owned()));
        if what.contains(end) {
            return seen;
        }
    }
}

#[test]
fn who_monitors_sees_what_a_script_runs_after_the_script() {
    let server = Running::in_memory();
    let (mut watcher, mut client) = (server.connect(), server.connect());
    assert_eq!(watcher.call(&cmd!("MONITOR")), Reply::OK);
    let script = "redis.call('SELECT', 3) redis.pcall('nonsense') redis.call('SET', KEYS[1], 1.5)";
    client.call(&cmd!("EVAL", script, 1, "a"));
    client.call(&cmd!("MULTI"));
    client.call(&cmd!("EVAL", "return redis.pcall('GET', 'b')", 0));
    client.call(&cmd!("EXEC"));
    client.call(&cmd!("GET", "end"));
    let seen = seen(&mut watcher, "end");
    let from_scripts = |(from, _): &&(String, String)| from.ends_with(" lua");
    let scripts: Vec<_> = seen.iter().filter(from_scripts).collect();
    assert_eq!(*scripts[0], ("0 lua".to_owned(), r#""SELECT" "3""#.to_owned()));
    assert_eq!(*scripts[1], ("3 lua".to_owned(), r#""SET" "a" "1.5""#.to_owned()));
    assert_eq!(*scripts[2], ("0 lua".to_owned(), r#""GET" "b""#.to_owned()));
    assert_eq!(scripts.len(), 3);
    let words: Vec<_> = seen.iter().map(|(_, what)| what.split(' ').next().unwrap()).collect();
    let wanted = [
        r#""EVAL""#,
        r#""SELECT""#,
        r#""SET""#,
        r#""MULTI""#,
        r#""EVAL""#,
        r#""GET""#,
        r#""EXEC""#,
        r#""GET""#,
    ];
    assert_eq!(words, wanted);
}

/// The same commands to redis-server and to this server; what they say of them must be
/// equal but for times.
#[test]
fn commands_and_errors_of_scripts_count_as_in_redis() {
    let Some(redis) = RedisServer::start_version("7.0", &[]) else { return };
    let ours = Running::in_memory();
    let told = [redis.connect(), ours.connect()].map(|mut connection| {
        connection.call(&cmd!("CONFIG", "RESETSTAT"));
        for script in [
            "redis.call('set', 'a', 1) return redis.call('get', 'a')",
            "return redis.call('hget', 'a', 'f')",
            "return redis.pcall('hget', 'a', 'f')",
            "redis.pcall('hget', 'a', 'f') return 1",
            "redis.pcall('nonsense') return redis.pcall('get')",
            "return redis.call('select', 99)",
            "return redis.error_reply('MINE own')",
            "error('mine')",
            "return redis.pcall('client', 'id')",
            "syntax error",
        ] {
            connection.call(&cmd!("EVAL", script, 0));
        }
        connection.call(&cmd!("EVALSHA", "0".repeat(40), 0));
        connection.call(&cmd!("EVAL_RO", "return redis.call('set', 'a', 1)", 0));
        let all = text(connection.call(&cmd!("INFO", "all")));
        let counts = all.lines().filter(|line| {
            ["cmdstat_", "errorstat_", "total_error_replies", "total_commands_processed"]
                .iter()
                .any(|name| line.starts_with(name))
        });
        let without_times = |line: &str| {
            let words = line.split(',').filter(|word| !word.starts_with("usec"));
            words.collect::<Vec<_>>().join(",")
        };
        let mut counts: Vec<_> = counts.map(without_times).collect();
        counts.sort();
        counts
    });
    let [theirs, ours] = told;
    assert_eq!(ours, theirs);
}

#[test]
fn the_slow_log_has_the_script_and_not_what_it_ran() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    connection.call(&cmd!("CONFIG", "SET", "slowlog-log-slower-than", 0));
    connection.call(&cmd!("SLOWLOG", "RESET"));
    connection.call(&cmd!("EVAL", "return redis.call('PING')", 0));
    // RESET, and EVAL.
    assert_eq!(connection.call(&cmd!("SLOWLOG", "LEN")), Reply::Integer(2));
    let stats = text(connection.call(&cmd!("INFO", "commandstats")));
    assert!(field(&stats, "cmdstat_ping").unwrap().starts_with("calls=1,"));
}
