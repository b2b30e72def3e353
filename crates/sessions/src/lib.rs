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
//!     let visits = session.increment("visits", 1).await?;
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
//! The cookie holds two random parts: 120 bits that say which session it is, and
//! 192 bits that say that one may use it. The store knows hashes of both only, so
//! nobody can make a cookie from a dump of it. Under `session:{name}` lies a hash
//! with one field for each session key, and a few of the layer's own: the hash
//! of the second part, times, and who is logged in.
//!
//! - It begins with the first value that is set, or with a login. A request that
//!   does neither stores nothing and sets no cookie; neither does a
//!   [robot](Robots), whatever the handler does.
//! - An id that the store does not know is never adopted: whoever planted it in
//!   a browser learns nothing.
//! - [`Session::login`] changes the second part of the id. So does a
//!   [schedule](ConfigBuilder::renew_every), where there is one; the old id then
//!   reads for a short [grace](ConfigBuilder::grace). An old id that turns up later
//!   raises an [alarm](EventKind::Reused).
//! - [`Session::logout`] ends it for everyone who has the id;
//!   [`Session::revoke_others`] and its like end the user's others.
//! - It ends when it was not touched for [`idle`](ConfigBuilder::idle), an hour by
//!   default, and after [`absolute`](ConfigBuilder::absolute) whatever happens, 30
//!   days. Reading it or writing to it is touching it; a request that ignores it
//!   is not.
//! - A cookie that is malformed, or came more than once, is no session.
//!
//! # What it costs
//!
//! Every step is one small Lua script on one key, so it is one command, atomic,
//! and works in a cluster. (A server that does not know a script yet gets it once,
//! which is one command more.)
//!
//! | a request that | store commands | round trips |
//! |---|---|---|
//! | ignores the session, or has no cookie and reads it | 0 | 0 |
//! | reads it, however often, with the slide | 1 | 1 |
//! | sets or removes values without reading | 1 | 1 |
//! | increments, appends, inserts if absent, compares and sets, or takes one | 1 | 1 |
//! | begins a session, by values or increments | 1 | 1 |
//! | reads, then changes | 2 | 2 |
//! | logs in, with a session before or without | 2: session, user's index | 1 |
//! | logs in beyond [`MaxSessions`], as a rule | 3 | 2 |
//! | logs out | 1 | 1 |
//! | has its id renewed by schedule, beside its read | 1 more, 0 beside a save | 1 more, 0 |
//! | writes without reading, with a cookie whose session is over | 2 | 2 |
//! | logs in with such a cookie | 4 | 2 |
//!
//! The lists of a user's sessions cost what [`Session::sessions`] and its
//! neighbours say.
//!
//! # When it is saved
//!
//! After the handler has returned its response and before the first byte of it
//! leaves, whatever its status: a handler that counts a failed attempt and
//! answers 403, or 500, has counted it. Only what changed is written, all of it
//! or nothing. A service that fails without a response saves nothing.
//!
//! [`increment`](Session::increment), [`append`](Session::append),
//! [`insert_if_absent`](Session::insert_if_absent),
//! [`compare_and_set`](Session::compare_and_set) and [`take`](Session::take) are
//! carried out at once, because their callers want the result; what waits for the
//! save goes with them.
//!
//! A streaming body that changes the session does so after the headers: it must
//! call [`Session::save`], and it cannot begin a session or log anybody in.
//!
//! # Requests at the same time
//!
//! - Changes of different values all stay, and a request that only reads undoes
//!   nothing.
//! - Of changes of the same value the later stays, or the slower request fails, as
//!   [`Conflicts`] says. The operations above never lose anything.
//! - A session that ended, by a logout, a login or from elsewhere, does not come
//!   back by the save of a request that still runs. That save is refused: the
//!   handler gets [`SessionError::Ended`] if it saves itself, else the client gets
//!   409 (Conflict), and no cookie is sent.
//!
//! # Trouble
//!
//! - A session that cannot be read is [`SessionError::Store`] in the handler,
//!   never an empty session. Pass it on with `?`: it answers 503. A route can
//!   [go on without](Trouble::Anonymous) instead, and cannot write then.
//! - A save that fails takes the place of the handler's response: 503 with
//!   `Retry-After` and no cookie, so that a client never believes what is not
//!   stored. The error is among the response's extensions, for a layer outside
//!   that adds a body. As always when a store does not answer in time, it may
//!   have done the work all the same.
//! - A handler that prefers its own words calls [`Session::save`] and sees.
//! - Requests that do not touch the session are served without the store.
//! - Each call of the store has a [deadline](ConfigBuilder::deadline), 250 ms, and
//!   one retry where that is safe. A store that failed five times in a row is left
//!   alone for a second.
//! - A value that cannot be decoded is put aside, rather than an error for ever.
//!
//! # Caches
//!
//! A response that sets the cookie says `Cache-Control: no-store`, whatever the
//! handler said. Responses that merely depend on who is logged in are the
//! handler's to mark.
//!
//! # Stores
//!
//! Anything that [`tuckbox::Db`] opens: embedded, Redis 6 or later or Valkey,
//! alone, behind Sentinel or as a Cluster. For tests, `memory:`.

mod breaker;
mod clock;
mod config;
mod cookies;
mod error;
mod event;
pub mod express;
#[cfg(feature = "axum")]
mod extract;
mod flash;
mod id;
mod key_ring;
mod layer;
mod login;
mod operate;
mod save;
mod session;
mod shared;
mod state;
mod store;
mod trouble;
mod typed;
mod user_sessions;
mod values;
mod visitor;

use std::time::Duration;

use http::HeaderMap;

pub use clock::Clock;
pub use config::{Config, ConfigBuilder, ConfigError, Conflicts, Reuse};
pub use cookies::{Cookies, Profile, SameSite};
pub use error::SessionError;
pub use event::{Event, EventKind};
#[cfg(feature = "axum")]
pub use extract::MissingLayer;
pub use flash::Flash;
pub use id::PublicId;
pub use key_ring::{Freshness, KeyRing, KeyRingBuilder, KeyRingError, OpenError, SealError, Tag};
pub use layer::{SessionFuture, SessionLayer, SessionService};
pub use session::Session;
pub use trouble::{Trouble, TroubleService};
pub use typed::SessionData;
pub use user_sessions::{MaxSessions, SessionInfo, Sessions};
pub use visitor::Robots;

/// The longest session key, in bytes.
pub const MAX_KEY_BYTES: usize = 256;

/// The longest value of a session key, in bytes of JSON.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// The most keys that a session holds.
pub const MAX_KEYS: usize = 256;

/// The longest id of a user, in bytes.
pub const MAX_USER_BYTES: usize = 256;

/// Whether a request with these headers presents an id under the cookie `name`:
/// the whole reading of what comes from outside, for a fuzz target.
#[doc(hidden)]
#[must_use]
pub fn presents_an_id(headers: &HeaderMap, name: &str) -> bool {
    let form = cookies::CookieForm::new(&Cookies::plain().name(name), Duration::from_secs(1));
    matches!(form.presented(headers), cookies::Presented::Id(_))
}
