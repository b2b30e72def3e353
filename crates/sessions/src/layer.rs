//! [`SessionLayer`]: the middleware.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{
    Extensions, HeaderMap, HeaderValue, Request, Response,
    header::{CACHE_CONTROL, RETRY_AFTER, SET_COOKIE},
};
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use tuckbox::Db;

use crate::{Config, Session, SessionError, Sessions, shared::Shared, state::CookieChange};

/// Gives every request a [`Session`] and saves it before the response leaves.
///
/// It wraps any [`tower::Service`] over the `http` types whose response body
/// has a [`Default`], an empty one for the error responses. Put it inside
/// whatever adds to all responses (request ids, access log) and outside
/// whatever uses the session.
///
/// ```
/// use tuckbox_sessions::{Config, SessionLayer};
///
/// # async fn app() -> Result<axum::Router, tuckbox::Error> {
/// let db = tuckbox::Db::open("redis://127.0.0.1:6379").await?;
/// let app = axum::Router::new().layer(SessionLayer::new(db, Config::default()));
/// # Ok(app) }
/// ```
#[derive(Clone, Debug)]
pub struct SessionLayer {
    shared: Arc<Shared>,
}

impl SessionLayer {
    /// Sessions in `db`.
    #[must_use]
    pub fn new(db: Db, config: Config) -> Self {
        Self { shared: Arc::new(Shared::new(&db, config)) }
    }

    /// The session of a request with these headers: the first half of what the
    /// middleware does, for frameworks that are not built on tower. The second
    /// half is [`Session::conclude`]. `extensions` is what
    /// [`client_address`](crate::ConfigBuilder::client_address) gets to see.
    /// Costs no store command.
    #[must_use]
    pub fn begin(&self, headers: &HeaderMap, extensions: &Extensions) -> Session {
        Session::new(self.shared.clone(), headers, extensions)
    }

    /// The sessions of all users, for whoever administers them.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::of(self.shared.clone())
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService { inner, shared: self.shared.clone() }
    }
}

/// A service whose requests have sessions; made by [`SessionLayer`].
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for SessionService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>>,
    ResponseBody: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = SessionFuture<S::Future, ResponseBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let session = Session::new(self.shared.clone(), request.headers(), request.extensions());
        request.extensions_mut().insert(session.clone());
        SessionFuture { phase: Phase::Handling { inner: self.inner.call(request) }, session }
    }
}

pin_project! {
    /// The response of a [`SessionService`].
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct SessionFuture<F, B> {
        #[pin]
        phase: Phase<F, B>,
        session: Session,
    }
}

type Saving = Pin<Box<dyn Future<Output = Result<(), SessionError>> + Send>>;

pin_project! {
    #[project = PhaseProjection]
    enum Phase<F, B> {
        /// The handler is at work.
        Handling { #[pin] inner: F },
        /// The response is ready and waits for the session to be saved. Boxed,
        /// because most requests write nothing and never come here.
        Saving { saving: Saving, response: Option<Response<B>> },
    }
}

impl<F, B, E> Future for SessionFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.phase.as_mut().project() {
                PhaseProjection::Handling { inner } => {
                    let response = ready!(inner.poll(cx))?;
                    if !this.session.must_finish() {
                        return Poll::Ready(Ok(with_cookie(response, this.session)));
                    }
                    let saving = Box::pin(this.session.clone().finish());
                    this.phase.set(Phase::Saving { saving, response: Some(response) });
                }
                PhaseProjection::Saving { saving, response } => {
                    let saved = ready!(saving.as_mut().poll(cx));
                    let response = match (saved, response.take()) {
                        (Ok(()), Some(response)) => with_cookie(response, this.session),
                        (Ok(()), None) => Response::default(), // polled again after its end
                        (Err(error), _) => refusal(error),
                    };
                    return Poll::Ready(Ok(response));
                }
            }
        }
    }
}

impl<F, B> std::fmt::Debug for SessionFuture<F, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionFuture").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Session {
    /// Saves what the request has changed, and answers the `Set-Cookie` header
    /// that its response must have, if any: the second half of what the
    /// middleware does, for frameworks that are not built on tower. Call it when
    /// the response is made and before any of it is sent, set `Cache-Control:
    /// no-store` where there is a cookie, and send [`SessionError::status`] and
    /// [`SessionError::retry_after`] in place of the response when it fails.
    ///
    /// # Errors
    /// As for [`save`](Self::save).
    pub async fn conclude(self) -> Result<Option<HeaderValue>, SessionError> {
        if self.must_finish() {
            // Boxed, because most requests write nothing and never come here.
            Box::pin(self.clone().finish()).await?;
        }
        Ok(self.set_cookie())
    }

    fn set_cookie(&self) -> Option<HeaderValue> {
        match self.start_response() {
            CookieChange::Keep => None,
            CookieChange::Set(id) => Some(self.layer().cookie.set(&id)),
            CookieChange::Remove => Some(self.layer().cookie.remove()),
        }
    }
}

/// The response with what becomes of the cookie.
fn with_cookie<B>(mut response: Response<B>, session: &Session) -> Response<B> {
    let Some(cookie) = session.set_cookie() else { return response };
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, cookie);
    // A cache that kept this response would hand the session to strangers.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What the client gets when the session could not be saved: the handler's
/// response may promise what did not happen. The error is among the extensions,
/// so that a layer outside can log it or add a body.
fn refusal<B: Default>(error: SessionError) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = error.status();
    if let Some(seconds) = error.retry_after() {
        tracing::error!(%error, "a session was not saved, so the response was not sent");
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    } else {
        tracing::warn!(%error, "a session was not saved, so the response was not sent");
    }
    response.extensions_mut().insert(error);
    response
}
