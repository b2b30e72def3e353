//! The session layer against a model of it: programs of parallel requests, each
//! a few steps on one session, carried out step by step in one order by the real
//! layer and by a sequential specification (`request.rs`, `world.rs`) that knows
//! neither hashes nor scripts. What every step answers, which cookie every
//! response carries, and what is in the store at the end must be the same.
//!
//! A step is atomic here. So it is in the store, where each is one script; the
//! tests of the kit run them truly in parallel.
//!
//! `PROPTEST_CASES=100000 cargo test -p tuckbox-sessions --test model` looks
//! longer than usual.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod driver;
mod operation;
mod program;
mod request;
mod world;

use proptest::{
    prelude::ProptestConfig,
    test_runner::{Config, TestError, TestRunner},
};

use crate::{driver::Driver, program::Program};

/// How many programs are tried, unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 5000;

#[test]
fn interleaved_requests_do_what_the_specification_says() {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config: Config = ProptestConfig {
        cases: asked.unwrap_or(CASES),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let driver = Driver::new();
    let outcome = TestRunner::new(config).run(&program::programs(), |program| driver.run(&program));
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, program)) => panic!("{why}\n\nin this program:\n{program:?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// Programs that were found to be hard, by hand or by the test above.
#[test]
fn known_hard_programs_do_what_the_specification_says() {
    let driver = Driver::new();
    let wrong = Program::known().into_iter().filter_map(|program| {
        let why = driver.run(&program).err()?;
        Some(format!("{why}\n\nin this program:\n{program:?}\n"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
