//! How a function begins and ends.

use std::process::Stdio;

use crate::{
    events::get,
    function::{Function, command},
    runtime::Runtime,
};

#[test]
fn sigterm_runs_what_the_app_wants_closed_and_exits_with_0() {
    let runtime = Runtime::start();
    let mut function = Function::start(&runtime);
    // Without it Lambda would send no signal.
    assert_eq!(runtime.extension(), "tuckbox-sigterm");
    runtime.invoke(&get("/slow"));
    runtime.is_asked_by(1);
    function.signal("TERM");
    assert_eq!(function.line_with("stopping")["signal"], "SIGTERM");
    let (status, rest) = function.exit();
    assert_eq!(status.code(), Some(0), "{rest}");
    assert!(rest.contains(r#""message":"flushed""#), "{rest}");
}

#[test]
fn requests_in_flight_are_finished_first() {
    for concurrency in ["1", "4"] {
        let runtime = Runtime::start();
        let env = [("AWS_LAMBDA_MAX_CONCURRENCY", concurrency)];
        let mut function = Function::start_with(&runtime, &env);
        let id = runtime.push(&get("/slow"));
        function.line_with("slow began");
        function.signal("TERM");
        assert_eq!(runtime.outcome(id).json()["body"], "slow");
        let (status, rest) = function.exit();
        assert_eq!(status.code(), Some(0), "{rest}");
        let [request, flushed] = ["\"request\"", "\"flushed\""].map(|text| rest.find(text));
        assert!(request.is_some() && request < flushed, "{rest}");
    }
}

#[test]
fn a_request_that_does_not_end_does_not_keep_the_app_from_closing() {
    let runtime = Runtime::start();
    let function = Function::start(&runtime);
    runtime.push(&get("/stuck"));
    runtime.is_asked_by(0);
    function.signal("TERM");
    let (status, rest) = function.exit();
    assert_eq!(status.code(), Some(0), "{rest}");
    assert!(rest.contains("requests outlasted the time that is left"), "{rest}");
    assert!(rest.contains(r#""message":"flushed""#), "{rest}");
}

#[test]
fn an_app_that_cannot_open_tells_lambda_why() {
    let runtime = Runtime::start();
    let function = Function::start_with(&runtime, &[("FAIL_TO_OPEN", "1")]);
    let report = runtime.init_error();
    assert_eq!(report["errorMessage"], "no luck \"today\"");
    assert_eq!(report["errorType"], "Runtime.OpenFailed");
    assert_eq!(function.exit().0.code(), Some(1));
}

#[test]
fn what_is_done_beforehand_is_done_before_an_event_is_asked_for() {
    let runtime = Runtime::start();
    let mut function = Function::start_with(&runtime, &[("WARM_UP", "on")]);
    runtime.is_asked_by(1);
    assert_eq!(function.line()["message"], "warmed up");
    assert_eq!(runtime.invoke(&get("/slow")).json()["body"], "slow");
}

#[test]
fn a_start_does_not_fail_nor_wait_for_long_because_a_store_is_away() {
    for (store, says) in [("away", "not warmed up: "), ("silent", "not warmed up in time: ")] {
        let runtime = Runtime::start();
        let mut function = Function::start_with(&runtime, &[("WARM_UP", "on"), ("STORE", store)]);
        assert_eq!(runtime.invoke(&get("/slow")).json()["body"], "slow");
        let line = function.line();
        assert_eq!(line["level"], "WARN");
        assert!(line["message"].as_str().unwrap().starts_with(says), "{line}");
    }
}

#[test]
fn unless_told_to_it_does_nothing_beforehand() {
    let runtime = Runtime::start();
    let mut function = Function::start(&runtime);
    runtime.invoke(&get("/slow"));
    assert_eq!(function.line()["message"], "slow began");
}

#[test]
fn outside_of_lambda_it_says_what_it_is() {
    let output = command().stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    let expected =
        "error: AWS_LAMBDA_RUNTIME_API is not set: this program is an AWS Lambda function";
    assert!(text.starts_with(expected), "{text}");
}
