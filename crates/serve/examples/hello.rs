//! A server with one route of each kind: to try, to measure, and to test signals with.
//!
//! `cargo run -p tuckbox-serve --example hello`, then open <http://localhost:5000>.

use std::{process::ExitCode, time::Duration};

use axum::{Router, routing::get};

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

fn main() -> ExitCode {
    tuckbox_serve::run(|config| async {
        let router = Router::new()
            .route("/", get(hello))
            .route("/slow", get(slow))
            .route("/stuck", get(stuck))
            .route("/hog", get(hog));
        tuckbox_serve::serve(router, config).await
    })
}
