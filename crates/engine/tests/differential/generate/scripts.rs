//! Scripts: a few, each with two keys and two arguments.

use super::Entry;

const SCRIPTS: [&str; 4] = [
    "redis.call('SET', KEYS[1], ARGV[1]) return {redis.call('GET', KEYS[1]), redis.call('EXISTS', KEYS[2])}",
    "local n = redis.call('INCR', KEYS[1]) redis.call('HSET', KEYS[2], ARGV[1], n) return n",
    "local told = redis.pcall('HINCRBY', KEYS[2], ARGV[1], ARGV[2]) redis.pcall('APPEND', KEYS[1], 'x') return told",
    "redis.call('DEL', KEYS[1]) redis.call('RENAME', KEYS[2], KEYS[1]) return redis.call('TYPE', KEYS[1])",
];

pub(super) const COMMANDS: &[Entry] = &[(20, "EVAL", |w| {
    let script = *w.random.pick(&SCRIPTS);
    w.push(script);
    w.push("2");
    w.string_key();
    w.hash_key();
    w.value();
    w.integer();
})];
