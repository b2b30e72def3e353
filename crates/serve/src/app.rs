//! [`App`]: what a program serves, whatever serves it.

use std::{error::Error, fmt, pin::Pin};

use axum::Router;

use crate::health::{Check, SelfCheck};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

type Step = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;
type Close = Box<dyn FnOnce() -> Step + Send>;

/// What a program serves, the same as a local server, in a container and as a Lambda function:
/// its routes, how it tells that it can work, and how it lets go of what it holds.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use tuckbox_serve::{App, Config};
///
/// async fn open(_: Config) -> Result<App, std::io::Error> {
///     let router = Router::new().route("/", get(|| async { "hello" }));
///     Ok(App::new(router).default_port(3000))
/// }
///
/// fn main() -> std::process::ExitCode {
///     // In the Lambda function's program: `tuckbox_serve::lambda::run(open)`.
///     tuckbox_serve::local::run(open)
/// }
/// ```
pub struct App {
    pub(crate) router: Router,
    pub(crate) check: Option<Check>,
    pub(crate) self_check: Option<SelfCheck>,
    warm_up: Option<Step>,
    close: Option<Close>,
    pub(crate) default_port: u16,
}

/// Where a program listens that has no reason for another port.
const DEFAULT_PORT: u16 = 5000;

impl App {
    /// The routes alone: always ready, with nothing to close, on port 5000.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self {
            router,
            check: None,
            self_check: None,
            warm_up: None,
            close: None,
            default_port: DEFAULT_PORT,
        }
    }

    /// Asks `check` whenever `/readyz` is asked. An error, or no answer within 1 s, makes it 503;
    /// the cause goes to the log when it comes and when it goes, never to the client.
    #[must_use]
    pub fn readiness<F, R, E>(mut self, check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.check = Some(Check::new(check));
        self
    }

    /// Asks `trouble` whenever `/healthz` is asked: what keeps this process from its work, in
    /// plain ASCII words that anyone may read, or `None` while all is well. It makes it 503 with
    /// those words, and goes to the log when it comes and when it goes.
    ///
    /// For what a restart of this very process, or its disk's owner, can mend. What lies elsewhere,
    /// such as a store that is away, is for [`App::readiness`]: platforms restart what is not healthy.
    #[must_use]
    pub fn health<F>(mut self, trouble: F) -> Self
    where
        F: Fn() -> Option<&'static str> + Send + Sync + 'static,
    {
        self.self_check = Some(SelfCheck::new(trouble));
        self
    }

    /// On AWS Lambda with `WARM_UP=on` ([`Config::warm_up`](crate::Config::warm_up)), awaits
    /// `warm_up` while the sandbox is initialised, for at most 500 ms: to connect to a store, say,
    /// before there is a request that would wait for it. Its error is logged and no more, since the
    /// first request may have better luck.
    #[must_use]
    pub fn warm_up<R, E>(mut self, warm_up: R) -> Self
    where
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.warm_up = Some(Box::pin(async move { warm_up.await.map_err(Into::into) }));
        self
    }

    /// Runs `close` once, when the last request is answered: the program's end waits for it. On
    /// AWS Lambda, which kills half a second after its signal, for at most 300 ms.
    #[must_use]
    pub fn on_close<F, R, E>(mut self, close: F) -> Self
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.close = Some(Box::new(move || {
            let closing = close();
            Box::pin(async move { closing.await.map_err(Into::into) })
        }));
        self
    }

    /// The port of a local server if [`Config::port`](crate::Config::port) names none; else 5000.
    #[must_use]
    pub fn default_port(mut self, port: u16) -> Self {
        self.default_port = port;
        self
    }

    /// Takes out what [`App::warm_up`] gave.
    #[cfg(feature = "lambda")]
    pub(crate) fn take_warm_up(&mut self) -> Option<Step> {
        self.warm_up.take()
    }

    /// Takes out what [`App::on_close`] gave.
    pub(crate) fn take_close(&mut self) -> impl Future<Output = Result<(), BoxError>> + use<> {
        let close = self.close.take();
        async move {
            match close {
                Some(close) => close().await,
                None => Ok(()),
            }
        }
    }
}

impl From<Router> for App {
    fn from(router: Router) -> Self {
        Self::new(router)
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("default_port", &self.default_port).finish_non_exhaustive()
    }
}
