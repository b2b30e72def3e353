//! A Lambda function with one route of each kind: to try under an emulator, and to test with.
//!
//! `cargo build -p tuckbox-serve --features lambda --example function`

use std::{io, process::ExitCode, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    http::{HeaderMap, Uri, header},
    response::{AppendHeaders, IntoResponse, Response},
    routing::{get, post},
};
use tuckbox_serve::{App, Config, Peer, Scheme};

/// What the handler was told of its request.
async fn echo(
    uri: Uri,
    headers: HeaderMap,
    Extension(Peer(peer)): Extension<Peer>,
    Extension(scheme): Extension<Scheme>,
) -> String {
    tracing::info!(answer = 42, "echoing");
    let cookie = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or("-");
    format!("{uri} {cookie} {} {scheme:?}", peer.ip())
}

async fn cookies() -> impl IntoResponse {
    (AppendHeaders([(header::SET_COOKIE, "a=1; Secure"), (header::SET_COOKIE, "b=2")]), "cookies")
}

/// Bytes that are no text, or the body that came.
async fn bytes(body: Bytes) -> Bytes {
    if body.is_empty() { Bytes::from_static(&[0, 0xff, 0xfe]) } else { body }
}

async fn packed() -> impl IntoResponse {
    ([(header::CONTENT_ENCODING, "identity")], "packed")
}

async fn large() -> Response {
    Response::new(Body::from(vec![b'x'; 7 << 20]))
}

async fn slow() -> &'static str {
    tracing::info!("slow began");
    tokio::time::sleep(Duration::from_millis(60)).await;
    "slow"
}

async fn stuck() {
    std::future::pending().await
}

#[expect(clippy::panic, reason = "a test wants to see what becomes of it")]
async fn trouble() {
    panic!("deep trouble")
}

async fn warm_up() -> Result<(), io::Error> {
    match std::env::var("STORE").as_deref() {
        Ok("away") => return Err(io::Error::other("the store is away")),
        Ok("silent") => std::future::pending().await,
        _ => tracing::info!("warmed up"),
    }
    Ok(())
}

async fn open(_: Config) -> Result<App, io::Error> {
    if std::env::var_os("FAIL_TO_OPEN").is_some() {
        return Err(io::Error::other("no luck \"today\""));
    }
    let router = Router::new()
        .route("/echo", get(echo))
        .route("/cookies", get(cookies))
        .route("/bytes", post(bytes))
        .route("/packed", get(packed))
        .route("/large", get(large))
        .route("/slow", get(slow))
        .route("/stuck", get(stuck))
        .route("/panic", get(trouble));
    Ok(App::new(router).warm_up(warm_up()).on_close(async || {
        tracing::info!("flushed");
        Ok::<_, io::Error>(())
    }))
}

fn main() -> ExitCode {
    tuckbox_serve::lambda::run(open)
}
