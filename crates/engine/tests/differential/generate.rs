//! Makes runs up: random commands on few keys, most of them well-formed.

mod connections;
mod generic;
mod hashes;
mod safe;
mod scripts;
mod strings;
mod words;

use std::collections::BTreeSet;

use tuckbox_resp::table::{ALL_COMMANDS, Group};

use self::words::Words;
use crate::{
    exceptions::NOT_GENERATED,
    run::CONNECTIONS,
    step::{Step, command},
};

/// How often a command is made, its name, and what adds its arguments.
type Entry = (usize, &'static str, fn(&mut Words));

const GROUPS: [&[Entry]; 5] = [
    strings::COMMANDS,
    hashes::COMMANDS,
    generic::COMMANDS,
    connections::COMMANDS,
    scripts::COMMANDS,
];

/// The steps that `seed` stands for.
pub(crate) fn generate(seed: u64, steps: usize) -> Vec<Step> {
    let mut words = Words::new(seed);
    (0..steps).map(|_| step(&mut words)).collect()
}

fn step(words: &mut Words) -> Step {
    let connection = words.random.below(CONNECTIONS);
    match words.random.below(1000) {
        0..2 => Step::Reopen,
        2..12 => Step::Checkpoint,
        12..24 => walk(words, connection),
        24..36 => transfer(words, connection),
        _ => loop {
            let made = made_up(words);
            if safe::is_safe(&made) {
                return Step::Run { connection, command: command(&made) };
            }
        },
    }
}

fn made_up(words: &mut Words) -> Vec<Vec<u8>> {
    let entries = GROUPS.iter().copied().flatten();
    let total = entries.clone().map(|(weight, ..)| weight).sum();
    let mut at = words.random.below(total);
    for (weight, name, add) in entries {
        if at < *weight {
            words.word(name);
            add(words);
            break;
        }
        at -= weight;
    }
    let made = words.take();
    if words.random.one_in(12) { spoilt(words, made) } else { made }
}

/// Makes a command that is probably wrong out of one that is right.
fn spoilt(words: &mut Words, mut made: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let at = words.random.below(made.len());
    match words.random.below(7) {
        0 if made.len() > 1 => {
            made.pop();
        }
        1 => made.push(weird(words)),
        2 if at > 0 => made[at] = weird(words),
        3 if at > 0 => {
            made.remove(at);
        }
        4 if at > 1 => made.swap(at, 1),
        5 => made.insert(at.max(1), weird(words)),
        6 if words.random.one_in(4) => made[0] = weird(words),
        _ => made.push(made[at].clone()),
    }
    made
}

fn weird(words: &mut Words) -> Vec<u8> {
    match words.random.below(5) {
        0 => words.key(),
        1 => words.value(),
        2 => words.integer(),
        3 => words.field(),
        _ => words.option(&[
            "NX",
            "XX",
            "GET",
            "EX",
            "PX",
            "KEEPTTL",
            "COUNT",
            "MATCH",
            "TYPE",
            "DB",
            "REPLACE",
            "WITHVALUES",
            "LIMIT",
            "BY",
            "STORE",
            "LEN",
            "SETNAME",
            "AUTH",
            "ON",
            "ASYNC",
        ]),
    }
    words.take().concat()
}

fn walk(words: &mut Words, connection: usize) -> Step {
    let scan = words.random.one_in(2);
    if scan {
        words.word("SCAN");
    } else {
        words.word("HSCAN");
        words.key();
    }
    let head = words.take();
    if words.random.one_in(2) {
        words.word("COUNT");
        words.option(&["1", "2", "3", "10", "1000"]);
    }
    if words.random.one_in(3) {
        words.word("MATCH");
        words.pattern();
    }
    if scan && words.random.one_in(3) {
        words.word("TYPE");
        words.option(&["string", "hash", "list"]);
    }
    Step::Walk { connection, head, options: words.take() }
}

fn transfer(words: &mut Words, connection: usize) -> Step {
    let giver = words.random.below(3);
    words.key();
    let from = words.take().concat();
    words.key();
    let to = words.take().concat();
    loop {
        words.either(&[
            Words::milliseconds,
            |w| w.push("0"),
            |w| {
                w.at_milliseconds();
                w.word("ABSTTL");
            },
        ]);
        words.maybe(2, |w| w.word("REPLACE"));
        words.maybe(6, |w| {
            w.option(&["IDLETIME", "FREQ", "REPLACE", "x"]);
            w.integer();
        });
        let options = words.take();
        let sent = [vec![b"RESTORE".to_vec(), to.clone()], options.clone()].concat();
        if safe::is_safe(&sent) {
            return Step::Transfer { connection, giver, from, to, options };
        }
    }
}

#[test]
fn every_command_of_the_groups_is_generated() {
    let mut words = Words::new(1);
    let mut made = BTreeSet::new();
    for _ in 0..60_000 {
        let words = made_up(&mut words);
        if safe::is_safe(&words) {
            made.insert(crate::compare::name_of(&command(&words)));
        }
    }
    let groups =
        [Group::String, Group::Hash, Group::Generic, Group::Connection, Group::Transactions];
    for spec in ALL_COMMANDS.iter().filter(|spec| groups.contains(&spec.group)) {
        let itself = spec.subcommands.is_empty().then_some(spec);
        for exact in spec.subcommands.iter().chain(itself) {
            let except = NOT_GENERATED.iter().any(|(name, _)| *name == exact.name);
            assert!(except || made.contains(exact.name), "{} is never made", exact.name);
        }
    }
}
