//! What a function leaves in its log, line by line.

use serde_json::{Value, json};

use crate::{
    events::{get, url_event},
    function::Function,
    runtime::{Runtime, TRACE},
};

/// The line without what differs from run to run.
fn settled(mut line: Value) -> Value {
    let fields = line.as_object_mut().unwrap();
    let time = fields.remove("timestamp").unwrap();
    assert_eq!(time.as_str().unwrap().len(), "2026-11-22T11:20:30.123Z".len());
    if let Some(duration) = fields.remove("duration_ms") {
        assert!(duration.as_f64().unwrap() >= 0.0);
    }
    line
}

#[test]
fn every_line_of_a_request_has_its_ids_and_tells_the_first_request() {
    let runtime = Runtime::start();
    let mut function = Function::start(&runtime);
    for cold_start in [true, false] {
        let id = runtime.invoke(&get("/echo")).request_id;
        let expected = json!({
            "level": "INFO", "target": "function", "message": "echoing", "answer": 42,
            "requestId": id, "xray_trace_id": TRACE, "cold_start": cold_start,
        });
        assert_eq!(settled(function.line()), expected);
        let expected = json!({
            "level": "INFO", "target": "access", "message": "request", "method": "GET",
            "path": "/echo", "status": 200, "bytes": 42, "requestId": id,
            "xray_trace_id": TRACE, "cold_start": cold_start,
        });
        assert_eq!(settled(function.line()), expected);
    }
}

#[test]
fn the_request_is_called_as_lambda_calls_it_unless_the_client_has_a_name_for_it() {
    let runtime = Runtime::start();
    let mut function = Function::start(&runtime);
    let outcome = runtime.invoke(&get("/slow"));
    assert_eq!(outcome.json()["headers"]["x-request-id"], outcome.request_id);
    let named = url_event("GET", "/slow", |event| {
        event["headers"]["x-request-id"] = json!("order-66");
    });
    let outcome = runtime.invoke(&named);
    assert_eq!(outcome.json()["headers"]["x-request-id"], "order-66");
    while function.line()["requestId"] != outcome.request_id {}
    let line = function.line();
    assert_eq!((&line["request_id"], &line["target"]), (&json!("order-66"), &json!("access")));
}

#[test]
fn the_function_s_log_level_holds() {
    let runtime = Runtime::start();
    let mut function = Function::start_with(&runtime, &[("AWS_LAMBDA_LOG_LEVEL", "ERROR")]);
    runtime.invoke(&get("/echo"));
    let outcome = runtime.invoke(&get("/panic"));
    let line = function.line();
    assert_eq!((&line["level"], &line["panic"]), (&json!("ERROR"), &json!("deep trouble")));
    assert_eq!(line["requestId"], outcome.request_id);
    assert_eq!(function.line()["status"], 500);
}

#[test]
fn as_text_a_line_still_has_the_ids() {
    let runtime = Runtime::start();
    let mut function = Function::start_with(&runtime, &[("AWS_LAMBDA_LOG_FORMAT", "Text")]);
    let id = runtime.invoke(&get("/slow")).request_id;
    let began = function.text_line();
    assert!(began.contains(" INFO function: slow began"), "{began}");
    let ended = function.text_line();
    assert!(ended.contains(" INFO GET /slow 200 "), "{ended}");
    for line in [began, ended] {
        let ids = format!(" requestId={id} xray_trace_id={TRACE} cold_start=true\n");
        assert!(line.ends_with(&ids), "{line}");
    }
}

#[test]
fn a_line_is_written_before_lambda_has_the_response() {
    let runtime = Runtime::start();
    let mut function = Function::start(&runtime);
    runtime.invoke(&get("/slow"));
    // From here on the process may be frozen: what it has not written does not come.
    function.signal("STOP");
    assert_eq!(function.line()["message"], "slow began");
    assert_eq!(function.line()["message"], "request");
    function.signal("CONT");
}
