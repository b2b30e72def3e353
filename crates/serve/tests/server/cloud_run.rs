//! The server as Cloud Run's container: what the platform says, and what it expects.

use std::io::Read;

use serde_json::{Value, json};

use crate::process::{Process, all};

const TRACE: &str = "x-cloud-trace-context: 105445aa7843bc8bf206b12000100000/74;o=1\r\n\
                     x-request-id: abc\r\n";

fn start(env: &[(&str, &str)]) -> Process {
    let platform = [("K_SERVICE", "hello"), ("GOOGLE_CLOUD_PROJECT", "shop")];
    Process::start_with(&[&platform, env].concat())
}

/// The line without what differs from run to run.
fn settled(mut line: Value) -> Value {
    let time = line.as_object_mut().unwrap().remove("time").unwrap();
    assert_eq!(time.as_str().unwrap().len(), "2026-11-22T11:20:30.123Z".len());
    if let Some(request) = line.get_mut("httpRequest") {
        let latency = request.as_object_mut().unwrap().remove("latency").unwrap();
        assert!(latency.as_str().unwrap().ends_with('s'));
    }
    line
}

#[test]
fn lines_have_cloud_loggings_names_and_the_request_s_trace() {
    let mut process = start(&[]);
    assert_eq!(all(process.get_with("/who", TRACE)).lines().last(), Some("127.0.0.1 Http"));
    let line = settled(process.line_with("asked who"));
    let expected = json!({
        "severity": "WARNING", "target": "hello", "message": "asked who", "request_id": "abc",
        "logging.googleapis.com/trace": "projects/shop/traces/105445aa7843bc8bf206b12000100000",
        "logging.googleapis.com/spanId": "000000000000004a",
        "logging.googleapis.com/trace_sampled": true,
    });
    assert_eq!(line, expected);
    let line = settled(process.line_with("GET /who 200"));
    let expected = json!({
        "severity": "INFO", "target": "access", "message": "GET /who 200", "request_id": "abc",
        "httpRequest": {"requestMethod": "GET", "requestUrl": "/who", "status": 200,
            "responseSize": "15"},
        "logging.googleapis.com/trace": "projects/shop/traces/105445aa7843bc8bf206b12000100000",
        "logging.googleapis.com/spanId": "000000000000004a",
        "logging.googleapis.com/trace_sampled": true,
    });
    assert_eq!(line, expected);
}

#[test]
fn without_a_project_the_trace_is_a_field_of_its_own() {
    let mut process = start(&[("GOOGLE_CLOUD_PROJECT", "")]);
    all(process.get_with("/who", TRACE));
    let line = process.line_with("asked who");
    assert_eq!(line["trace_id"], "105445aa7843bc8bf206b12000100000");
    assert_eq!(line.get("logging.googleapis.com/trace"), None);
}

#[test]
fn it_listens_for_the_platform_and_another_log_format_can_be_chosen() {
    let mut process = start(&[("LOG_FORMAT", "json")]);
    all(process.get_with("/", ""));
    assert_eq!(process.line_with("request")["level"], "INFO");
    let mut process = start(&[]);
    process.signal("TERM");
    let line = process.line_with("stopping");
    assert_eq!(line["severity"], "INFO");
    assert_eq!(process.exit().code(), Some(0));
}

#[test]
fn the_client_s_address_and_scheme_are_the_proxy_s_word_only_when_it_is_trusted() {
    let head = "x-forwarded-for: 6.6.6.6, 203.0.113.9\r\nx-forwarded-proto: https\r\n";
    for (hops, expected) in [("0", "127.0.0.1 Http"), ("1", "203.0.113.9 Https")] {
        let process = start(&[("TRUSTED_PROXY_HOPS", hops)]);
        assert_eq!(all(process.get_with("/who", head)).lines().last(), Some(expected));
    }
}

#[test]
fn sigterm_finishes_the_request_closes_what_is_held_and_exits_with_0() {
    let mut process = start(&[]);
    let slow = process.get_with("/slow", "");
    process.line_with("slow began");
    process.signal("TERM");
    assert!(all(slow).ends_with("slow\n"));
    assert_eq!(process.exit().code(), Some(0));
    let mut rest = String::new();
    process.output.read_to_string(&mut rest).unwrap();
    let order = ["GET /slow 200", "\"stopped\"", "\"closed\""].map(|text| rest.find(text));
    assert!(order[0].is_some() && order.is_sorted(), "{rest}");
}
