//! The app on a port of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jiff::Zoned;
use lessons::{App, Settings};
use tokio::net::TcpListener;
use tuckbox::Db;
use tuckbox_serve::{Config, Server};
use tuckbox_sessions::{ConfigBuilder, Cookies};

use crate::browser::{Browser, SOON};

/// What the tutorial shows.
pub(crate) const TIME: &str = "2022-10-12T02:01:14+03:00";

/// Starts the app as it is by default on the own machine, at [`TIME`].
pub(crate) async fn start(db: Db) -> SocketAddr {
    start_at(db, TIME).await
}

/// The same, with sessions that are kept as `sessions` says.
pub(crate) async fn start_with_sessions(db: Db, sessions: ConfigBuilder) -> SocketAddr {
    serve(router(db, TIME, sessions)).await
}

/// How the app keeps sessions on the own machine, except that it waits for the
/// store as long as a slow machine needs.
pub(crate) fn patient() -> ConfigBuilder {
    lessons::sessions(Cookies::plain()).deadline(SOON)
}

/// Starts the app as if it listened on `bind`, with these variables.
pub(crate) async fn start_with(db: Db, bind: IpAddr, env: &[(&str, &str)]) -> SocketAddr {
    let lookup = |name: &str| {
        env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    };
    let settings = Settings::from_lookup(lookup, bind).unwrap();
    let app = App::new(db.clone(), settings.login).with_clock(clock(TIME));
    serve(app.router(db, &settings)).await
}

/// Starts the app with a clock that stands at `time`.
pub(crate) async fn start_at(db: Db, time: &str) -> SocketAddr {
    serve(router(db, time, patient())).await
}

fn router(db: Db, time: &str, sessions: ConfigBuilder) -> axum::Router {
    let mut settings = Settings::from_lookup(|_| None, Ipv4Addr::LOCALHOST.into()).unwrap();
    settings.sessions = sessions.build().unwrap();
    App::new(db.clone(), settings.login).with_clock(clock(time)).router(db, &settings)
}

/// Starts the app and opens a browser that is logged in.
pub(crate) async fn start_logged_in(db: Db, user: &str) -> Browser {
    let mut browser = Browser::new(start(db).await);
    browser.log_in(user).await;
    browser
}

fn clock(time: &str) -> impl Fn() -> Zoned + Send + Sync + 'static {
    let zone = match time.strip_suffix('Z') {
        Some(_) => "[UTC]",
        None => "[+03:00]",
    };
    let now: Zoned = format!("{time}{zone}").parse().unwrap();
    move || now.clone()
}

async fn serve(router: axum::Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(router, Config::default());
    // Ends with the test's runtime.
    tokio::spawn(server.run(listener, std::future::pending()));
    address
}
