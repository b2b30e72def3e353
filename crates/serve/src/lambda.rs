//! A program as an AWS Lambda function, with the feature `lambda`.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use axum::{Router, routing::get};
//! use tuckbox_serve::{App, Config};
//!
//! async fn open(_: Config) -> Result<App, std::io::Error> {
//!     Ok(App::new(Router::new().route("/", get(|| async { "hello" }))))
//! }
//!
//! fn main() -> ExitCode {
//!     tuckbox_serve::lambda::run(open)
//! }
//! ```
//!
//! # Events
//!
//! Those of function URLs, HTTP and REST APIs of API Gateway, and application load balancers. Each
//! becomes an ordinary request and passes through what a local server's requests pass through:
//! ids, limits, probes, the access log. What a handler sees is the same too:
//!
//! - The path is without the API's stage, and the URI without scheme and host.
//! - Cookies are in one `cookie` header; each `set-cookie` of the response reaches the browser. A
//!   load balancer needs `lambda.multi_value_headers.enabled` for more than one.
//! - Bodies are bytes, also where the event carries them as base64. A response's body goes as
//!   base64 if it is compressed or is no UTF-8.
//! - [`Peer`](crate::Peer) is the source address of the event, for a load balancer the last entry
//!   of `x-forwarded-for`. With [`Config::trusted_proxy_hops`] it is the n-th from the right there,
//!   for functions behind a CDN. [`Scheme`](crate::Scheme) is what the client used.
//!
//! # Responses
//!
//! Collected and given to Lambda in one piece of at most 6 MB; a larger one becomes a 500 with a
//! line in the log. With [`InvokeMode::ResponseStream`] they are streamed, without that limit; the
//! function URL must say the same. The time for a request ends 50 ms before Lambda's own limit, so
//! that the client gets an answer and the log its line.
//!
//! # Concurrency
//!
//! One request after the other; or, where Lambda sets `AWS_LAMBDA_MAX_CONCURRENCY` (managed
//! instances), as many at a time as that says, in the same process and on [`Config::workers`]
//! threads.
//!
//! # Log
//!
//! Every line of a request has `requestId` (Lambda's; it is also the `x-request-id` unless the
//! client sent one, which is then in `request_id`), `xray_trace_id` and `cold_start`, which is true
//! in the first request of a process. Format and level follow the function's logging settings
//! unless `LOG_FORMAT` and `LOG_LEVEL` are set.
//!
//! # The end
//!
//! Lambda announces the end of a sandbox by SIGTERM, if the program has registered an extension,
//! which this does. Requests in flight get 150 ms, what [`App::on_close`] gave 300 ms.

mod answer;
mod event;
mod registration;
mod runtime_api;
mod work;

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lambda_http::Request;
use lambda_runtime::{LambdaInvocation, Runtime, Service, service_fn};

use self::{event::Event, registration::Registration, runtime_api::RuntimeApi, work::Work};
use crate::{
    app::{App, BoxError},
    config::{Config, InvokeMode},
    error::ServeError,
    exchange::{Exchange, ResponseBody},
    front::Front,
    log::Log,
    panics,
    serve::Signals,
};

/// Of the half second between SIGTERM and SIGKILL.
const FINISH_LIMIT: Duration = Duration::from_millis(150);
const CLOSE_LIMIT: Duration = Duration::from_millis(300);

/// How long a start may wait for [`App::warm_up`]: Lambda gives it 10 s in all, and a store that is
/// there answers sooner.
const WARM_UP_LIMIT: Duration = Duration::from_millis(500);

/// The whole of a function's `main`: as [`run`](crate::run()), but what `open` makes answers
/// Lambda's events. An error of `open` is told to Lambda as the error of its initialisation.
///
/// `open` runs while Lambda initialises the sandbox: it should not wait for others. What is better
/// done beforehand than by the first request is for [`App::warm_up`].
pub fn run<O, F, E>(open: O) -> ExitCode
where
    O: FnOnce(Config) -> F,
    F: Future<Output = Result<App, E>>,
    E: Into<BoxError>,
{
    // Lambda answers this while the rest gets ready.
    let begun = RuntimeApi::from_env().map(|api| (Registration::begin(&api), api));
    crate::run(|config| async move {
        let (registration, api) = begun?;
        serve(open, config, registration, api).await
    })
}

async fn serve<O, F, E>(
    open: O,
    config: Config,
    registration: Registration,
    api: RuntimeApi,
) -> Result<(), BoxError>
where
    O: FnOnce(Config) -> F,
    F: Future<Output = Result<App, E>>,
    E: Into<BoxError>,
{
    let mut signals = Signals::new()?;
    let mut app = match open(config.clone()).await {
        Ok(app) => app,
        Err(error) => {
            let error = error.into();
            api.report_init_error(&*error).await;
            return Err(error);
        }
    };
    // Lambda must know of the extension before the first event is asked for.
    let (_extension, ()) = tokio::join!(registration.finish(&api), warm_up(&mut app, &config));
    let close = app.take_close();
    let served = Function::new(app, config)?.serve(&mut signals).await;
    let closed = match tokio::time::timeout(CLOSE_LIMIT, close).await {
        Ok(closed) => closed,
        Err(_) => Err(format!("not done within {} ms", CLOSE_LIMIT.as_millis()).into()),
    };
    served.and(closed.map_err(ServeError::Close)).map_err(Into::into)
}

/// Does beforehand what the app wants so, in the time that the start may take for it.
async fn warm_up(app: &mut App, config: &Config) {
    let Some(warm_up) = app.take_warm_up().filter(|_| config.warm_up) else { return };
    match tokio::time::timeout(WARM_UP_LIMIT, warm_up).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "not warmed up: the first request will tell"),
        Err(_) => tracing::warn!("not warmed up in time: the first request will tell"),
    }
}

/// What answers events. Lives as long as the process.
struct Function {
    front: Arc<Front>,
    config: Config,
    warm: AtomicBool,
}

impl Function {
    fn new(app: App, config: Config) -> Result<Self, ServeError> {
        panics::install_hook();
        let log = Log::install(&config)?;
        let front = Arc::new(Front::new(app, &config, Some(log)));
        Ok(Self { front, config, warm: AtomicBool::new(false) })
    }

    /// Answers events until a signal comes.
    async fn serve(self, signals: &mut Signals) -> Result<(), ServeError> {
        let function = Arc::new(self);
        match function.config.invoke_mode {
            InvokeMode::Buffered => {
                let service = service_fn(move |request| {
                    let function = Arc::clone(&function);
                    async move {
                        let response = function.answer(request).await;
                        Ok::<_, Infallible>(answer::in_one_piece(response).await)
                    }
                });
                drive(lambda_http::runtime_concurrent(service), signals).await
            }
            InvokeMode::ResponseStream => {
                let service = service_fn(move |request| {
                    let function = Arc::clone(&function);
                    async move { Ok::<_, Infallible>(function.answer(request).await) }
                });
                drive(lambda_http::streaming_runtime_concurrent(service), signals).await
            }
        }
    }

    async fn answer(&self, request: Request) -> http::Response<ResponseBody> {
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        let Event { request, client, names, time_left } =
            Event::of(request, cold_start, self.config.trusted_proxy_hops);
        let exchange = Exchange::begin(Arc::clone(&self.front), &request, names, None);
        self.front.answer(request, client, exchange.within(time_left)).await
    }
}

/// Lets the runtime run until a signal comes and the requests in flight are answered.
async fn drive<S>(runtime: Runtime<S>, signals: &mut Signals) -> Result<(), ServeError>
where
    S: Service<LambdaInvocation, Response = (), Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
{
    let work = Arc::new(Work::default());
    let runtime = runtime.layer(work::layer(&work));
    let mut running = pin!(runtime.run_concurrent());
    let ended = tokio::select! {
        ended = &mut running => Some(ended),
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            tokio::select! {
                ended = &mut running => Some(ended),
                () = work.finished(FINISH_LIMIT) => None,
            }
        }
    };
    match ended {
        Some(Err(error)) => Err(ServeError::Lambda(error)),
        Some(Ok(())) | None => Ok(()),
    }
}
