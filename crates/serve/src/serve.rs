//! The server as a process: its port, its signals, its log.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{app::App, config::Config, error::ServeError, log::Log, server::Server};

/// How long the end of the program waits for the log's output.
pub(crate) const LOG_LIMIT: Duration = Duration::from_secs(1);

/// What shells report for a process that a signal ended: this and the signal's number.
const STATUS_OF_SIGNAL: i32 = 128;

/// Serves an app, or a bare router, until SIGTERM or SIGINT: `Server::new(app, config).serve()`.
///
/// # Errors
/// As [`Server::serve`].
pub async fn serve(app: impl Into<App>, config: Config) -> Result<(), ServeError> {
    Server::new(app, config).serve().await
}

impl Server {
    /// Listens where the configuration says, says so in the log, and serves until SIGTERM or
    /// SIGINT (Ctrl-C). Then requests in flight are finished, see [`Server::run`], and what
    /// [`App::on_close`] gave is run. That one is run whatever became of the rest, also when the
    /// port cannot be listened on.
    ///
    /// A second signal ends the process at once, with the status 128 + the signal's number,
    /// whatever it is doing, also after this has returned: so a program that hangs while it
    /// closes its files can still be stopped by hand.
    ///
    /// The access log goes to the log given with [`Server::log`], else to the process's
    /// ([`Log::install`]).
    ///
    /// # Errors
    /// [`ServeError`] if the address cannot be listened on, or the system gives no signal
    /// handler or no thread for the log; [`ServeError::Close`] if closing failed and nothing else
    /// did.
    pub async fn serve(mut self) -> Result<(), ServeError> {
        let close = self.app.take_close();
        let served = self.serve_until_signal().await;
        let closed = close.await.map_err(ServeError::Close);
        if let (Err(_), Err(error)) = (&served, &closed) {
            tracing::error!(%error, "closing failed as well");
        }
        served.and(closed)
    }

    async fn serve_until_signal(self) -> Result<(), ServeError> {
        let log = Log::install(self.config())?;
        let mut signals = Signals::new()?;
        let address = self.config().address(self.app.default_port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ServeError::listen(address, source))?;
        let bound = listener.local_addr().unwrap_or(address);
        let url = url(bound);
        tracing::info!(address = %bound, "listening on {url}");

        let shutdown = async {
            let name = signals.next().await;
            tracing::info!(signal = name, "stopping; a second signal ends the process at once");
        };
        let stopped = self.log_or(log.clone()).run(listener, shutdown).await;
        tracing::info!(connections_cut = stopped.connections_cut, "stopped");
        log.flush(LOG_LIMIT);
        Ok(())
    }
}

/// The signals that ask a program to end.
pub(crate) struct Signals {
    term: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on a first signal is left to [`Signals::next`], and a second ends the process.
    pub(crate) fn new() -> Result<Self, ServeError> {
        Self::listen().map_err(|source| ServeError::System { what: "a signal handler", source })
    }

    fn listen() -> io::Result<Self> {
        let signalled = Arc::new(AtomicBool::new(false));
        for number in [SIGTERM, SIGINT] {
            // These run in this order within the signal handler: the first signal finds the flag
            // down and raises it, the second finds it up. Within the handler, because a program
            // that must be ended by force may have no thread left that listens.
            let status = STATUS_OF_SIGNAL + number;
            flag::register_conditional_shutdown(number, status, Arc::clone(&signalled))?;
            flag::register(number, Arc::clone(&signalled))?;
        }
        Ok(Self {
            term: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Where a person finds the server: a name that a browser takes, where there is one.
fn url(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    if ip.is_loopback() || ip.is_unspecified() {
        format!("http://localhost:{port}")
    } else {
        format!("http://{address}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_one_that_a_browser_takes() {
        for (address, expected) in [
            ("127.0.0.1:5000", "http://localhost:5000"),
            ("0.0.0.0:8080", "http://localhost:8080"),
            ("[::]:8080", "http://localhost:8080"),
            ("[fd00::1]:80", "http://[fd00::1]:80"),
            ("192.0.2.7:80", "http://192.0.2.7:80"),
        ] {
            assert_eq!(url(address.parse().unwrap()), expected);
        }
    }
}
