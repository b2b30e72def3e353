//! What Lambda gets.

use serde_json::json;

use crate::{
    events::{balancer_event, get, rest_event, url_event},
    function::Function,
    runtime::Runtime,
};

#[test]
fn every_cookie_of_a_response_reaches_the_browser() {
    let runtime = Runtime::start();
    let _function = Function::start(&runtime);
    let expected = json!(["a=1; Secure", "b=2"]);
    let response = runtime.invoke(&get("/cookies")).json();
    assert_eq!(response["cookies"], expected);
    assert_eq!(response["headers"]["set-cookie"], json!(null));
    for event in [rest_event("/cookies"), balancer_event("/cookies")] {
        let response = runtime.invoke(&event).json();
        assert_eq!(response["multiValueHeaders"]["set-cookie"], expected);
    }
}

#[test]
fn bytes_that_are_no_text_or_are_encoded_go_as_base64() {
    let runtime = Runtime::start();
    let _function = Function::start(&runtime);
    let response = runtime.invoke(&url_event("POST", "/bytes", |_| ())).json();
    assert_eq!((&response["body"], &response["isBase64Encoded"]), (&json!("AP/+"), &json!(true)));
    let response = runtime.invoke(&get("/packed")).json();
    assert_eq!(
        (&response["body"], &response["isBase64Encoded"]),
        (&json!("cGFja2Vk"), &json!(true))
    );
}

#[test]
fn a_response_beyond_lambdas_limit_becomes_an_error_that_the_log_explains() {
    let runtime = Runtime::start();
    let mut function = Function::start(&runtime);
    let outcome = runtime.invoke(&get("/large"));
    let response = outcome.json();
    assert_eq!(response["statusCode"], 500);
    let body = response["body"].as_str().unwrap();
    assert!(body.starts_with(r#"{"Message":"The response is too large","#), "{body}");
    let line = function.line();
    assert!(line["message"].as_str().unwrap().contains("INVOKE_MODE=response_stream"), "{line}");
    assert_eq!(line["requestId"], outcome.request_id);
    assert_eq!(function.line()["status"], 500);
}

#[test]
fn a_response_is_streamed_when_that_is_asked_for() {
    let runtime = Runtime::start();
    let mut function = Function::start_with(&runtime, &[("INVOKE_MODE", "RESPONSE_STREAM")]);
    let (head, body) = runtime.invoke(&get("/cookies")).streamed();
    assert_eq!(head["statusCode"], 200);
    assert_eq!(head["cookies"], json!(["a=1; Secure", "b=2"]));
    assert_eq!(body, b"cookies");
    assert_eq!(function.line()["bytes"], 7);
    let (head, body) = runtime.invoke(&get("/large")).streamed();
    assert_eq!((head["statusCode"].as_u64(), body.len()), (Some(200), 7 << 20));
    let line = function.line();
    assert_eq!((&line["bytes"], &line["aborted"]), (&json!(7 << 20), &json!(null)));
}
