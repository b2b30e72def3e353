//! Session middleware for any tower service.
//!
//! [`SessionLayer`] gives each request a [`Session`]: values that stay with a
//! browser from request to request, and the user who is logged in. The browser
//! holds a random id in a cookie; everything else lies in a store that
//! [`tuckbox::Db`] opens.
//!
//! ```
//! use axum::{Router, routing::{get, post}};
//! use tuckbox_sessions::{Config, Session, SessionError, SessionLayer};
//!
//! async fn log_in(session: Session) -> Result<&'static str, SessionError> {
//!     // ... after the password was checked:
//!     session.login("ada").await?;
//!     Ok("welcome")
//! }
//!
//! async fn count(session: Session) -> Result<String, SessionError> {
//!     let Some(user) = session.user().await? else { return Ok("please log in".to_owned()) };
//!     let visits: u64 = session.get("visits").await?.unwrap_or(0) + 1;
//!     session.insert("visits", &visits).await?;
//!     Ok(format!("{user} was here {visits} times"))
//! }
//!
//! # async fn app() -> Result<Router, tuckbox::Error> {
//! let db = tuckbox::Db::open("redis://127.0.0.1:6379").await?;
//! let app = Router::new()
//!     .route("/login", post(log_in))
//!     .route("/count", get(count))
//!     .layer(SessionLayer::new(db, Config::default()));
//! # Ok(app) }
//! ```
//!
//! On a development server without HTTPS, browsers drop the default cookie; say
//! [`Cookies::plain`] there. The feature `axum` makes [`Session`] an extractor
//! and [`SessionError`] a response. With any other service, take the session
//! from the request by [`Session::from_extensions`]:
//!
//! ```
//! use http::{Request, Response};
//! use tower::{ServiceBuilder, service_fn};
//! use tuckbox_sessions::{Config, Session, SessionError, SessionLayer};
//!
//! # async fn service() -> Result<(), tuckbox::Error> {
//! # let db = tuckbox::Db::open("redis://127.0.0.1:6379").await?;
//! let service = ServiceBuilder::new()
//!     .layer(SessionLayer::new(db, Config::default()))
//!     .service(service_fn(async |request: Request<String>| {
//!         if let Some(session) = Session::from_extensions(request.extensions()) {
//!             session.insert("seen", &true).await?;
//!         }
//!         Ok::<_, SessionError>(Response::new(String::new()))
//!     }));
//! # let _ = service; Ok(()) }
//! ```
//!
//! # What a session is
//!
//! The cookie holds 256 bits from the operating system's random source. The
//! store knows their SHA-256 only, so nobody can make a cookie from a dump of
//! it. Under `session:{hash}` lies a hash with one field for each session key
//! and three of the layer's own: when it was created, when it was last seen,
//! and who is logged in.
//!
//! - It begins with the first value that is set, or with a login. A request that
//!   does neither stores nothing and sets no cookie.
//! - An id that the store does not know is never adopted: whoever planted it in
//!   a browser learns nothing.
//! - [`Session::login`] begins a new session under a new id and deletes the old.
//! - [`Session::logout`] deletes it for everyone who has the id.
//! - It ends when it was not touched for [`idle`](ConfigBuilder::idle), an hour
//!   by default. Reading it or writing to it is touching it; a request that
//!   ignores it is not. The time of the last touch is written, and the cookie
//!   sent again, only when a tenth of that time has passed
//!   ([`slide_percent`](ConfigBuilder::slide_percent)).
//! - A cookie that is malformed, or came more than once, is no session.
//!
//! # What it costs
//!
//! | a request that | store commands | round trips |
//! |---|---|---|
//! | ignores the session, or has no cookie and reads it | 0 | 0 |
//! | reads it, however often | 1: `HGETALL` | 1 |
//! | the same, when the slide is due | + 2: `HSET`, `PEXPIRE` | + 1 |
//! | sets the first value, without a cookie | 2: `HSET`, `PEXPIRE` | 1 |
//! | sets or removes values | the read + 2: `HSET` or `HDEL`, `HEXISTS` | 2 |
//! | the same, when the slide is due | + 1: `PEXPIRE` | + 0 |
//! | sets some and removes others | the read + 5: `MULTI`, `HSET`, `HDEL`, `HEXISTS`, `EXEC` | 2 |
//! | logs in, without a cookie | 2: `HSET`, `PEXPIRE` | 1 |
//! | logs in over another session | the read + 3: `HSET`, `PEXPIRE`, `DEL` | 3 |
//! | the same, with a cookie whose session has ended | the read + 2: `HSET`, `PEXPIRE` | 2 |
//! | logs out | 1: `DEL` | 1 |
//!
//! # When it is saved
//!
//! After the handler has returned its response and before the first byte of it
//! leaves, whatever its status: a handler that counts a failed attempt and
//! answers 403 has counted it. Only what changed is written, each value in a
//! field of its own, so that requests at the same time that change different
//! values do not undo each other; of two that change the same value, the later
//! stays. A service that fails without a response saves nothing.
//!
//! A streaming body that changes the session does so after the headers: it must
//! call [`Session::save`], and it cannot log anybody in.
//!
//! # Requests at the same time
//!
//! - Changes of different values both stay, and a request that only reads undoes
//!   nothing.
//! - A session that was deleted, by a logout or a login, does not come back by
//!   the save of a request that still runs. That save is refused: the handler
//!   gets [`SessionError::Ended`] if it saves itself, else the client gets 409
//!   (Conflict), and no cookie is sent. (How: only its creation writes the field
//!   without which a hash is no session, and no id is created twice. A save that
//!   comes too late writes fields that nobody can read, sees that, and deletes
//!   them. Should the process die in between, those fields stay in the store,
//!   unreadable as a session, without an expiry.)
//! - A value that is written to a session while another request logs in over it
//!   can be lost: it was read already.
//! - [`Session::get`] followed by [`Session::insert`], as in the counter above,
//!   is two steps: of requests at the same time, one can be lost.
//!
//! # Trouble
//!
//! - A session that cannot be read is [`SessionError::Store`] in the handler,
//!   never an empty session. Pass it on with `?`: it answers 503.
//! - A save that fails takes the place of the handler's response: 503 with
//!   `Retry-After` and no cookie, so that a client never believes what is not
//!   stored. The error is among the response's extensions, for a layer outside
//!   that adds a body. As always when a store does not answer in time, it may
//!   have done the work all the same.
//! - A handler that prefers its own words calls [`Session::save`] and sees.
//! - A slide that fails is logged; the response goes out.
//! - Requests that do not touch the session are served without the store.
//! - How long a call may take is set where the database is opened
//!   ([`tuckbox::Options::deadline`]).
//!
//! # Caches
//!
//! A response that sets the cookie says `Cache-Control: no-store`, whatever the
//! handler said. Responses that merely depend on who is logged in are the
//! handler's to mark.
//!
//! The store must be Redis 4.0 or later, or anything that speaks like it.

mod clock;
mod config;
mod cookies;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod id;
mod layer;
mod session;
mod state;
mod store;

use http::{HeaderMap, HeaderValue};

pub use clock::Clock;
pub use config::{Config, ConfigBuilder, ConfigError};
pub use cookies::{Cookies, SameSite};
pub use error::SessionError;
#[cfg(feature = "axum")]
pub use extract::MissingLayer;
pub use layer::{SessionFuture, SessionLayer, SessionService};
pub use session::Session;

/// The longest session key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// The longest value of a session key, in bytes of JSON.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// The most keys that a session holds.
pub const MAX_KEYS: usize = 256;

/// The longest id of a user, in bytes.
pub const MAX_USER_BYTES: usize = 256;

/// When a client may try again after the store failed: a store that restarts or
/// fails over is back within seconds, and there is no better estimate.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Whether a request with these headers presents an id under the cookie `name`:
/// the whole reading of what comes from outside, for a fuzz target.
#[doc(hidden)]
#[must_use]
pub fn presents_an_id(headers: &HeaderMap, name: &str) -> bool {
    matches!(cookies::presented(headers, name), cookies::Presented::Id(_))
}
