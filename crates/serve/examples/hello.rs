//! A server with one route of each kind: to try, to measure, and to test signals with.
//!
//! `cargo run -p tuckbox-serve --example hello`, then open <http://localhost:5000>.

use std::{io, process::ExitCode, time::Duration};

use axum::{Extension, Router, routing::get};
use tuckbox_serve::{App, Config, Peer, Scheme};

async fn hello() -> &'static str {
    "hello\n"
}

/// Answers late, so that there is time to stop the server meanwhile.
async fn slow() -> &'static str {
    tracing::info!("slow began");
    tokio::time::sleep(Duration::from_secs(1)).await;
    "slow\n"
}

/// Never answers.
async fn stuck() {
    tracing::info!("stuck began");
    std::future::pending().await
}

/// Holds up its thread, which no server can interrupt.
async fn hog() {
    tracing::info!("hog began");
    std::thread::sleep(Duration::from_secs(60));
}

/// Who asks, and how.
async fn who(
    Extension(Peer(peer)): Extension<Peer>,
    Extension(scheme): Extension<Scheme>,
) -> String {
    tracing::warn!("asked who");
    format!("{} {scheme:?}\n", peer.ip())
}

async fn open(_: Config) -> Result<App, io::Error> {
    let router = Router::new()
        .route("/", get(hello))
        .route("/slow", get(slow))
        .route("/stuck", get(stuck))
        .route("/hog", get(hog))
        .route("/who", get(who));
    Ok(App::new(router).on_close(async || {
        tracing::info!("closed");
        Ok::<_, io::Error>(())
    }))
}

fn main() -> ExitCode {
    tuckbox_serve::local::run(open)
}
