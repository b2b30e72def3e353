//! Scripts beside Redis': values in both dialects, errors with their places,
//! the world that scripts see, and what they leave.

use tuckbox_resp::{Command, Reply, cmd};

use crate::{random::Random, run::Sides, theirs};

/// Scripts that answer alike, to the byte, each run in both dialects. They are
/// parted by lines of two dashes.
const SCRIPTS: &str = include_str!("scripts.lua");

fn run(sides: &mut Sides<'_>, connection: usize, command: &Command) -> Reply {
    sides.run(connection, command).unwrap_or_else(|text| {
        let words: Vec<String> =
            command.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        panic!("{}\n{text}", words.join(" "))
    })
}

#[test]
fn scripts_answer_as_in_redis() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    for protocol in [2, 3] {
        run(&mut sides, 0, &cmd!("HELLO", protocol));
        for script in SCRIPTS.split("\n--\n") {
            run(&mut sides, 0, &cmd!("EVAL", script, 1, "k", "v"));
        }
    }
    sides.finish().unwrap_or_else(|text| panic!("{text}"));
}

#[test]
fn scripts_pack_and_unpack_as_in_redis() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    for seed in 0..20 {
        run(&mut sides, 0, &cmd!("EVAL", include_str!("packing.lua"), 0, seed));
    }
    sides.finish().unwrap_or_else(|text| panic!("{text}"));
}

#[test]
fn scripts_are_loaded_and_found_as_in_redis() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    let none = "f".repeat(40);
    let sha = match run(&mut sides, 0, &cmd!("SCRIPT", "LOAD", "return ARGV[1]")) {
        Reply::Bulk(sha) => sha,
        other => panic!("{other:?}"),
    };
    let write = "return redis.call('SET', KEYS[1], ARGV[1])";
    let cases = [
        cmd!("EVALSHA", &sha[..], 0, "x"),
        cmd!("EVALSHA", sha.to_ascii_uppercase(), 0, "x"),
        cmd!("EVALSHA_RO", &sha[..], 0, "x"),
        cmd!("EVALSHA", &none, 0),
        cmd!("EVALSHA", "short", 0),
        cmd!("EVALSHA", &none, 5),
        cmd!("EVAL", "return 1", "x"),
        cmd!("EVAL", "return 1", -1),
        cmd!("EVAL", "return 1", 3, "a"),
        cmd!("EVAL", "return {KEYS[1], KEYS[2], ARGV[1]}", 2, "a", "b", "c"),
        cmd!("EVAL_RO", write, 1, "k", "v"),
        cmd!("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, "k"),
        cmd!("EVAL_RO", "#!lua\nreturn 1", 0),
        cmd!("EVAL_RO", "#!lua flags=no-writes\nreturn 1", 0),
        cmd!("EVAL", "#!lua", 0),
        cmd!("SCRIPT", "EXISTS", &sha[..], &none, "x"),
        cmd!("SCRIPT", "LOAD", "x x"),
        cmd!("SCRIPT", "LOAD", "#!lua flags=x\nreturn 1"),
        cmd!("SCRIPT", "KILL"),
        cmd!("SCRIPT", "FLUSH", "x"),
        cmd!("SCRIPT", "FLUSH", "ASYNC", "SYNC"),
        cmd!("SCRIPT", "NONE"),
        cmd!("SCRIPT", "FLUSH", "SYNC"),
        cmd!("SCRIPT", "EXISTS", &sha[..]),
        cmd!("EVALSHA", &sha[..], 0, "x"),
        // Inside a transaction.
        cmd!("WATCH", "k"),
        cmd!("EVAL", write, 1, "k", "v"),
        cmd!("MULTI"),
        cmd!("GET", "k"),
        cmd!("EXEC"),
        cmd!("MULTI"),
        cmd!("EVAL", write, 1, "k", "w"),
        cmd!("EVAL", "redis.call('SELECT', 3) return redis.call('INCR', 'n')", 0),
        cmd!("EVAL", "error('late')", 0),
        cmd!("GET", "k"),
        cmd!("EXEC"),
        cmd!("EVAL", "redis.call('SET', 'k', 'half') error('and stop')", 1, "k"),
        cmd!("GET", "k"),
    ];
    for case in &cases {
        run(&mut sides, 0, case);
    }
    sides.finish().unwrap_or_else(|text| panic!("{text}"));
}

#[test]
fn scripts_on_many_keys_leave_what_they_leave_in_redis() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    // Touches keys that it does not declare, too: the engine with hardly any
    // memory has to fetch them while it runs.
    let script = "
        local n = redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
        local v = redis.call('HMGET', KEYS[1], 'a', 'b', 'c')
        if n % 3 == 0 then redis.call('HDEL', KEYS[1], 'b') end
        if n % 5 == 0 then redis.call('PEXPIREAT', KEYS[1], '4102444800000') end
        if n % 7 == 0 then redis.call('RENAME', KEYS[1], 'other:' .. ARGV[3]) end
        redis.pcall('INCRBY', 'seen:' .. ARGV[3], n)
        return {n, v, redis.call('EXISTS', KEYS[1], 'other:' .. ARGV[3])}";
    let mut random = Random::new(11);
    for round in 0..600 {
        let key = format!("key:{}", random.below(60));
        let field = ["a", "b", "c"][random.below(3)];
        let command = cmd!("EVAL", script, 1, &key, field, random.between(-5, 9), random.below(40));
        run(&mut sides, round % 2, &command);
        if round % 150 == 0 {
            sides.ours.iter().for_each(crate::ours::Ours::checkpoint);
        }
    }
    sides.finish().unwrap_or_else(|text| panic!("{text}"));
}
