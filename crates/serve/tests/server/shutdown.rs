//! How a server ends.

use std::{sync::Arc, time::Duration};

use axum::{Router, routing::get};
use tokio::{sync::Notify, time::timeout};
use tuckbox_serve::Config;

use crate::harness::{Running, SOON, start};

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server whose only route waits until the test lets it go.
struct Held {
    server: Running,
    began: Arc<Notify>,
    go: Arc<Notify>,
}

async fn held(config: Config) -> Held {
    let (began, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes) = (Arc::clone(&began), Arc::clone(&go));
    let router = Router::new().route(
        "/",
        get(move || async move {
            begins.notify_one();
            goes.notified().await;
            "finished"
        }),
    );
    Held { server: start(router, config).await, began, go }
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_new_connections_are_refused() {
    let Held { mut server, began, go } = held(Config::default()).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    timeout(SOON, began.notified()).await.unwrap();
    server.begin_stop();
    server.refuses_connections().await;
    go.notify_one();
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "finished"));
    assert_eq!(client.until_closed().await, b"");
    assert_eq!(server.stopped().await.connections_cut, 0);
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_the_end() {
    let config = Config { shutdown_grace: Duration::from_secs(3600), ..Config::default() };
    let mut server = start(Router::new(), config).await;
    let mut never_used = server.connect().await;
    let mut used = server.connect().await;
    used.send(GET).await;
    used.answer().await;
    server.begin_stop();
    assert_eq!(used.until_closed().await, b"");
    assert_eq!(never_used.until_closed().await, b"");
    assert_eq!(server.stopped().await.connections_cut, 0);
}

#[tokio::test]
async fn a_request_that_outlasts_the_grace_is_cut_and_that_is_logged() {
    let config = Config { shutdown_grace: Duration::from_millis(50), ..Config::default() };
    let Held { mut server, began, .. } = held(config).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    timeout(SOON, began.notified()).await.unwrap();
    server.begin_stop();
    assert_eq!(client.until_closed().await, b"");
    let message = "requests outlasted the grace and were cut";
    assert_eq!(server.lines_with("message", message).await[0]["connections"], 1);
    assert_eq!(server.stopped().await.connections_cut, 1);
}

#[tokio::test]
async fn readiness_fails_while_requests_are_still_taken_for_the_delay() {
    let config = Config { shutdown_delay: Duration::from_secs(3600), ..Config::default() };
    let mut server = start(Router::new(), config).await;
    assert_eq!(server.get("/readyz").await.status, 200);
    server.begin_stop();
    // The server has to be given its turn before it can know.
    let unready = async {
        loop {
            let answer = server.get("/readyz").await;
            if answer.status != 200 {
                break answer;
            }
        }
    };
    timeout(SOON, unready).await.unwrap().assert_problem(503, "Not ready");
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn after_the_delay_the_server_ends() {
    let config = Config { shutdown_delay: Duration::from_millis(20), ..Config::default() };
    let mut server = start(Router::new(), config).await;
    server.begin_stop();
    server.refuses_connections().await;
    assert_eq!(server.stopped().await.connections_cut, 0);
}

#[tokio::test]
async fn a_request_behind_the_one_in_flight_is_not_begun() {
    let Held { mut server, began, go } = held(Config::default()).await;
    let mut client = server.connect().await;
    // The second comes with the first, but would be begun after it.
    client.send(&format!("{GET}GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n")).await;
    timeout(SOON, began.notified()).await.unwrap();
    server.begin_stop();
    server.refuses_connections().await;
    go.notify_one();
    assert_eq!(client.answer().await.body, "finished");
    assert_eq!(client.until_closed().await, b"");
}

#[tokio::test]
async fn a_large_answer_is_sent_whole_though_the_end_began() {
    let size = 8 << 20;
    let began = Arc::new(Notify::new());
    let begins = Arc::clone(&began);
    let router = Router::new().route(
        "/",
        get(move || async move {
            begins.notify_one();
            "x".repeat(size)
        }),
    );
    let mut server = start(router, Config::default()).await;
    let mut client = server.connect().await;
    client.send(GET).await;
    timeout(SOON, began.notified()).await.unwrap();
    server.begin_stop();
    server.refuses_connections().await;
    assert_eq!(client.answer().await.body.len(), size);
    assert_eq!(server.stopped().await.connections_cut, 0);
}
