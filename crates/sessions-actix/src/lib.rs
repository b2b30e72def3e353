//! Tuckbox's sessions as middleware for actix-web.
//!
//! [`SessionMiddleware`] gives each request a [`Session`]: values that stay with
//! a browser from request to request, and the user who is logged in.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use tuckbox_sessions::{Config, SessionLayer};
//! use tuckbox_sessions_actix::{Session, SessionError, SessionMiddleware};
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
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let db = tuckbox::Db::open("redis://127.0.0.1:6379").await?;
//!     let sessions = SessionMiddleware::new(SessionLayer::new(db, Config::default()));
//!     HttpServer::new(move || {
//!         App::new()
//!             .wrap(sessions.clone())
//!             .route("/login", web::post().to(log_in))
//!             .route("/count", web::get().to(count))
//!     })
//!     .bind("127.0.0.1:8080")?
//!     .run()
//!     .await?;
//!     Ok(())
//! }
//! ```
//!
//! What a session is, what it costs in the store, how it is configured and what
//! requests at the same time do to each other is the manual of
//! [`tuckbox_sessions`]. This crate brings it to another framework and promises
//! the same; what follows is what is different here.
//!
//! # Types
//!
//! A trait of actix-web can be implemented for a type of its own crate only, so
//! [`Session`] wraps [`tuckbox_sessions::Session`], whose methods it has by
//! `Deref`, and [`SessionError`] wraps [`tuckbox_sessions::SessionError`], which
//! `?` turns into it. In a handler that returns `actix_web::Error`, say
//! `.map_err(SessionError)?`.
//!
//! A middleware inside this one gets the session by
//! `request.extract::<Session>().await`.
//!
//! # When it is saved
//!
//! When the handler has returned, before the first byte of the response leaves,
//! whatever the status. In actix-web an error is a response as well, so what was
//! changed before an `Err` is saved too, whether the handler or a middleware
//! between returned it, and its response carries the cookie. A handler that
//! panics leaves nothing.
//!
//! - A response that sets the cookie says `Cache-Control: no-store`.
//! - A save that fails takes the place of the response: 503 with `Retry-After`
//!   when the store failed, 409 when the session ended meanwhile, and no cookie.
//!   The [`SessionError`] is the response's
//!   [`error`](actix_web::HttpResponse::error), for a middleware outside that
//!   adds a body.
//! - A streaming body that changes the session must call
//!   [`save`](tuckbox_sessions::Session::save), and cannot log anybody in.
//!
//! # Routes that go on without a store
//!
//! [`Trouble`](tuckbox_sessions::Trouble) is a layer for tower only. Here a
//! handler begins with
//! [`session.on_trouble(Trouble::Anonymous)`](tuckbox_sessions::Session::on_trouble).
//!
//! # The client's address
//!
//! [`client_address`](tuckbox_sessions::ConfigBuilder::client_address) finds the
//! peer as a [`std::net::SocketAddr`] among the extensions, except on a Unix
//! socket. Of the request's headers it sees `Cookie`, `User-Agent`, `Forwarded`
//! and `X-Forwarded-For`; name others by [`SessionMiddleware::pass_header`].
//!
//! ```
//! use std::net::SocketAddr;
//! use tuckbox_sessions::Config;
//!
//! let config = Config::builder()
//!     .client_address(|_, extensions| extensions.get::<SocketAddr>().map(SocketAddr::ip))
//!     .build()?;
//! # Ok::<(), tuckbox_sessions::ConfigError>(())
//! ```
//!
//! # Workers
//!
//! Each worker of actix-web is a thread with a runtime of its own, and all share
//! the connections of one [`Db`](tuckbox_sessions::SessionLayer::new). A
//! connection is served by the runtime of the worker that opened it: a handler
//! that blocks its thread holds up the sessions of other workers, until
//! [`deadline`](tuckbox_sessions::ConfigBuilder::deadline). Put blocking work
//! into `actix_web::web::block`.

mod error;
mod extract;
mod middleware;
mod passing;

pub use error::SessionError;
pub use extract::{MissingMiddleware, Session};
pub use middleware::{SessionMiddleware, SessionService};
