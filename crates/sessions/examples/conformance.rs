//! A server to measure a session layer by: routes that each do one thing to the
//! session, so that races, faults and costs can be seen from outside, over HTTP.
//! The tests in `tests/kit` do that with this server. Another layer behind the
//! same routes can be measured by the same tests; see there.
//!
//! ```sh
//! cargo run -p tuckbox-sessions --example conformance     # on http://localhost:5000
//! REDIS_URL=redis://127.0.0.1:6379 PORT=3000 cargo run -p tuckbox-sessions --example conformance
//! ```
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PORT` | the port to listen on, 0 for any | 5000 |
//! | `REDIS_URL` | where the sessions live; `UPSTASH_REDIS_URL` is read as well | `memory:` |
//!
//! The server's other variables are those of [`tuckbox_serve::Config`].
//!
//! | route | what it does | answers |
//! |---|---|---|
//! | `/noop` | ignores the session | `ok` |
//! | `/read` | reads the session | its values as JSON, and `user` if somebody is logged in |
//! | `/write` | increments `n`, without reading | the new `n` |
//! | `/login?user=ada` | logs in under a new id; without `user` it is `ada` | the user |
//! | `/logout` | ends the session | `ok` |
//! | `/slowwrite` | reads the session, waits 600 ms, sets `slow` to 1 more | `ok` |
//! | `/slowread` | reads the session, waits 600 ms, writes nothing | as `/read` |
//! | `/err` | sets `err`, then fails | 500 |
//! | `/sessions` | lists the user's sessions | JSON, or 401 when nobody is logged in |
//! | `/revoke-others` | ends the user's other sessions | how many, or 401 |
//!
//! All are for GET, which no real application should change state by: it is to
//! be easy to send them. The cookie is called `session` and goes over plain HTTP.
//!
//! What `/err` wrote is kept: the session is saved whatever the status of the
//! response. A handler that counts a failed attempt and refuses has counted it,
//! and which status happens to be a failure is not for a session layer to know.
//! Only a request without any response, because its handler panicked or was
//! dropped at its time limit, saves nothing. Who wants all or nothing makes the
//! changes last, after all that can fail.
//!
//! # To try
//!
//! ```sh
//! url=http://localhost:5000
//! curl -i -c jar -b jar $url/write                        # 1, and a cookie
//! curl -i -c jar -b jar $url/write                        # 2, and no cookie
//! curl -b jar $url/read                                   # {"n":2}
//!
//! # No lost update: 33 more, and all of them count.
//! seq 32 | xargs -P 32 -I_ curl -s -o /dev/null -b jar $url/write
//! curl -b jar $url/write                                  # 35
//!
//! # Changes of different values both stay.
//! curl -b jar $url/slowwrite & sleep 0.2; curl -b jar $url/write; wait
//! curl -b jar $url/read                                   # {"n":36,"slow":1}
//!
//! # A logout is final: the write that is under way gets 409 and no cookie.
//! curl -c jar -b jar "$url/login?user=ada"
//! cp jar old; curl -i -b old $url/slowwrite & sleep 0.2; curl -i -c jar -b jar $url/logout; wait
//! curl -b old $url/read                                   # {}
//!
//! # Two devices; the second one ends the first.
//! curl -c phone $url/login; curl -c laptop $url/login
//! curl -b laptop $url/sessions
//! curl -b laptop $url/revoke-others                       # 1
//! curl -b phone $url/read                                 # {}
//!
//! # Stop the store (on Redis): 503 with Retry-After, and the session is back when the store is.
//! curl -i -b laptop $url/read
//! ```

use std::{
    collections::BTreeMap,
    error::Error,
    net::IpAddr,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    extract::Query,
    http::{Extensions, HeaderMap, StatusCode},
    response::IntoResponse,
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tuckbox::{Db, cmd};
use tuckbox_serve::{Peer, Server};
use tuckbox_sessions::{
    Config, Cookies, PublicId, Session, SessionError, SessionInfo, SessionLayer,
};

type Failure = Box<dyn Error + Send + Sync>;

const DEFAULT_URL: &str = "memory:";

/// Long enough for another request to come and go meanwhile.
const SLOW: Duration = Duration::from_millis(600);

pub(crate) fn main() -> ExitCode {
    tuckbox_serve::run(serve)
}

async fn serve(config: tuckbox_serve::Config) -> Result<(), Failure> {
    let sessions = Config::builder().cookies(Cookies::plain()).client_address(address).build()?;
    let db = Db::open(tuckbox::url_from_env(variable).as_deref().unwrap_or(DEFAULT_URL)).await?;
    tracing::info!(database = ?db, "database opened");
    let checked = db.clone();
    let served = Server::new(routes().layer(SessionLayer::new(db.clone(), sessions)), config)
        .readiness(move || {
            let db = checked.clone();
            async move { db.call(cmd!("PING")).await.map(drop) }
        })
        .serve()
        .await;
    // Closed whatever became of the server; its error comes first.
    let closed = db.close().await;
    served?;
    Ok(closed?)
}

fn routes() -> Router {
    Router::new()
        .route("/noop", get(async || "ok"))
        .route("/read", get(read))
        .route("/write", get(write))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .route("/slowwrite", get(slow_write))
        .route("/slowread", get(slow_read))
        .route("/err", get(fail))
        .route("/sessions", get(list))
        .route("/revoke-others", get(revoke_others))
}

async fn read(session: Session) -> Result<Json<BTreeMap<String, Value>>, SessionError> {
    all(&session).await.map(Json)
}

async fn write(session: Session) -> Result<String, SessionError> {
    Ok(session.increment("n", 1).await?.to_string())
}

#[derive(Deserialize)]
struct Who {
    user: Option<String>,
}

async fn login(session: Session, Query(who): Query<Who>) -> Result<String, SessionError> {
    let user = who.user.unwrap_or_else(|| "ada".to_owned());
    session.login(&user).await?;
    Ok(user)
}

async fn logout(session: Session) -> Result<&'static str, SessionError> {
    session.logout().await?;
    Ok("ok")
}

async fn slow_write(session: Session) -> Result<&'static str, SessionError> {
    let before = all(&session).await?.get("slow").and_then(Value::as_u64).unwrap_or(0);
    wait().await;
    // Another value each time: one that is known to be there already is not written.
    session.insert("slow", &(before + 1)).await?;
    Ok("ok")
}

async fn slow_read(session: Session) -> Result<Json<BTreeMap<String, Value>>, SessionError> {
    let values = all(&session).await?;
    wait().await;
    Ok(Json(values))
}

async fn fail(session: Session) -> Result<impl IntoResponse, SessionError> {
    session.insert("err", &true).await?;
    Ok((StatusCode::INTERNAL_SERVER_ERROR, "failed, after writing to the session"))
}

/// One of the user's sessions, as JSON.
#[derive(Serialize)]
struct Device {
    id: PublicId,
    /// Seconds since 1970.
    created: u64,
    last_seen: u64,
    user_agent: Option<String>,
    address: Option<IpAddr>,
    current: bool,
}

impl From<SessionInfo> for Device {
    fn from(info: SessionInfo) -> Self {
        let seconds = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
        };
        Self {
            id: info.id,
            created: seconds(info.created),
            last_seen: seconds(info.last_seen),
            user_agent: info.user_agent,
            address: info.address,
            current: info.current,
        }
    }
}

async fn list(session: Session) -> Result<Json<Vec<Device>>, SessionError> {
    Ok(Json(session.sessions().await?.into_iter().map(Device::from).collect()))
}

async fn revoke_others(session: Session) -> Result<String, SessionError> {
    Ok(session.revoke_others().await?.to_string())
}

/// The session's values, and its user.
async fn all(session: &Session) -> Result<BTreeMap<String, Value>, SessionError> {
    let mut values = session.values().await?;
    if let Some(user) = session.user().await? {
        values.insert("user".to_owned(), Value::from(&*user));
    }
    Ok(values)
}

async fn wait() {
    // Who tests the order of requests learns by this that the reading is over.
    tracing::info!("the session was read, and nothing is written for a while");
    tokio::time::sleep(SLOW).await;
}

/// The client's address: there is no proxy before this server.
fn address(_: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<Peer>().map(|peer| peer.0.ip())
}

/// A variable of the environment. A value that is not Unicode is one that no
/// setting accepts: it must not count as unset.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
