//! [`SessionMiddleware`]: the middleware.

use std::{
    future::{Ready, ready},
    pin::Pin,
};

use actix_web::{
    Error, HttpMessage as _, ResponseError as _,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    error::InternalError,
    http::{StatusCode, header::HeaderName},
};
use tuckbox_sessions::{Session, SessionLayer};

use crate::{
    SessionError,
    passing::{self, Passing},
};

/// Gives every request a [`Session`](crate::Session) and saves it before the
/// response leaves.
///
/// For `App::wrap`, or that of a scope or a resource. The last that is wrapped
/// is the outermost: wrap it before what adds to all responses (a log, request
/// ids) and after what uses the session.
///
/// Cloning it is cheap, and all workers share one.
///
/// ```
/// use actix_web::App;
/// use tuckbox_sessions::{Config, SessionLayer};
/// use tuckbox_sessions_actix::SessionMiddleware;
///
/// # async fn app() -> Result<(), tuckbox::Error> {
/// let db = tuckbox::Db::open("redis://127.0.0.1:6379").await?;
/// let sessions = SessionMiddleware::new(SessionLayer::new(db, Config::default()));
/// let app = App::new().wrap(sessions.clone());
/// # let _ = app; Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionMiddleware {
    layer: SessionLayer,
    passing: Passing,
}

impl SessionMiddleware {
    /// Sessions as `layer` is told to keep them.
    pub fn new(layer: SessionLayer) -> Self {
        Self { layer, passing: Passing::new() }
    }

    /// Shows one more of the request's headers to
    /// [`client_address`](tuckbox_sessions::ConfigBuilder::client_address), where
    /// a proxy tells the client's address in it. `Forwarded` and
    /// `X-Forwarded-For` are shown anyway.
    ///
    /// ```
    /// # use actix_web::http::header::HeaderName;
    /// # use tuckbox_sessions_actix::SessionMiddleware;
    /// # fn example(sessions: SessionMiddleware) -> SessionMiddleware {
    /// sessions.pass_header(HeaderName::from_static("cf-connecting-ip"))
    /// # }
    /// ```
    pub fn pass_header(mut self, name: HeaderName) -> Self {
        self.passing = self.passing.with(name);
        self
    }

    fn begin(&self, request: &ServiceRequest) -> Session {
        self.layer.begin(&self.passing.headers(request), &passing::extensions(request))
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<SessionService<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(SessionService { inner, middleware: self.clone() }))
    }
}

/// A service whose requests have sessions; made by [`SessionMiddleware`].
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    inner: S,
    middleware: SessionMiddleware,
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let session = self.middleware.begin(&request);
        request.extensions_mut().insert(session.clone());
        let handling = self.inner.call(request);
        Box::pin(async move { conclude(handling.await, session).await })
    }
}

/// Saves the session, and answers the response with what became of the cookie,
/// or what the client gets when the session could not be saved: the handler's
/// response may promise what did not happen.
async fn conclude<B>(
    handled: Result<ServiceResponse<B>, Error>,
    session: Session,
) -> Result<ServiceResponse<EitherBody<B>>, Error>
where
    B: MessageBody + 'static,
{
    match (handled, session.conclude().await.map_err(SessionError)) {
        (Ok(mut response), Ok(cookie)) => {
            if let Some(cookie) = cookie {
                passing::set_cookie(response.headers_mut(), &cookie);
            }
            Ok(response.map_into_left_body())
        }
        // A response rather than an error, which would pass by the middleware
        // outside that adds to responses.
        (Ok(response), Err(error)) => {
            report(&error);
            Ok(response.error_response(error).map_into_right_body())
        }
        (Err(error), Ok(None)) => Err(error),
        (Err(error), Ok(Some(cookie))) => {
            let mut response = error.error_response();
            passing::set_cookie(response.headers_mut(), &cookie);
            Err(InternalError::from_response(error, response).into())
        }
        (Err(_), Err(error)) => {
            report(&error);
            Err(error.into())
        }
    }
}

fn report(error: &SessionError) {
    if error.status_code() == StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(%error, "a session was not saved, so the response was not sent");
    } else {
        tracing::warn!(%error, "a session was not saved, so the response was not sent");
    }
}
