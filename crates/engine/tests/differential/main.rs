//! The engine beside a real server: random commands, every reply and the final
//! keyspace compared.
//!
//! Needs a `redis-server` of version 7.0 on the path; where there is none the
//! tests say so and pass, unless `TUCKBOX_REQUIRE_REDIS=1`. A failure prints its
//! seed and the shortest sequence of commands found that shows it.
//! `TUCKBOX_SEED=n` runs that seed alone, with `TUCKBOX_ROUNDS=n` that many from
//! there on; `TUCKBOX_ROUNDS` alone sets how many run.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what a test helper cannot do fails its test"
)]

mod cases;
mod compare;
mod exceptions;
mod generate;
mod keyspace;
mod ours;
mod random;
mod run;
mod scripts;
mod shrink;
mod step;
mod theirs;

use crate::{generate::generate, run::Tally};

/// Rounds that run by default, and the steps of one.
const ROUNDS: u64 = 25;
const STEPS: usize = 400;

/// Commands, and what is none, that no reply but an error belongs to.
const NEVER_RIGHT: [&str; 4] = ["", "client", "client|caching", "object"];

#[test]
fn random_commands_answer_as_redis_does() {
    let Some(server) = theirs::start() else { return };
    let (first, rounds) = match (number("TUCKBOX_SEED"), number("TUCKBOX_ROUNDS")) {
        (Some(seed), rounds) => (seed, rounds.unwrap_or(1)),
        (None, rounds) => (1, rounds.unwrap_or(ROUNDS)),
    };
    let mut tally = Tally::new();
    for seed in first..first + rounds {
        let steps = generate(seed, STEPS);
        if let Err(failure) = run::run(&server, &steps, &mut tally) {
            let (steps, failure) = shrink::shrink(&server, steps, failure);
            let listed: Vec<String> = steps.iter().map(|step| format!("  {step}")).collect();
            panic!("TUCKBOX_SEED={seed}\n{}\n{failure}", listed.join("\n"));
        }
    }
    if rounds >= ROUNDS {
        // What only ever fails was not compared with much.
        tally.retain(|_, [_, others]| *others == 0);
        tally.retain(|command, _| !NEVER_RIGHT.contains(command));
        assert!(tally.is_empty(), "these commands only ever failed: {tally:?}");
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}
