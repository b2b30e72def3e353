//! The [`Session`] extractor for axum, and errors as responses.

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::RETRY_AFTER, request::Parts};

use crate::{Session, SessionError};

/// The session of the request. Costs no store command.
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = MissingLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Self::from_extensions(&parts.extensions).cloned().ok_or(MissingLayer)
    }
}

/// A handler wants a [`Session`], but no [`SessionLayer`](crate::SessionLayer)
/// is around it: a 500 response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no session layer around this route: add tuckbox_sessions::SessionLayer to the router")]
pub struct MissingLayer;

impl IntoResponse for MissingLayer {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// [`SessionError::status`] without a body, and the error among the extensions.
/// For a message of your own, map the error before.
impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}
