//! [`Trouble`]: what a route does when the store cannot be read.

use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};

use crate::Session;

/// What a route does when the store cannot be read. [`Config`](crate::Config)
/// has the default for all routes; a route that differs wears it as a layer:
///
/// ```
/// use axum::{Router, routing::get};
/// use tuckbox_sessions::{Config, Session, SessionLayer, Trouble};
///
/// # async fn app() -> Result<Router, tuckbox::Error> {
/// # let db = tuckbox::Db::open("redis://127.0.0.1:6379").await?;
/// let app = Router::new()
///     .route("/", get(async |_: Session| "the front page").layer(Trouble::Anonymous))
///     .route("/account", get(async |_: Session| "yours"))
///     .layer(SessionLayer::new(db, Config::default()));
/// # Ok(app) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// The handler gets [`SessionError::Store`](crate::SessionError::Store),
    /// which answers 503 with `Retry-After`. The default.
    #[default]
    Refuse,
    /// The request goes on as one without a session, and read-only: whatever
    /// would change the session is
    /// [`SessionError::ReadOnly`](crate::SessionError::ReadOnly), and the cookie
    /// stays as it is. [`Session::is_degraded`] tells.
    Anonymous,
}

impl<S> Layer<S> for Trouble {
    type Service = TroubleService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TroubleService { inner, trouble: *self }
    }
}

/// A service with a [`Trouble`] of its own.
#[derive(Clone, Debug)]
pub struct TroubleService<S> {
    inner: S,
    trouble: Trouble,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for TroubleService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(session) = Session::from_extensions(request.extensions()) {
            session.on_trouble(self.trouble);
        }
        self.inner.call(request)
    }
}
