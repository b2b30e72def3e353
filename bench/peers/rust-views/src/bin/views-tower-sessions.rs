//! The view counter on axum and tower-sessions, kept in Redis by tower-sessions-redis-store, set up
//! as its documentation shows. One thread. No access log.
//!
//! PORT (3000), REDIS_URL (redis://127.0.0.1:6379).

use std::error::Error;

use axum::{
    Json, Router,
    http::{StatusCode, Uri},
    routing::get,
};
use rust_views::{IDLE_SECONDS, PAGES, Settings, key, text};
use serde_json::{Map, Value};
use tower_sessions::{
    Expiry, Session, SessionManagerLayer,
    cookie::{SameSite, time::Duration},
    session,
};
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike, Config, Pool},
};

/// Connections to Redis, as many as the documentation has.
const POOL: usize = 6;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let pool = Pool::new(Config::from_url(&settings.redis_url)?, None, None, None, POOL)?;
    let connections = pool.connect();
    pool.wait_for_connect().await?;
    // Plain HTTP, so that the bench need not speak TLS.
    let sessions = SessionManagerLayer::new(RedisStore::new(pool))
        .with_secure(false)
        .with_same_site(SameSite::Lax)
        .with_expiry(Expiry::OnInactivity(Duration::seconds(IDLE_SECONDS)));
    let mut app = Router::new().route("/read", get(read)).route("/noop", get(async || "ok"));
    for page in PAGES {
        app = app.route(page, get(view));
    }
    let listener = tokio::net::TcpListener::bind(settings.address).await?;
    axum::serve(listener, app.layer(sessions)).await?;
    connections.await??;
    Ok(())
}

async fn view(page: Uri, session: Session) -> Result<String, StatusCode> {
    let key = key(page.path());
    let views = session.get(&key).await.map_err(failed)?.unwrap_or(0) + 1;
    session.insert(&key, views).await.map_err(failed)?;
    Ok(text(views))
}

async fn read(session: Session) -> Result<Json<Map<String, Value>>, StatusCode> {
    let mut values = Map::new();
    for key in PAGES.map(key) {
        if let Some(views) = session.get_value(&key).await.map_err(failed)? {
            values.insert(key, views);
        }
    }
    Ok(Json(values))
}

fn failed(error: session::Error) -> StatusCode {
    eprintln!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR
}
