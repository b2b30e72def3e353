//! The view counter on actix-web and actix-session, kept in Redis by its own store, set up as its
//! documentation shows. One worker. No access log.
//!
//! PORT (3000), REDIS_URL (redis://127.0.0.1:6379).

use std::error::Error;

use actix_session::{
    Session, SessionMiddleware, config::PersistentSession, storage::RedisSessionStore,
};
use actix_web::{
    App, HttpServer,
    cookie::{Key, time::Duration},
    http::Uri,
    web::{self, Json},
};
use rust_views::{IDLE_SECONDS, PAGES, Settings, key, text};
use serde_json::{Map, Value};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let store = RedisSessionStore::new(settings.redis_url).await?;
    // The same for every run; what the cookie is encrypted with, as is the default.
    let secret = Key::from(&[7; 64]);
    let server = HttpServer::new(move || {
        let idle = PersistentSession::default().session_ttl(Duration::seconds(IDLE_SECONDS));
        // Plain HTTP, so that the bench need not speak TLS.
        let sessions = SessionMiddleware::builder(store.clone(), secret.clone())
            .cookie_secure(false)
            .session_lifecycle(idle)
            .build();
        let mut app = App::new()
            .wrap(sessions)
            .route("/read", web::get().to(read))
            .route("/noop", web::get().to(async || "ok"));
        for page in PAGES {
            app = app.route(page, web::get().to(view));
        }
        app
    });
    server.workers(1).bind(settings.address)?.run().await?;
    Ok(())
}

async fn view(page: Uri, session: Session) -> actix_web::Result<String> {
    let key = key(page.path());
    let views = session.get(&key)?.unwrap_or(0) + 1;
    session.insert(&key, views)?;
    Ok(text(views))
}

async fn read(session: Session) -> actix_web::Result<Json<Map<String, Value>>> {
    let mut values = Map::new();
    for key in PAGES.map(key) {
        if let Some(views) = session.get(&key)? {
            values.insert(key, views);
        }
    }
    Ok(Json(values))
}
