//! What random commands cannot show: the passing of time, and every command
//! with too few and too many arguments.

use std::time::{Duration, Instant};

use tuckbox_resp::{
    Command, Reply, cmd,
    table::{ALL_COMMANDS, Group},
};

use crate::{
    exceptions::NOT_GENERATED, ours::wall_clock, random::Random, run::Sides, step::command, theirs,
};

/// So long a key that lives for milliseconds may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

fn run(sides: &mut Sides<'_>, connection: usize, command: &Command) -> Reply {
    match sides.run(connection, command) {
        Ok(reply) => reply,
        Err(text) => {
            let words: Vec<String> =
                command.iter().map(|word| word.escape_ascii().to_string()).collect();
            panic!("{}\n{text}", words.join(" "))
        }
    }
}

/// Waits until `key` is gone on all sides, each by its own clock.
fn until_gone(sides: &mut Sides<'_>, key: &str) {
    let began = Instant::now();
    while sides.theirs[2].call(&cmd!("EXISTS", key)) != Reply::Integer(0) {
        assert!(began.elapsed() < PATIENCE, "{key} stays");
        std::thread::sleep(Duration::from_millis(1));
    }
    let gone = wall_clock() + sides.tolerance_ms();
    while wall_clock() <= gone {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs commands on all sides whose replies depend on how long they take.
fn run_uncompared(sides: &mut Sides<'_>, commands: &[Command]) {
    for command in commands {
        sides.theirs[0].call(command);
        let now = wall_clock();
        for ours in &mut sides.ours {
            ours.call(0, command, now);
        }
    }
}

/// Milliseconds that a key lives in these tests.
const SHORT: i64 = 30;

/// What makes the key `$k` live for a short time.
fn lives(k: &str) -> [Vec<Command>; 7] {
    let other = &format!("{k}:other");
    [
        vec![cmd!("SET", k, 1, "PX", SHORT)],
        vec![cmd!("PSETEX", k, SHORT, 1)],
        vec![cmd!("SET", k, 1), cmd!("PEXPIRE", k, SHORT)],
        vec![cmd!("HSET", k, "f", 1), cmd!("PEXPIRE", k, SHORT)],
        vec![cmd!("SET", other, 1, "PX", SHORT), cmd!("RENAME", other, k)],
        vec![cmd!("SET", other, 1, "PX", SHORT), cmd!("COPY", other, k)],
        vec![cmd!("SET", k, 1), cmd!("GETEX", k, "PX", SHORT)],
    ]
}

/// What is asked of a key that has expired.
fn questions(k: &str) -> [Command; 24] {
    [
        cmd!("GET", k),
        cmd!("TTL", k),
        cmd!("PTTL", k),
        cmd!("PEXPIRETIME", k),
        cmd!("TYPE", k),
        cmd!("EXISTS", k, k),
        cmd!("KEYS", k),
        cmd!("RANDOMKEY"),
        cmd!("PERSIST", k),
        cmd!("EXPIRE", k, 100),
        cmd!("OBJECT", "ENCODING", k),
        cmd!("DEL", k),
        cmd!("RENAME", k, "l"),
        cmd!("COPY", k, "l"),
        cmd!("MOVE", k, 1),
        cmd!("GETDEL", k),
        cmd!("SET", k, "new", "XX"),
        cmd!("SETNX", k, "new"),
        cmd!("SET", k, "newer", "GET", "NX"),
        cmd!("APPEND", k, "new"),
        cmd!("INCRBY", k, 1),
        cmd!("HSET", k, "f", 1),
        cmd!("HINCRBY", k, "f", 2),
        cmd!("DBSIZE"),
    ]
}

#[test]
fn keys_are_gone_when_their_time_has_come() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    for life in 0..lives("").len() {
        // The first command on a key that has expired finds it, so every
        // question has a key of its own.
        let key = |question: usize| format!("k{question}");
        let count = questions("").len();
        for question in 0..count {
            run_uncompared(&mut sides, &lives(&key(question))[life]);
        }
        until_gone(&mut sides, &key(count - 1));
        until_gone(&mut sides, &format!("{}:other", key(count - 1)));
        for question in 0..count {
            let key = key(question);
            run(&mut sides, 0, &questions(&key)[question]);
            run(&mut sides, 0, &cmd!("TTL", &key));
        }
        run(&mut sides, 0, &cmd!("FLUSHALL"));
    }
}

#[test]
fn a_watched_key_that_expires_ends_the_transaction() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    // Expires while it is watched, before it is watched, and is written after.
    let cases = [
        (false, None),
        (true, None),
        (true, Some(cmd!("SET", "k", 2))),
        (true, Some(cmd!("DEL", "k"))),
    ];
    for (before, between) in cases {
        loop {
            run_uncompared(&mut sides, &[cmd!("SET", "k", 1, "PX", 60)]);
            if before {
                until_gone(&mut sides, "k");
            }
            run(&mut sides, 0, &cmd!("WATCH", "k"));
            let left = sides.theirs[2].call(&cmd!("PTTL", "k"));
            if before || matches!(left, Reply::Integer(1..)) {
                break;
            }
            // It took too long: the key was gone before.
            run(&mut sides, 0, &cmd!("UNWATCH"));
        }
        until_gone(&mut sides, "k");
        run(&mut sides, 0, &cmd!("MULTI"));
        run(&mut sides, 0, &cmd!("GET", "k"));
        if let Some(command) = between {
            run(&mut sides, 1, &command);
        }
        run(&mut sides, 0, &cmd!("EXEC"));
        run(&mut sides, 0, &cmd!("FLUSHALL"));
    }
}

#[test]
fn absolute_times_are_kept_and_rounded_alike() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    let at = 4_102_444_800_000_u64;
    for ms in [0, 1, 499, 500, 501, 999] {
        let at = at + ms;
        let sets = [
            cmd!("SET", "k", 1, "PXAT", at),
            cmd!("PEXPIREAT", "k", at),
            cmd!("GETEX", "k", "PXAT", at),
            cmd!("EXPIREAT", "k", at / 1000),
            cmd!("SET", "k", 1, "EXAT", at / 1000),
        ];
        for set in sets {
            run(&mut sides, 0, &set);
            for question in [cmd!("PEXPIRETIME", "k"), cmd!("EXPIRETIME", "k")] {
                let (theirs, ours) = exactly(&mut sides, &question);
                assert_eq!(ours, [(); 3].map(|()| theirs.clone()), "{question:?} of {at}");
            }
        }
    }
}

fn exactly(sides: &mut Sides<'_>, question: &Command) -> (Reply, Vec<Reply>) {
    let theirs = sides.theirs[0].call(question);
    let ours = sides.ours.iter_mut().map(|ours| ours.call(0, question, 0).reply);
    (theirs, ours.collect())
}

#[test]
fn a_small_hash_keeps_the_order_of_its_fields() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    let mut random = Random::new(5);
    for _ in 0..400 {
        let field = format!("f{}", random.below(30));
        let command = match random.below(4) {
            0 => cmd!("HDEL", "h", &field),
            1 => cmd!("HINCRBY", "h", &field, random.between(-9, 9)),
            _ => cmd!("HSET", "h", &field, random.between(0, 1_000_000_000)),
        };
        run(&mut sides, 0, &command);
        for question in [cmd!("HGETALL", "h"), cmd!("HKEYS", "h"), cmd!("HVALS", "h")] {
            // The others have it in parts, as if it were not small.
            let (theirs, ours) = exactly(&mut sides, &question);
            assert_eq!(ours.first(), Some(&theirs), "{question:?}");
        }
    }
}

#[test]
fn a_string_that_was_set_has_its_encoding() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    let long = "e".repeat(45);
    for value in [
        "0",
        "-1",
        "007",
        "9223372036854775807",
        "9223372036854775808",
        "1.5",
        "",
        "x",
        &long[1..],
        &long,
    ] {
        run(&mut sides, 0, &cmd!("SET", "k", value));
        let (theirs, ours) = exactly(&mut sides, &cmd!("OBJECT", "ENCODING", "k"));
        assert_eq!(ours, [(); 3].map(|()| theirs.clone()), "of {value:?}");
    }
}

#[test]
fn every_command_counts_its_arguments_alike() {
    let Some(server) = theirs::start() else { return };
    let mut sides = Sides::new(&server);
    let groups =
        [Group::String, Group::Hash, Group::Generic, Group::Connection, Group::Transactions];
    for spec in ALL_COMMANDS.iter().filter(|spec| groups.contains(&spec.group)) {
        let itself = spec.subcommands.is_empty().then_some(spec);
        for exact in spec.subcommands.iter().chain(itself) {
            let known = !exact.since.starts_with("7.2");
            for len in (1..8).filter(|&len| known && !exact.arity_ok(len)) {
                let name = exact.name.split('|').map(str::to_owned);
                let args = (0..8).map(|n| format!("arg{n}"));
                let words: Vec<String> = name.chain(args).take(len).collect();
                if exact.name == "quit" || words.len() < exact.name.split('|').count() {
                    continue;
                }
                run(&mut sides, 0, &command(&words));
                for transaction in ["MULTI", &words[0], "EXEC"] {
                    let words = if transaction == words[0] { &words[..] } else { &[] };
                    match words {
                        [] => run(&mut sides, 1, &cmd!(transaction)),
                        words => run(&mut sides, 1, &command(words)),
                    };
                }
            }
        }
    }
}

#[test]
fn what_is_not_generated_is_in_the_table() {
    for (name, _) in NOT_GENERATED {
        let (container, _) = name.split_once('|').unwrap_or((name, ""));
        let spec = ALL_COMMANDS.iter().find(|spec| spec.name == container).expect("the command");
        let found = spec.name == *name || spec.subcommands.iter().any(|sub| sub.name == *name);
        assert!(found, "{name}");
    }
}
