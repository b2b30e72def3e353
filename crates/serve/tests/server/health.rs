//! The probes.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use tuckbox_serve::{App, Config, Server};

use crate::harness::{Running, start, start_server};

/// A server whose readiness the test decides.
async fn with_check() -> (Running, Arc<Mutex<Result<(), &'static str>>>) {
    let state = Arc::new(Mutex::new(Ok(())));
    let asked = Arc::clone(&state);
    let server = Server::new(Router::new(), Config::default()).readiness(move || {
        let answer = *asked.lock().unwrap();
        async move { answer.map_err(io::Error::other) }
    });
    (start_server(server, Config::default()).await, state)
}

#[tokio::test]
async fn a_living_server_is_healthy_and_without_a_check_ready() {
    let server = start(Router::new(), Config::default()).await;
    for path in ["/healthz", "/readyz"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "{\"status\":\"ok\"}"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let answer = server.request(&format!("POST {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        answer.assert_problem(405, "Method not allowed");
    }
}

#[tokio::test]
async fn a_failed_check_makes_it_unready_but_not_unhealthy() {
    let (server, state) = with_check().await;
    assert_eq!(server.get("/readyz").await.status, 200);
    *state.lock().unwrap() = Err("store unreachable at 10.0.0.9");
    server.get("/readyz").await.assert_problem(503, "Not ready");
    assert_eq!(server.get("/healthz").await.status, 200);
    *state.lock().unwrap() = Ok(());
    assert_eq!(server.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn what_is_wrong_with_the_process_makes_it_unhealthy_and_is_logged_once() {
    let state = Arc::new(Mutex::new(None));
    let asked = Arc::clone(&state);
    let app = App::new(Router::new()).health(move || *asked.lock().unwrap());
    let server = start_server(Server::new(app, Config::default()), Config::default()).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    *state.lock().unwrap() = Some("the disk is full");
    for _ in 0..3 {
        server.get("/healthz").await.assert_problem(503, "the disk is full");
    }
    // Whether it can serve is another question.
    assert_eq!(server.get("/readyz").await.status, 200);
    *state.lock().unwrap() = None;
    assert_eq!(server.get("/healthz").await.status, 200);
    let messages = server.lines().into_iter().filter(|line| line["target"] != "access");
    let told: Vec<_> =
        messages.map(|line| (line["message"].clone(), line["cause"].clone())).collect();
    let expected = [
        ("not healthy".into(), "the disk is full".into()),
        ("healthy again".into(), serde_json::Value::Null),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_cause_is_logged_when_it_changes_and_not_at_every_probe() {
    let (server, state) = with_check().await;
    for cause in ["store away", "store loading"] {
        *state.lock().unwrap() = Err(cause);
        for _ in 0..3 {
            assert_eq!(server.get("/readyz").await.status, 503);
        }
    }
    *state.lock().unwrap() = Ok(());
    server.get("/readyz").await;
    server.get("/readyz").await;
    let told: Vec<_> = server
        .lines()
        .into_iter()
        .filter(|line| line["target"] != "access")
        .map(|line| (line["message"].clone(), line["cause"].clone()))
        .collect();
    let expected = [
        ("not ready".into(), "store away".into()),
        ("not ready".into(), "store loading".into()),
        ("ready again".into(), serde_json::Value::Null),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_check_that_hangs_fails_after_a_second() {
    let server = Server::new(Router::new(), Config::default())
        .readiness(std::future::pending::<Result<(), io::Error>>);
    let server = start_server(server, Config::default()).await;
    let began = tokio::time::Instant::now();
    server.get("/readyz").await.assert_problem(503, "Not ready");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(server.text().contains("no answer within 1 s"));
}
