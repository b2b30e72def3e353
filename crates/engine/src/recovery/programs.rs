//! Random programs, crashes and what is read in the midst of a recovery: the same
//! as in a database in memory that never crashed.

use std::collections::BTreeMap;

use tuckbox_resp::{Command, Reply, cmd};

use super::tests::{Opened, words};
use crate::{random::Random, testing::Session};

/// The logical databases of the programs.
const DATABASES: [usize; 3] = [0, 1, 9];

/// A random command; `wide`: also one on all keys.
fn command(random: &mut Random, wide: bool) -> Command {
    let key = format!("k{}", random.below(40));
    let other = format!("k{}", random.below(40));
    let field = format!("f{}", random.below(30));
    let number = random.below(1_000);
    let text = "v".repeat(random.below(60));
    if wide && random.below(12) == 0 {
        return match random.below(10) {
            0 => cmd!("FLUSHDB"),
            1 => cmd!("FLUSHALL"),
            2 => cmd!("SWAPDB", 0, DATABASES[random.below(3)]),
            3 => cmd!("RENAME", key, other),
            4 => cmd!("COPY", key, other, "DB", DATABASES[random.below(3)], "REPLACE"),
            5 => cmd!("MOVE", key, DATABASES[random.below(3)]),
            6 => cmd!("RENAMENX", key, other),
            7 => cmd!("MSETNX", key, 1, other, 2),
            8 => cmd!("EVAL", "return #redis.call('KEYS', '*') + redis.call('INCR', 'n')", 0),
            _ => cmd!("EXISTS", key, other),
        };
    }
    match random.below(22) {
        0 | 1 => cmd!("SET", key, text),
        2 => cmd!("SET", key, text, "PX", 1 + number),
        3 => cmd!("SET", key, number, "KEEPTTL", "GET"),
        4 => cmd!("GET", key),
        5 => cmd!("GETDEL", key),
        6 => cmd!("DEL", key, other),
        7 => cmd!("MSET", key, text, other, number),
        8 => cmd!("INCRBY", key, number),
        9 => cmd!("APPEND", key, text),
        10..13 => cmd!("HSET", format!("h{}", random.below(6)), field, text),
        13 => cmd!("HSET", key, field, text),
        14 => cmd!("HDEL", format!("h{}", random.below(6)), field),
        15 => cmd!("HINCRBY", format!("h{}", random.below(6)), format!("n{field}"), number),
        16 => cmd!("HGET", format!("h{}", random.below(6)), field),
        17 => cmd!("PEXPIRE", key, 1 + number),
        18 => cmd!("PERSIST", key),
        19 => cmd!("PTTL", key),
        20 => cmd!("EVAL", "return redis.call('APPEND', ARGV[1], ARGV[2])", 0, key, text),
        _ => cmd!(
            "EVAL",
            "redis.call('DEL', ARGV[1]) return redis.call('HLEN', KEYS[1])",
            1,
            other,
            key
        ),
    }
}

/// What a database holds, as its clients see it.
fn contents(mut ask: impl FnMut(usize, Command) -> Reply) -> BTreeMap<(usize, String), String> {
    let mut found = BTreeMap::new();
    for db in DATABASES {
        // Keys whose time has come are counted until somebody meets them.
        for n in 0..40 {
            ask(db, cmd!("EXISTS", format!("k{n}")));
        }
        let keys = ask(db, words("KEYS *")).into_array().unwrap();
        assert_eq!(ask(db, words("DBSIZE")), Reply::Integer(keys.len() as i64));
        for key in keys {
            let key = String::from_utf8(key.into_bytes().unwrap().unwrap().to_vec()).unwrap();
            let value = match ask(db, cmd!("GET", &*key)) {
                Reply::Error(_) => {
                    let Reply::Map(fields) = ask(db, cmd!("HGETALL", &*key)) else {
                        panic!("{key}")
                    };
                    let mut fields: Vec<_> =
                        fields.into_iter().map(|field| format!("{field:?}")).collect();
                    fields.sort();
                    fields.concat()
                }
                text => format!("{text:?}"),
            };
            let ttl = ask(db, cmd!("PTTL", &*key));
            found.insert((db, key), format!("{value} {ttl:?}"));
        }
    }
    found
}

struct Run {
    random: Random,
    opened: Opened,
    model: Session,
}

impl Run {
    /// Runs commands in both, and compares the replies.
    fn both(&mut self, commands: &[(usize, Command)]) {
        let replies = self.opened.transact(commands).unwrap();
        for ((db, command), reply) in commands.iter().zip(replies) {
            self.model.select(*db);
            let expected = self.model.call(command.clone());
            assert_eq!(
                reply,
                expected,
                "{:?}",
                command.iter().map(String::from_utf8_lossy).collect::<Vec<_>>()
            );
        }
    }

    fn steps(&mut self, count: usize, wide: bool) {
        for _ in 0..count {
            let length = if self.random.below(8) == 0 { 4 } else { 1 };
            let mut commands = Vec::new();
            for _ in 0..length {
                let db = DATABASES[self.random.below(3)];
                commands.push((db, command(&mut self.random, wide)));
            }
            self.both(&commands);
            if self.random.below(20) == 0 {
                let passed = self.random.below(300) as u64;
                self.opened.clock.advance(passed);
                self.model.clock.advance(passed);
            }
        }
    }
}

#[test]
fn a_recovery_in_the_midst_of_commands_is_like_one_that_was_done_before_them() {
    let (mut waited, mut interrupted) = (0, 0);
    for seed in 0..30 {
        let opened = Opened::new();
        let model = Session::new();
        let mut run = Run { random: Random::new(seed), opened, model };
        for round in 0..6 {
            let wide = (seed + round) % 3 == 0;
            run.steps(60, true);
            if run.random.below(3) > 0 {
                run.opened.save();
            }
            let length = run.random.below(150);
            run.steps(length, wide);
            run.opened = run.opened.crash();
            waited += run.opened.pending();
            for _ in 0..run.random.below(40) {
                run.steps(1, false);
                if run.random.below(10) == 0 {
                    run.opened.database.settle_some(run.opened.files()).unwrap();
                }
            }
            interrupted += run.opened.pending();
            if run.random.below(3) == 0 {
                continue;
            }
            let Run { opened, model, .. } = &mut run;
            let of_model = contents(|db, command| {
                model.select(db);
                model.call(command)
            });
            let found =
                contents(|db, command| opened.transact(&[(db, command)]).unwrap().remove(0));
            assert_eq!(found, of_model, "seed {seed} round {round}");
        }
    }
    assert!(waited > 5_000 && interrupted > 500, "{waited} {interrupted}");
}
