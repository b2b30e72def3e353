//! [`Session`]: the extractor.

use std::{
    future::{Ready, ready},
    ops::Deref,
};

use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError, dev::Payload,
};

/// The session of the request, in a handler's arguments. Costs no store command.
/// Its methods are those of [`tuckbox_sessions::Session`].
#[derive(Clone, Debug)]
pub struct Session(pub tuckbox_sessions::Session);

impl Deref for Session {
    type Target = tuckbox_sessions::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for Session {
    type Error = MissingMiddleware;
    type Future = Ready<Result<Self, MissingMiddleware>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = request.extensions().get::<tuckbox_sessions::Session>().cloned();
        ready(session.map(Self).ok_or(MissingMiddleware))
    }
}

/// A handler wants a [`Session`], but no
/// [`SessionMiddleware`](crate::SessionMiddleware) is around it: a 500 response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no session middleware around this route: wrap the App in tuckbox_sessions_actix::SessionMiddleware"
)]
pub struct MissingMiddleware;

impl ResponseError for MissingMiddleware {
    fn error_response(&self) -> HttpResponse {
        // For whoever runs the server; it is nothing to a client.
        tracing::error!("{self}");
        HttpResponse::new(self.status_code())
    }
}
