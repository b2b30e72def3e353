//! What one request gets.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Extension,
    response::Response,
    routing::{get, post},
};
use tuckbox_serve::{Config, Peer, RequestId};

use crate::harness::{SOON, start};

fn small() -> Config {
    Config { body_limit: 1000, ..Config::default() }
}

fn echo() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/", post(|body: String| async { body }))
}

#[tokio::test]
async fn a_request_gets_the_routers_answer_and_an_id() {
    let server = start(echo(), Config::default()).await;
    let answer = server.get("/").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
    assert_eq!(answer.id().len(), 32);
    assert_ne!(answer.id(), server.get("/").await.id());
}

#[tokio::test]
async fn a_sane_id_of_the_client_is_kept_and_another_is_replaced() {
    let server = start(echo(), Config::default()).await;
    let with = async |id: &str| {
        let text = format!("GET / HTTP/1.1\r\nhost: x\r\nx-request-id: {id}\r\n\r\n");
        server.request(&text).await.id().to_owned()
    };
    assert_eq!(with("order-66_a.b").await, "order-66_a.b");
    assert_eq!(with("no spaces").await.len(), 32);
    assert_eq!(with(&"x".repeat(129)).await.len(), 32);
}

#[tokio::test]
async fn a_handler_sees_the_id_and_the_clients_address() {
    let router = Router::new().route(
        "/",
        get(|id: RequestId, Extension(Peer(peer)): Extension<Peer>| async move {
            format!("{id} {}", peer.ip())
        }),
    );
    let server = start(router, Config::default()).await;
    let answer = server.get("/").await;
    assert_eq!(answer.body, format!("{} 127.0.0.1", answer.id()));
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_json() {
    let server = start(echo(), Config::default()).await;
    server.get("/nowhere").await.assert_problem(404, "Not found");
    let answer = server.request("DELETE / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    answer.assert_problem(405, "Method not allowed");
    assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"));
}

#[tokio::test]
async fn a_handlers_own_not_found_stays_as_it_is() {
    let router =
        Router::new().route("/", get(|| async { (http::StatusCode::NOT_FOUND, "no such lesson") }));
    let server = start(router, Config::default()).await;
    let answer = server.get("/").await;
    assert_eq!((answer.status, answer.body.as_str()), (404, "no such lesson"));
}

#[tokio::test]
async fn a_panic_is_answered_and_the_connection_and_the_server_go_on() {
    let router = echo().route("/panic", get(async || -> &'static str { panic!("deep trouble") }));
    let server = start(router, Config::default()).await;
    let mut client = server.connect().await;
    client.send("GET /panic HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = client.answer().await;
    answer.assert_problem(500, "Internal server error");
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "hello");

    let lines = server.lines();
    let told: Vec<_> = lines.iter().filter(|line| line["panic"] == "deep trouble").collect();
    assert_eq!(told.len(), 1, "{lines:?}");
    assert_eq!(told[0]["level"], "ERROR");
    assert_eq!(told[0]["request_id"], answer.id());
    assert!(told[0]["location"].as_str().unwrap().contains("requests.rs:"));
}

#[tokio::test]
async fn a_panic_in_a_streamed_body_cuts_that_response_alone() {
    struct Bad;
    impl http_body::Body for Bad {
        type Data = bytes::Bytes;
        type Error = Infallible;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> {
            panic!("body trouble")
        }
    }
    let router = echo().route("/bad", get(async || Response::new(Body::new(Bad))));
    let server = start(router, Config::default()).await;
    let mut client = server.connect().await;
    client.send("GET /bad HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let text = String::from_utf8(client.until_closed().await).unwrap();
    assert!(!text.ends_with("0\r\n\r\n"), "the body must not look whole: {text}");
    assert_eq!(server.lines_with("panic", "body trouble").await.len(), 1);
    assert_eq!(server.get("/").await.body, "hello");
}

#[tokio::test]
async fn a_handler_that_is_too_slow_is_given_up() {
    let router = Router::new().route("/", get(std::future::pending::<()>));
    let config = Config { request_timeout: Duration::from_millis(50), ..Config::default() };
    let server = start(router, config).await;
    server.get("/").await.assert_problem(504, "The request took too long");
}

#[tokio::test]
async fn a_body_that_is_too_slow_is_the_clients_fault() {
    let config = Config { request_timeout: Duration::from_millis(50), ..Config::default() };
    let server = start(echo(), config).await;
    let text = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf";
    let answer = server.request(text).await;
    answer.assert_problem(408, "The request body took too long to arrive");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_body_at_the_limit_is_taken() {
    let server = start(echo(), small()).await;
    let body = "x".repeat(1000);
    let text = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{body}");
    assert_eq!(server.request(&text).await.body, body);
    let text = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3e8\r\n{body}\r\n0\r\n\r\n"
    );
    assert_eq!(server.request(&text).await.body, body);
}

#[tokio::test]
async fn a_limit_above_the_frameworks_own_holds() {
    let server = start(echo(), Config { body_limit: 4 << 20, ..Config::default() }).await;
    let length = 3 << 20;
    let body = "x".repeat(length);
    let text = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}");
    assert_eq!(server.request(&text).await.body.len(), length);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_unread() {
    let server = start(echo(), small()).await;
    let text = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1001\r\n\r\n";
    let answer = server.request(text).await;
    answer.assert_problem(413, "The request body is too large");
    assert_eq!(answer.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_refused() {
    let server = start(echo(), small()).await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.send(&format!("3e9\r\n{}\r\n", "x".repeat(1001))).await;
    client.answer().await.assert_problem(413, "The request body is too large");
}

#[tokio::test]
async fn a_client_that_is_still_sending_gets_the_refusal() {
    let server = start(echo(), small()).await;
    let mut client = server.connect().await;
    client.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n").await;
    // More than the sockets hold, so that much of it arrives after the refusal.
    let _ = client.try_send(&vec![b'x'; 900_000]).await;
    client.answer().await.assert_problem(413, "The request body is too large");
}

#[tokio::test]
async fn a_handler_that_ignores_a_large_body_keeps_its_answer() {
    let router = Router::new().route("/", post(|| async { "ignored" }));
    let server = start(router, small()).await;
    let body = "x".repeat(900);
    let text = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\n{body}");
    assert_eq!(server.request(&text).await.body, "ignored");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = start(echo(), Config { header_limit: 8 << 10, ..Config::default() }).await;
    let mut client = server.connect().await;
    let text = format!("GET / HTTP/1.1\r\nhost: x\r\nlarge: {}\r\n\r\n", "x".repeat(9 << 10));
    let _ = client.try_send(text.as_bytes()).await;
    assert_eq!(client.answer_status().await, 431);
    let headers = "a: b\r\n".repeat(101);
    let mut client = server.connect().await;
    client.send(&format!("GET / HTTP/1.1\r\n{headers}\r\n")).await;
    assert_eq!(client.answer_status().await, 431);
}

#[tokio::test]
async fn a_handler_is_dropped_when_its_client_leaves() {
    struct Told(Option<tokio::sync::oneshot::Sender<()>>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (began, has_begun) = tokio::sync::oneshot::channel();
    let (told, dropped) = tokio::sync::oneshot::channel();
    let once = std::sync::Arc::new(std::sync::Mutex::new(Some((began, Told(Some(told))))));
    let router = Router::new().route(
        "/",
        get(move || async move {
            let (began, _told) = once.lock().unwrap().take().unwrap();
            let _ = began.send(());
            std::future::pending::<()>().await;
        }),
    );
    let server = start(router, Config::default()).await;
    let mut client = server.connect().await;
    client.send("GET /?q=1 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::timeout(SOON, has_begun).await.unwrap().unwrap();
    drop(client);
    tokio::time::timeout(SOON, dropped).await.unwrap().unwrap();
    let line = &server.lines_with("target", "access").await[0];
    assert_eq!((&line["status"], &line["aborted"]), (&499.into(), &true.into()));
}
