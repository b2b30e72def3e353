//! Makes a failing run short.

use std::time::{Duration, Instant};
use tuckbox_test_redis::RedisServer;

use crate::{
    run::{Failure, Tally, run},
    step::Step,
};

/// So long it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Leaves out steps, many at first, as long as the rest fails too, in whatever
/// way.
pub(crate) fn shrink(
    server: &RedisServer,
    mut steps: Vec<Step>,
    mut failure: Failure,
) -> (Vec<Step>, Failure) {
    let began = Instant::now();
    steps.truncate(failure.step + 1);
    let mut size = steps.len().div_ceil(2);
    while size > 0 && began.elapsed() < PATIENCE {
        let mut from = 0;
        while from < steps.len() && began.elapsed() < PATIENCE {
            let to = (from + size).min(steps.len());
            let fewer: Vec<Step> = [&steps[..from], &steps[to..]].concat();
            match run(server, &fewer, &mut Tally::new()) {
                Ok(()) => from = to,
                Err(shorter) => {
                    steps = fewer;
                    steps.truncate(shorter.step + 1);
                    failure = shorter;
                }
            }
        }
        size /= 2;
    }
    (steps, failure)
}
