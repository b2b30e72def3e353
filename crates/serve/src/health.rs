//! `/healthz` and `/readyz`.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, StatusCode, header};

use crate::{problem::Problem, request_id::RequestId};

/// How long the check of readiness may take before it counts as failed.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

type BoxError = Box<dyn Error + Send + Sync>;
type Checking = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// The caller's check of what the program needs in order to work.
pub(crate) struct Check(Box<dyn Fn() -> Checking + Send + Sync>);

impl Check {
    pub(crate) fn new<F, R, E>(check: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self(Box::new(move || {
            let checking = check();
            Box::pin(async move { checking.await.map_err(Into::into) })
        }))
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

/// What keeps the process itself from its work, as the caller sees it.
pub(crate) struct SelfCheck(Box<dyn Fn() -> Option<&'static str> + Send + Sync>);

impl SelfCheck {
    pub(crate) fn new(trouble: impl Fn() -> Option<&'static str> + Send + Sync + 'static) -> Self {
        Self(Box::new(trouble))
    }
}

impl fmt::Debug for SelfCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfCheck")
    }
}

/// A question about the server's own state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// Is the process alive, and fit for its work?
    Health,
    /// Can it serve?
    Readiness,
}

impl Probe {
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Readiness),
            _ => None,
        }
    }
}

/// The state that probes ask for.
#[derive(Debug, Default)]
pub(crate) struct Health {
    check: Option<Check>,
    self_check: Option<SelfCheck>,
    stopping: AtomicBool,
    /// Why the last check failed, so that a cause is logged when it comes and when it goes, and
    /// not at every probe.
    failure: Mutex<Option<String>>,
    /// The same of the process itself.
    trouble: Mutex<Option<&'static str>>,
}

impl Health {
    pub(crate) fn new(check: Option<Check>, self_check: Option<SelfCheck>) -> Self {
        Self { check, self_check, ..Self::default() }
    }

    /// From now on the server is not ready.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) async fn answer(&self, probe: Probe, method: &Method, id: &RequestId) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = Problem::MethodNotAllowed.response(id);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
            return response;
        }
        let mut response = match probe {
            Probe::Health => match self.trouble() {
                None => ok(),
                Some(trouble) => Problem::Unhealthy(trouble).response(id),
            },
            Probe::Readiness if self.is_ready().await => ok(),
            Probe::Readiness => Problem::NotReady.response(id),
        };
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn trouble(&self) -> Option<&'static str> {
        let SelfCheck(check) = self.self_check.as_ref()?;
        let trouble = check();
        let mut last = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != trouble {
            *last = trouble;
            drop(last);
            match trouble {
                Some(cause) => tracing::error!(cause, "not healthy"),
                None => tracing::info!("healthy again"),
            }
        }
        trouble
    }

    async fn is_ready(&self) -> bool {
        if self.stopping.load(Ordering::Acquire) {
            return false;
        }
        let Some(Check(check)) = &self.check else { return true };
        let failure = match tokio::time::timeout(CHECK_LIMIT, check()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", CHECK_LIMIT.as_secs())),
        };
        let ready = failure.is_none();
        self.note(failure);
        // The server may have begun to stop during the check.
        ready && !self.stopping.load(Ordering::Acquire)
    }

    fn note(&self, failure: Option<String>) {
        let mut last = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == failure {
            return;
        }
        last.clone_from(&failure);
        drop(last);
        match failure {
            Some(cause) => tracing::warn!(cause, "not ready"),
            None => tracing::info!("ready again"),
        }
    }
}

fn ok() -> Response {
    let mut response = Response::new(Body::from("{\"status\":\"ok\"}"));
    *response.status_mut() = StatusCode::OK;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
