//! The server: accepts connections, and ends well.

use std::{convert::Infallible, fmt, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};

use crate::{
    activity::Activity,
    app::{App, BoxError},
    client::Client,
    config::Config,
    exchange::Exchange,
    front::Front,
    log::Log,
    panics,
    socket::{Patience, Socket},
};

/// An [`App`], or a bare router, that is ready to be served.
///
/// [`Server::run`] takes a listener and a signal to stop from its caller, and touches nothing
/// else of the process, except that panics of handlers go to the log and no longer to the panic
/// hook. [`serve`](crate::serve()) is the form for a program's `main`.
///
/// Connections are HTTP/1.1. Handlers are dropped at an await if their client leaves.
pub struct Server {
    pub(crate) app: App,
    config: Config,
    log: Option<Log>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopped {
    /// Connections that were still busy when the grace was over, and were cut.
    pub connections_cut: usize,
}

impl Server {
    /// A server without an access log.
    #[must_use]
    pub fn new(app: impl Into<App>, config: Config) -> Self {
        Self { app: app.into(), config, log: None }
    }

    /// Asks `check` whenever `/readyz` is asked: see [`App::readiness`].
    #[must_use]
    pub fn readiness<F, R, E>(mut self, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.app = self.app.readiness(check);
        self
    }

    /// Writes the access log to `log`.
    #[must_use]
    pub fn log(mut self, log: Log) -> Self {
        self.log = Some(log);
        self
    }

    /// Writes the access log to `log`, unless another was given.
    pub(crate) fn log_or(mut self, log: Log) -> Self {
        self.log.get_or_insert(log);
        self
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Serves connections of `listener` until `shutdown` completes and the requests in flight are
    /// answered, at most for the grace of the configuration.
    ///
    /// As soon as `shutdown` completes `/readyz` fails and, after the configured delay, no more
    /// connections are accepted and idle ones are closed. When the grace is over the rest is cut,
    /// which is logged. What [`App::on_close`] gave is not run: that is for [`Server::serve`].
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Stopped {
        panics::install_hook();
        let config = self.config;
        let front = Arc::new(Front::new(self.app, &config, self.log));
        let (stop, stopping) = watch::channel(false);
        let door = Door::new(Arc::clone(&front), &config, stopping);
        let mut connections = JoinSet::new();

        let mut shutdown = pin!(shutdown);
        tokio::select! {
            () = &mut shutdown => {}
            never = door.accept_all(&listener, &mut connections) => match never {},
        }
        front.health().stop();
        if !config.shutdown_delay.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(config.shutdown_delay) => {}
                never = door.accept_all(&listener, &mut connections) => match never {},
            }
        }
        drop(listener);
        // An error means that there is no connection left to tell.
        let _ = stop.send(true);
        Stopped { connections_cut: finish(connections, config.shutdown_grace).await }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Waits for connections to end by themselves, then cuts the rest. Returns how many it cut.
async fn finish(mut connections: JoinSet<()>, grace: Duration) -> usize {
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, all_ended).await.is_ok() {
        return 0;
    }
    let cut = connections.len();
    if cut > 0 {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(connections = cut, grace_ms, "requests outlasted the grace and were cut");
    }
    connections.shutdown().await;
    cut
}

/// Where connections come in.
struct Door {
    front: Arc<Front>,
    http: http1::Builder,
    patience: Patience,
    trusted_hops: usize,
    /// One for each connection that may be open.
    places: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// How long to wait when the system has no more descriptors: until some connection closes.
const PAUSE_WITHOUT_RESOURCES: Duration = Duration::from_millis(100);

impl Door {
    fn new(front: Arc<Front>, config: &Config, stopping: watch::Receiver<bool>) -> Self {
        let mut http = http1::Builder::new();
        // The socket holds the time limits.
        http.header_read_timeout(None)
            .max_header_size(config.header_limit)
            .max_buf_size(config.header_limit.max(64 << 10));
        Self {
            front,
            http,
            patience: Patience {
                keep_alive: config.keep_alive_timeout,
                head: config.header_read_timeout,
                write: config.write_timeout,
            },
            trusted_hops: config.trusted_proxy_hops,
            places: Arc::new(Semaphore::new(config.max_connections.get())),
            stopping,
        }
    }

    /// Starts a task for each connection. May be dropped at any point and called again.
    async fn accept_all(
        &self,
        listener: &TcpListener,
        connections: &mut JoinSet<()>,
    ) -> Infallible {
        loop {
            tokio::select! {
                (tcp, peer, place) = self.accept(listener) => {
                    connections.spawn(self.serve(tcp, peer, place));
                }
                // Tasks that ended are let go as they end, not kept until the shutdown.
                Some(_) = connections.join_next() => {}
            }
        }
    }

    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
        // Fails only if closed, which this never is.
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            match listener.accept().await {
                Ok((tcp, peer)) => return (tcp, peer, place),
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections for now");
                    tokio::time::sleep(PAUSE_WITHOUT_RESOURCES).await;
                }
            }
        }
    }

    fn serve(
        &self,
        tcp: TcpStream,
        peer: SocketAddr,
        place: Option<OwnedSemaphorePermit>,
    ) -> impl Future<Output = ()> + Send + 'static {
        // Answers are written whole; waiting for more to send would only delay them. An error
        // means that the client is gone already, which the first read will tell.
        let _ = tcp.set_nodelay(true);
        let activity = Arc::new(Activity::default());
        let socket = Socket::new(tcp, Arc::clone(&activity), self.patience);
        let (front, requests) = (Arc::clone(&self.front), Arc::clone(&activity));
        let trusted_hops = self.trusted_hops;
        let service = service_fn(move |request: Request<Incoming>| {
            let front = Arc::clone(&front);
            let names = front.name(request.headers());
            let client = Client::of(request.headers(), Some(peer), trusted_hops);
            // Begun here and not in the future, so that the connection counts as busy at once.
            let exchange =
                Exchange::begin(Arc::clone(&front), &request, names, Some(Arc::clone(&requests)));
            async move { Ok::<_, Infallible>(front.answer(request, client, exchange).await) }
        });
        let connection = self.http.serve_connection(TokioIo::new(socket), service);
        let mut stopping = self.stopping.clone();
        async move {
            let _place = place;
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                biased;
                ended = &mut connection => ended,
                () = stop_asked(&mut stopping) => {
                    // A connection on which nothing is asked is not waited for: browsers open
                    // some ahead of need, and hold others between requests.
                    if activity.is_idle() {
                        return;
                    }
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, %peer, "a connection broke off");
            }
        }
    }
}

async fn stop_asked(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which asks for the same.
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
