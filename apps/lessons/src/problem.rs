//! [`Problem`]: errors as responses.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use tuckbox_sessions::SessionError;

use crate::{app::NO_STORE, domain::Invalid};

/// Why a request was not served; as a response, the JSON that the tutorial
/// answers. The cause goes to the log, once, and never to the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// Nobody is logged in.
    #[error("Log in first")]
    LoggedOut,
    /// The request is wrong; the text says how.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// Anybody could log in as anybody, and that was not asked for.
    #[error(
        "Logging in without a password is closed here: it is for the demo, set LOGIN=open to allow it"
    )]
    LoginClosed,
    /// The session could not be read. The tutorial's status for it is 500,
    /// whatever [`SessionError::status`] says.
    #[error("We could not validate the provided session ID")]
    Session(#[source] SessionError),
    /// The session could not be stored.
    #[error("We could not log you in...")]
    Login(#[source] SessionError),
    /// The session could not be removed.
    #[error("We could not log you out...")]
    Logout(#[source] SessionError),
    /// The lesson could not be stored.
    #[error("We could not save your progression...")]
    Save(#[source] tuckbox::Error),
    /// The lessons could not be read.
    #[error("We could not load your lessons...")]
    Load(#[source] tuckbox::Error),
    /// The page could not be made.
    #[error("We could not show this page...")]
    Page(#[source] askama::Error),
}

impl Problem {
    /// The status of the response.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::LoggedOut | Self::LoginClosed => StatusCode::FORBIDDEN,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Session(_) | Self::Save(_) | Self::Load(_) | Self::Page(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            // 503 when the store is in trouble; 409 when requests at the same time
            // were faster.
            Self::Login(cause) | Self::Logout(cause) => cause.status(),
        }
    }

    /// Tells the operator what the client is not told.
    pub(crate) fn log(&self) {
        let Some(cause) = std::error::Error::source(self) else { return };
        if self.status().is_server_error() {
            tracing::error!(%cause, "{self}");
        } else {
            tracing::warn!(%cause, "{self}");
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    message: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log();
        let status = self.status();
        let mut response = match self {
            Self::LoggedOut => (status, NO_STORE, Json(json!({}))).into_response(),
            _ => (status, NO_STORE, Json(Body { message: self.to_string() })).into_response(),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_tried_again_when_the_store_is_back_or_the_race_is_over() {
        for (cause, status, retry_after) in [
            (SessionError::from(tuckbox::Error::Closed), 503, Some("1")),
            (SessionError::StoreDown, 503, Some("1")),
            (SessionError::Ended, 409, None),
            (SessionError::Conflict { key: "k".into() }, 409, None),
            (SessionError::User(0), 500, None),
        ] {
            for problem in [Problem::Login(cause.clone()), Problem::Logout(cause.clone())] {
                let response = problem.into_response();
                assert_eq!(response.status(), status, "{cause}");
                let header = response.headers().get(header::RETRY_AFTER);
                assert_eq!(header.map(|value| value.to_str().unwrap()), retry_after, "{cause}");
            }
        }
        let unread = Problem::Session(SessionError::StoreDown);
        assert_eq!(unread.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
