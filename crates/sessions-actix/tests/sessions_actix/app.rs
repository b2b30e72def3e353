//! A small application with sessions, on a port of its own.

use std::{net::SocketAddr, time::Duration};

use actix_web::{
    App, Error, HttpServer, Route,
    body::MessageBody,
    dev::{ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse},
    web::{self, Path, ServiceConfig},
};
use tuckbox::Db;
use tuckbox_sessions::{Config, ConfigBuilder, Cookies, SessionLayer};
use tuckbox_sessions_actix::{Session, SessionError, SessionMiddleware};

/// The defaults, on plain HTTP.
pub(crate) fn plain() -> ConfigBuilder {
    Config::builder().cookies(Cookies::plain())
}

/// The middleware with sessions in `db`, and time enough for a slow machine.
pub(crate) fn sessions(db: &Db, config: ConfigBuilder) -> SessionMiddleware {
    let config = config.deadline(Duration::from_secs(10));
    SessionMiddleware::new(SessionLayer::new(db.clone(), config.build().unwrap()))
}

/// A server that ends with this value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    handle: ServerHandle,
}

impl Server {
    /// [`routes`] and `more`, inside of `sessions`.
    pub(crate) fn start(
        sessions: SessionMiddleware,
        more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        Self::run(1, move || {
            App::new().wrap(sessions.clone()).configure(routes).configure(more.clone())
        })
    }

    /// The default configuration on plain HTTP, with sessions in `db`.
    pub(crate) fn plain(db: &Db) -> Self {
        Self::start(sessions(db, plain()), |_| {})
    }

    /// The same with one route more.
    pub(crate) fn with_route(db: &Db, path: &'static str, route: fn() -> Route) -> Self {
        Self::start(sessions(db, plain()), move |config| {
            config.route(path, route());
        })
    }

    /// Runs whatever application `app` makes, in so many workers.
    pub(crate) fn run<T, B>(
        workers: usize,
        app: impl Fn() -> App<T> + Clone + Send + 'static,
    ) -> Self
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let server = HttpServer::new(app).workers(workers);
        let server = server.disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let running = server.run();
        let handle = running.handle();
        tokio::spawn(running);
        Self { address, handle }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The call sends the command; the future only waits for the end.
        drop(self.handle.stop(false));
    }
}

/// Routes that each do one thing to the session.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/ignore", web::to(async || "ok"))
        .route("/untouched", web::to(async |_: Session| "ok"))
        .route("/user", web::to(user))
        .route("/get/{key}", web::to(get))
        .route("/set/{key}/{value}", web::to(set))
        .route("/count/{key}", web::to(count))
        .route("/login/{user}", web::to(login))
        .route("/logout", web::to(logout));
}

async fn user(session: Session) -> Result<String, SessionError> {
    Ok(session.user().await?.map_or_else(|| "nobody".to_owned(), |user| user.to_string()))
}

async fn get(session: Session, key: Path<String>) -> Result<String, SessionError> {
    Ok(session.get::<String>(&key).await?.unwrap_or_else(|| "nothing".to_owned()))
}

async fn set(session: Session, pair: Path<(String, String)>) -> Result<String, SessionError> {
    session.insert(&pair.0, &pair.1).await?;
    Ok("set".to_owned())
}

async fn count(session: Session, key: Path<String>) -> Result<String, SessionError> {
    Ok(session.increment(&key, 1).await?.to_string())
}

async fn login(session: Session, user: Path<String>) -> Result<String, SessionError> {
    session.login(&user).await?;
    Ok(format!("welcome, {user}"))
}

async fn logout(session: Session) -> Result<String, SessionError> {
    session.logout().await?;
    Ok("bye".to_owned())
}
