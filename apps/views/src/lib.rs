//! The view counter: every browser has its own count of each page.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PORT` | the port to listen on | 3000 |
//! | `REDIS_URL` | where the sessions live; `UPSTASH_REDIS_URL` is read as well | `file:./data/views`; none on AWS Lambda and Cloud Run |
//! | `REDIS_URL_FILE`, `REDIS_URL_SSM_PARAMETER` | instead: a file that holds it, a parameter of SSM | |
//! | `SESSION_COOKIE` | the cookie's name | `session`, on HTTPS `__Host-session` |
//! | `COOKIE_SECURE` | `true`: browsers come by HTTPS; `false`: by plain HTTP | `false` when bound to loopback |
//!
//! The server's other variables are those of [`tuckbox_serve::Config`].

use std::{error::Error, time::Duration};

use axum::{
    Router,
    http::{Uri, header},
    response::{Html, IntoResponse},
    routing::get,
};
use tuckbox::{Db, Options, Refresh};
use tuckbox_serve::{
    App,
    secret::{Ask, Secret, SecretError},
};
use tuckbox_sessions::{Config, Cookies, Session, SessionError, SessionLayer};

type Failure = Box<dyn Error + Send + Sync>;

/// Where the tutorial's own program listens.
const DEFAULT_PORT: u16 = 3000;
/// Beside what other programs keep in `./data`.
const DEFAULT_URL: &str = "file:./data/views";

const HOME: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Views</title>
<h1>Views</h1>
<p>Each page tells how often you viewed it: <a href="/foo">foo</a>, <a href="/bar">bar</a>.</p>
"#;

/// Opens the database, and gives the routes over it.
///
/// # Errors
/// When a setting cannot be used, or the database not opened; the message says what to change.
pub async fn open(config: tuckbox_serve::Config) -> Result<App, Failure> {
    let sessions = session_config(config.is_private())?;
    let url = tuckbox::url_from_env(variable).unwrap_or_else(|| DEFAULT_URL.to_owned());
    let secret = secret_url()?;
    // The extension that reads it works from the first request on.
    let before_requests = secret.is_none();
    let db = open_database(&config, &url, secret).await?;
    tracing::info!(database = ?db, "database opened");

    let router = Router::new()
        .route("/", get(Html(HOME)))
        // No other path is counted, so nobody can fill a session with paths of their own.
        .route("/foo", get(view))
        .route("/bar", get(view))
        .layer(SessionLayer::new(db.clone(), sessions));
    let (checked, looked_at, warmed) = (db.clone(), db.clone(), db.clone());
    let served = App::new(router)
        .default_port(DEFAULT_PORT)
        .readiness(move || health(checked.clone()))
        .health(move || looked_at.trouble())
        .on_close(move || async move { db.close().await });
    Ok(if before_requests { served.warm_up(health(warmed)) } else { served })
}

async fn health(db: Db) -> Result<(), tuckbox::Error> {
    db.health().await
}

/// A URL in a file or in Parameter Store. That is read when it is first needed, and again when the
/// server refuses its password: so it can be rotated.
fn secret_url() -> Result<Option<Secret>, SecretError> {
    let secret = Secret::from_env("REDIS_URL")?.filter(|secret| secret.fixed().is_none());
    // The database bounds by itself how often it asks.
    Ok(secret.map(|secret| secret.pause(Duration::ZERO)))
}

/// The database at `secret`, or else at `url`.
async fn open_database(
    config: &tuckbox_serve::Config,
    url: &str,
    secret: Option<Secret>,
) -> Result<Db, Failure> {
    let Some(secret) = secret else {
        config.require_durable(url)?;
        return Ok(Db::open(url).await?);
    };
    let read = move |refresh| {
        let secret = secret.clone();
        async move {
            let ask = if refresh == Refresh::Again { Ask::Fresh } else { Ask::Cached };
            secret.get(ask).await.map(|url| url.expose().to_owned())
        }
    };
    Ok(Db::from_source(read, Options::default()))
}

/// Counts one more view of the page, in one step of the store's: however many requests a browser
/// has under way, each of them counts. The first view of a browser begins its session.
async fn view(page: Uri, session: Session) -> Result<impl IntoResponse, SessionError> {
    let views = session.increment(&format!("views:{}", page.path()), 1).await?;
    // The answer is one browser's own, and another one the next time.
    Ok(([(header::CACHE_CONTROL, "no-store")], format!("you viewed this page {views} times")))
}

/// How sessions are kept. On the own machine there is no HTTPS, without which browsers drop the
/// usual cookie.
fn session_config(local: bool) -> Result<Config, Failure> {
    let secure = match variable("COOKIE_SECURE").as_deref() {
        None => !local,
        Some("true") => true,
        Some("false") => false,
        Some(other) => {
            return Err(format!("COOKIE_SECURE is {other:?}: use true or false").into());
        }
    };
    let mut cookies = if secure { Cookies::secure() } else { Cookies::plain() };
    if let Some(name) = variable("SESSION_COOKIE") {
        cookies = cookies.name(name);
    }
    let wrong = |error| format!("the session cookie cannot be as asked for: {error}");
    Ok(Config::builder().cookies(cookies).build().map_err(wrong)?)
}

/// A variable of the environment; blank counts as unset.
fn variable(name: &str) -> Option<String> {
    // A value that is not Unicode is one that no setting accepts: it must not count as unset.
    let value = std::env::var_os(name)?.to_string_lossy().trim().to_owned();
    (!value.is_empty()).then_some(value)
}
