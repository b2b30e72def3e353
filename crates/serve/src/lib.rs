//! Run an axum [`Router`](axum::Router) as a local server, as a container or as an AWS Lambda
//! function, with the manners of a production service.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use axum::{Router, routing::get};
//! use tuckbox_serve::{App, Config, RequestId};
//!
//! async fn hello(id: RequestId) -> String {
//!     tracing::info!("saying hello");
//!     format!("hello, you are request {id}\n")
//! }
//!
//! async fn open(_: Config) -> Result<App, std::io::Error> {
//!     Ok(App::new(Router::new().route("/", get(hello))))
//! }
//!
//! fn main() -> ExitCode {
//!     tuckbox_serve::local::run(open)
//! }
//! ```
//!
//! This listens on `http://localhost:5000`, or where `PORT` and `BIND` say, and stops on SIGTERM
//! or Ctrl-C when the requests in flight are answered. All settings are fields of [`Config`], read
//! from the environment; a value that cannot be used ends the program with a message that names
//! the variable.
//!
//! # What it adds to the router
//!
//! - **Request id.** From `x-request-id` if that is sane, else random: [`RequestId`]. It is in
//!   every log line of the request, in the response, and in error bodies.
//! - **Errors in one form.** `{"Message":"…","RequestId":"…"}` for all that is answered here: a
//!   path that no route has (404), a method that the path does not have (405), a body that is too
//!   large (413) or too slow (408), a handler that is too slow (504) or panics (500). A handler's
//!   own 404 or 405 gets that body only if it has none. A head that cannot be parsed or is too
//!   large is refused by the HTTP library, with 400 or 431 and no body.
//! - **Panics stay in their request.** The client gets 500 and the request's id, the log gets the
//!   panic's message and place, the server goes on. A program that is built with
//!   `panic = "abort"` gives this up.
//! - **Probes.** `/healthz` is 200 while the process answers at all, or 503 if the check given with
//!   [`App::health`] says what is wrong with it. `/readyz` is 200, or 503 if the check given with
//!   [`Server::readiness`] fails or the server is stopping. Both paths belong to the server: routes
//!   of the same name are not reached.
//! - **Limits.** On connections, heads, bodies, and on the time that a client may be silent and a
//!   handler may take. A connection whose client drips its head, or takes no byte of its response,
//!   is closed.
//! - **The address of the client**, or of the proxy before it, in the request's extensions:
//!   [`Peer`], and beside it [`Scheme`]. `TRUSTED_PROXY_HOPS` says how many proxies are believed.
//!
//! # Readiness, and closing what the program holds
//!
//! ```no_run
//! # use axum::Router;
//! # use tuckbox_serve::{App, Config};
//! # #[derive(Clone)] struct Store;
//! # impl Store {
//! #     async fn open() -> Result<Self, std::io::Error> { Ok(Self) }
//! #     async fn ping(&self) -> Result<(), std::io::Error> { Ok(()) }
//! #     async fn close(&self) -> Result<(), std::io::Error> { Ok(()) }
//! # }
//! # fn routes(store: Store) -> Router { Router::new() }
//! async fn open(config: Config) -> Result<App, std::io::Error> {
//!     let store = Store::open().await?;
//!     let pinged = store.clone();
//!     Ok(App::new(routes(store.clone()))
//!         .readiness(move || {
//!             let store = pinged.clone();
//!             async move { store.ping().await }
//!         })
//!         .on_close(move || async move { store.close().await }))
//! }
//! ```
//!
//! # Where it runs
//!
//! [`Platform::detect`] tells it by the environment, and the defaults follow: see
//! [`Config::for_platform`].
//!
//! - **A machine of one's own**: loopback, port 5000, a log for people on a terminal.
//! - **Cloud Run**: `0.0.0.0:$PORT`, logs as Cloud Logging reads them, 8 of the 10 s between SIGTERM
//!   and SIGKILL for the requests in flight.
//! - **AWS Lambda**: a second binary, whose `main` is `lambda::run` on the same `open`, with the
//!   feature `lambda`.
//!
//! A program that would keep its data on a disk that does not last asks
//! [`Config::require_durable`]. Passwords and the like come from [`secret`].
//!
//! # The log
//!
//! One line per request, without its query, since queries hold names and secrets; and a line for
//! every `tracing` event of the program, with the request's id. Lines are for people on a
//! terminal, else JSON. They go through a bounded buffer to the standard output, and are dropped
//! and counted when it is full: see [`Log`]. `LOG_LEVEL` filters them, for example
//! `info,access=off`. Probes that succeed are logged at debug level. A client that left before it
//! had its response leaves a line with `aborted=true`, and with the status 499 if there was no
//! response yet.
//!
//! # How it stops
//!
//! On the first SIGTERM or SIGINT `/readyz` fails. Then no more connections are accepted, idle
//! ones are closed, and requests in flight are finished; those that outlast the grace are cut, and
//! a line says how many. Then what [`App::on_close`] gave is run, and the program exits with 0. A
//! second signal ends the process at once.
//!
//! # What it does not do
//!
//! No TLS and no HTTP/2, which a proxy or a platform before it ends; no protocol upgrades
//! (WebSocket); no files, no compression. It runs on Unix.
//!
//! # Testing
//!
//! [`Server::run`] takes a listener and a signal to stop, so that a test binds port 0 and stops
//! the server when it likes; a router by itself is tested without any server.

mod activity;
mod app;
mod client;
mod config;
mod correlation;
mod error;
mod exchange;
mod front;
mod health;
#[cfg(feature = "lambda")]
pub mod lambda;
pub mod local;
mod log;
#[cfg(feature = "secrets-ssm")]
mod loopback;
mod panics;
mod platform;
mod problem;
mod request_body;
mod request_id;
mod run;
pub mod secret;
mod serve;
mod server;
mod socket;

pub use crate::{
    app::App,
    client::{Peer, Scheme},
    config::{Config, ConfigError, DataVolume, InvokeMode},
    error::ServeError,
    log::{Log, LogFilter, LogFilterError, LogFormat},
    platform::{NotDurable, Platform},
    request_id::RequestId,
    run::run,
    serve::serve,
    server::{Server, Stopped},
};
