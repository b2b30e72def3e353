//! [`SessionError`]: the errors of sessions as responses.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header::RETRY_AFTER},
};

/// Why a session could not be read or saved, as a response of actix-web:
/// [`status`](tuckbox_sessions::SessionError::status) without a body, and
/// `Retry-After` where that is 503. For a message of your own, map the error
/// before.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct SessionError(#[from] pub tuckbox_sessions::SessionError);

impl ResponseError for SessionError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status().as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        if let Some(seconds) = self.0.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
