//! Many requests at a time in one process.

use std::time::{Duration, Instant};

use crate::{events::get, function::Function, runtime::Runtime};

#[test]
fn as_many_requests_run_at_a_time_as_lambda_says() {
    let runtime = Runtime::start();
    let mut function = Function::start_with(&runtime, &[("AWS_LAMBDA_MAX_CONCURRENCY", "8")]);
    runtime.is_asked_by(8);
    let ids: Vec<String> = (0..8).map(|_| runtime.push(&get("/slow"))).collect();
    let mut cold = 0;
    for id in ids {
        assert_eq!(runtime.outcome(id).json()["body"], "slow");
    }
    // All have begun before the first has ended.
    for _ in 0..8 {
        let line = function.line();
        assert_eq!(line["message"], "slow began");
        cold += usize::from(line["cold_start"] == true);
    }
    assert_eq!(cold, 1);
}

#[test]
fn else_one_runs_after_the_other() {
    let runtime = Runtime::start();
    let mut function = Function::start(&runtime);
    runtime.is_asked_by(1);
    let began = Instant::now();
    let ids = [runtime.push(&get("/slow")), runtime.push(&get("/slow"))];
    for id in ids {
        assert_eq!(runtime.outcome(id.clone()).json()["body"], "slow");
        assert_eq!(function.line()["requestId"], id);
        assert_eq!(function.line()["target"], "access");
    }
    assert!(began.elapsed() >= Duration::from_millis(120));
}
