//! The error bodies made here, in one form: `{"Message":"…","RequestId":"…"}`.

use axum::{body::Body, response::Response};
use http::{HeaderValue, StatusCode, header};

use crate::request_id::RequestId;

/// A response of this crate's own, told outward without its cause.
#[derive(Clone, Copy)]
pub(crate) enum Problem {
    NotFound,
    MethodNotAllowed,
    BodyTooSlow,
    BodyTooLarge,
    Panicked,
    NotReady,
    /// With what is wrong.
    Unhealthy(&'static str),
    HandlerTooSlow,
    #[cfg(feature = "lambda")]
    ResponseTooLarge,
}

impl Problem {
    fn status(self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            #[cfg(feature = "lambda")]
            Self::ResponseTooLarge => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotReady | Self::Unhealthy(_) => StatusCode::SERVICE_UNAVAILABLE,
            // Not 503, which invites a client to try again as if nothing had been done: the
            // handler may have done half of its work.
            Self::HandlerTooSlow => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Plain ASCII without quotes, so that it needs no escaping.
    fn message(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::BodyTooSlow => "The request body took too long to arrive",
            Self::BodyTooLarge => "The request body is too large",
            #[cfg(feature = "lambda")]
            Self::ResponseTooLarge => "The response is too large",
            Self::Panicked => "Internal server error",
            Self::NotReady => "Not ready",
            Self::Unhealthy(trouble) => trouble,
            Self::HandlerTooSlow => "The request took too long",
        }
    }

    pub(crate) fn response(self, id: &RequestId) -> Response {
        let mut response = Response::new(Body::empty());
        self.fill(&mut response, id);
        *response.status_mut() = self.status();
        response
    }

    /// Gives a response without a body the body of this problem; its headers stay.
    pub(crate) fn fill(self, response: &mut Response, id: &RequestId) {
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let id = id.as_str();
        let body = format!("{{\"Message\":\"{}\",\"RequestId\":\"{id}\"}}", self.message());
        *response.body_mut() = Body::from(body);
    }
}
