//! What a connection may and may not do.

use std::{
    convert::Infallible,
    num::NonZeroUsize,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, response::Response, routing::get};
use tokio::{sync::oneshot, time::Instant};
use tuckbox_serve::Config;

use crate::harness::{SOON, start};

const SHORT: Duration = Duration::from_millis(150);
const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

#[tokio::test]
async fn a_connection_serves_many_requests_also_pipelined() {
    let server = start(hello(), Config::default()).await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(GET).await;
        assert_eq!(client.answer().await.body, "hello");
    }
    client.send(&GET.repeat(5)).await;
    for _ in 0..5 {
        assert_eq!(client.answer().await.body, "hello");
    }
}

#[tokio::test]
async fn a_client_that_drips_its_head_is_disconnected_in_time() {
    let config = Config { header_read_timeout: SHORT, ..Config::default() };
    let server = start(hello(), config).await;
    let mut client = server.connect().await;
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\n").await;
    // Each byte comes well within the limit; together they exceed it.
    while client.try_send(b"x").await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(10), "never disconnected");
        tokio::time::sleep(SHORT / 10).await;
    }
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_slow_head_on_a_used_connection_is_disconnected_too() {
    let config = Config { header_read_timeout: SHORT, ..Config::default() };
    let server = start(hello(), config).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    client.answer().await;
    client.send("GET / HT").await;
    assert_eq!(client.until_closed().await, b"");
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_keep_alive_time() {
    let config = Config { keep_alive_timeout: SHORT, ..Config::default() };
    let server = start(hello(), config).await;
    let mut never_used = server.connect().await;
    assert_eq!(never_used.until_closed().await, b"");
    let mut used = server.connect().await;
    let began = Instant::now();
    used.send(GET).await;
    used.answer().await;
    assert_eq!(used.until_closed().await, b"");
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_slow_handler_does_not_count_as_an_idle_connection() {
    let router = Router::new().route(
        "/",
        get(|| async {
            tokio::time::sleep(SHORT * 2).await;
            "late"
        }),
    );
    let config =
        Config { keep_alive_timeout: SHORT, header_read_timeout: SHORT, ..Config::default() };
    let server = start(router, config).await;
    assert_eq!(server.get("/").await.body, "late");
}

/// A body without end, which tells when it is dropped.
struct Endless(Option<oneshot::Sender<()>>);

impl http_body::Body for Endless {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(http_body::Frame::data(vec![b'x'; 64 << 10].into()))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_disconnected() {
    let (told, dropped) = oneshot::channel();
    let body = Arc::new(Mutex::new(Some(Endless(Some(told)))));
    let router = Router::new().route(
        "/",
        get(move || async move { Response::new(Body::new(body.lock().unwrap().take().unwrap())) }),
    );
    let config = Config { write_timeout: SHORT, ..Config::default() };
    let server = start(router, config).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    // Reads nothing until the server has given up.
    tokio::time::timeout(SOON, dropped).await.unwrap().unwrap();
    client.until_closed().await;
    assert_eq!(server.lines_with("target", "access").await[0]["aborted"], true);
}

#[tokio::test]
async fn a_slow_download_does_not_count_as_an_idle_connection() {
    let size = 16 << 20;
    let router = Router::new().route("/", get(move || async move { "x".repeat(size) }));
    let config = Config { keep_alive_timeout: SHORT, ..Config::default() };
    let server = start(router, config).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    let began = Instant::now();
    client.answer_status().await;
    // The rest lies in the server and in the sockets for longer than the keep-alive time.
    tokio::time::sleep_until(began + SHORT * 3).await;
    assert_eq!(client.answer().await.body.len(), size);
}

#[tokio::test]
async fn beyond_the_bound_connections_wait_for_a_place() {
    let config = Config { max_connections: NonZeroUsize::MIN, ..Config::default() };
    let server = start(hello(), config).await;
    let mut first = server.connect().await;
    first.send(GET).await;
    first.answer().await;
    let mut second = server.connect().await;
    second.send(GET).await;
    let waited = tokio::time::timeout(SHORT, second.answer_status()).await;
    assert!(waited.is_err(), "the second was served beyond the bound");
    drop(first);
    assert_eq!(second.answer().await.body, "hello");
}
