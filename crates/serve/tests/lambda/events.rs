//! Events of each kind, and what the handler sees of them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{function::Function, runtime::Runtime};

/// A function URL's, or an HTTP API's with a stage.
pub(crate) fn url_event(method: &str, path: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "q=1&r=%20",
        "cookies": ["a=1", "b=2"],
        "headers": {"host": "abc.lambda-url.eu-west-1.on.aws", "x-forwarded-for": "203.0.113.9",
            "x-forwarded-port": "443", "x-forwarded-proto": "https"},
        "requestContext": {"accountId": "anonymous", "apiId": "abc", "stage": "$default",
            "domainName": "abc.lambda-url.eu-west-1.on.aws", "requestId": "r", "timeEpoch": 1,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9", "userAgent": "test"}},
        "isBase64Encoded": false
    });
    change(&mut event);
    event.to_string()
}

pub(crate) fn get(path: &str) -> String {
    url_event("GET", path, |_| ())
}

/// A REST API's.
pub(crate) fn rest_event(path: &str) -> String {
    json!({
        "resource": "/{proxy+}", "path": path, "httpMethod": "GET",
        "headers": {"Host": "api.example.com", "Cookie": "a=1; b=2", "X-Forwarded-Proto": "https"},
        "multiValueHeaders": {"Host": ["api.example.com"], "Cookie": ["a=1; b=2"]},
        "queryStringParameters": {"q": "1"}, "multiValueQueryStringParameters": {"q": ["1"]},
        "pathParameters": {"proxy": path}, "stageVariables": null,
        "requestContext": {"accountId": "1", "apiId": "a", "stage": "prod", "path": "/prod",
            "httpMethod": "GET", "protocol": "HTTP/1.1", "resourceId": "r", "resourcePath": "/",
            "requestId": "q", "identity": {"sourceIp": "198.51.100.7"}},
        "body": null, "isBase64Encoded": false
    })
    .to_string()
}

/// A load balancer's, with multi-value headers.
pub(crate) fn balancer_event(path: &str) -> String {
    json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
        "httpMethod": "GET", "path": path, "multiValueQueryStringParameters": {"q": ["1"]},
        "multiValueHeaders": {"host": ["lb.example.com"], "cookie": ["a=1; b=2"],
            "x-forwarded-for": ["6.6.6.6, 192.0.2.7"], "x-forwarded-proto": ["http"]},
        "body": "", "isBase64Encoded": false
    })
    .to_string()
}

#[test]
fn a_function_url_s_event_is_a_request() {
    let runtime = Runtime::start();
    let _function = Function::start(&runtime);
    let response = runtime.invoke(&get("/echo")).json();
    assert_eq!(response["statusCode"], 200);
    assert_eq!(response["body"], "/echo?q=1&r=%20 a=1; b=2 203.0.113.9 Https");
    assert_eq!(response["headers"]["content-type"], "text/plain; charset=utf-8");
}

#[test]
fn an_http_api_s_event_comes_without_its_stage() {
    let runtime = Runtime::start();
    let _function = Function::start(&runtime);
    let event = url_event("GET", "/live/echo", |event| {
        event["requestContext"]["stage"] = json!("live");
    });
    let response = runtime.invoke(&event).json();
    assert_eq!(response["body"], "/echo?q=1&r=%20 a=1; b=2 203.0.113.9 Https");
}

#[test]
fn a_rest_api_s_event_is_a_request() {
    let runtime = Runtime::start();
    let _function = Function::start(&runtime);
    let response = runtime.invoke(&rest_event("/echo")).json();
    assert_eq!(response["body"], "/echo?q=1 a=1; b=2 198.51.100.7 Https");
    assert_eq!(response["multiValueHeaders"]["x-request-id"].as_array().unwrap().len(), 1);
}

#[test]
fn a_load_balancer_s_event_is_a_request_from_the_last_address_of_its_list() {
    let runtime = Runtime::start();
    let _function = Function::start(&runtime);
    let response = runtime.invoke(&balancer_event("/echo")).json();
    assert_eq!(response["body"], "/echo?q=1 a=1; b=2 192.0.2.7 Http");
    assert_eq!(response["statusDescription"], "200 OK");
}

#[test]
fn behind_a_cdn_the_client_is_the_trusted_entry_of_the_list() {
    let runtime = Runtime::start();
    let _function = Function::start_with(&runtime, &[("TRUSTED_PROXY_HOPS", "2")]);
    let event = url_event("GET", "/echo", |event| {
        event["headers"]["x-forwarded-for"] = json!("6.6.6.6, 192.0.2.7, 203.0.113.9");
    });
    let body = runtime.invoke(&event).json()["body"].as_str().unwrap().to_owned();
    assert!(body.ends_with(" 192.0.2.7 Https"), "{body}");
}

#[test]
fn a_body_arrives_as_bytes_whether_text_or_base64() {
    let runtime = Runtime::start();
    let _function = Function::start(&runtime);
    let text = url_event("POST", "/bytes", |event| event["body"] = json!("grüße"));
    assert_eq!(runtime.invoke(&text).json()["body"], "grüße");
    let binary = url_event("POST", "/bytes", |event| {
        event["body"] = json!("AP8Q");
        event["isBase64Encoded"] = json!(true);
    });
    let response = runtime.invoke(&binary).json();
    assert_eq!((&response["body"], &response["isBase64Encoded"]), (&json!("AP8Q"), &json!(true)));
}

#[test]
fn the_limits_of_a_local_server_hold() {
    let runtime = Runtime::start();
    let _function =
        Function::start_with(&runtime, &[("BODY_LIMIT", "4"), ("REQUEST_TIMEOUT", "50ms")]);
    let large = url_event("POST", "/bytes", |event| event["body"] = json!("12345"));
    let response = runtime.invoke(&large).json();
    assert_eq!(response["statusCode"], 413);
    assert_eq!(response["headers"]["connection"], Value::Null);
    let body = response["body"].as_str().unwrap();
    assert!(body.starts_with(r#"{"Message":"The request body is too large","RequestId":"#));
    for (path, status) in [("/nowhere", 404), ("/stuck", 504), ("/panic", 500), ("/healthz", 200)] {
        assert_eq!(runtime.invoke(&get(path)).json()["statusCode"], status, "{path}");
    }
}

#[test]
fn a_handler_is_given_up_before_lambda_gives_up_the_function() {
    let runtime = Runtime::start();
    let _function = Function::start(&runtime);
    let id = runtime.push_with_deadline(&get("/stuck"), Duration::from_millis(200));
    assert_eq!(runtime.outcome(id).json()["statusCode"], 504);
    assert_eq!(runtime.invoke(&get("/slow")).json()["body"], "slow");
}

#[test]
fn an_event_that_is_no_request_is_an_error_and_the_next_one_is_answered() {
    let runtime = Runtime::start();
    let _function = Function::start(&runtime);
    runtime.push(r#"{"detail-type":"Scheduled Event"}"#);
    assert_eq!(runtime.invoke(&get("/slow")).json()["body"], "slow");
}
