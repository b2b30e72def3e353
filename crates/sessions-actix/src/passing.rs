//! [`Passing`]: what goes over from actix-web's types, which are those of `http`
//! 0.2, to the session's, which are those of `http` 1, and back.

use std::sync::Arc;

use actix_web::{
    dev::ServiceRequest,
    http::header::{self as actix_header, CACHE_CONTROL, SET_COOKIE},
};
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue,
    header::{COOKIE, FORWARDED, USER_AGENT},
};

/// The request's headers that a session gets to see, under both names. Few, and
/// copied only where a request has them.
#[derive(Clone, Debug)]
pub(crate) struct Passing(Arc<[(actix_header::HeaderName, HeaderName)]>);

impl Passing {
    pub(crate) fn new() -> Self {
        Self(Arc::new([
            (actix_header::COOKIE, COOKIE),
            (actix_header::USER_AGENT, USER_AGENT),
            (actix_header::FORWARDED, FORWARDED),
            (actix_header::X_FORWARDED_FOR, HeaderName::from_static("x-forwarded-for")),
        ]))
    }

    pub(crate) fn with(&self, name: actix_header::HeaderName) -> Self {
        let mut all = self.0.to_vec();
        // Once each: a `Cookie` that came over twice would look like two cookies.
        if all.iter().all(|(passing, _)| *passing != name)
            && let Ok(same) = HeaderName::from_bytes(name.as_str().as_bytes())
        {
            all.push((name, same));
        }
        Self(all.into())
    }

    pub(crate) fn headers(&self, request: &ServiceRequest) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (theirs, ours) in &*self.0 {
            for value in request.headers().get_all(theirs) {
                // Both crates take the same bytes, so that nothing is left out.
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    headers.append(ours, value);
                }
            }
        }
        headers
    }
}

/// The address of the peer, for whoever looks for the client's.
pub(crate) fn extensions(request: &ServiceRequest) -> Extensions {
    let mut extensions = Extensions::new();
    if let Some(peer) = request.peer_addr() {
        extensions.insert(peer);
    }
    extensions
}

/// Puts the session's cookie into a response's headers.
pub(crate) fn set_cookie(headers: &mut actix_header::HeaderMap, cookie: &HeaderValue) {
    #[expect(clippy::expect_used, reason = "both crates take the same bytes")]
    let cookie = actix_header::HeaderValue::from_bytes(cookie.as_bytes())
        .expect("the value of one http crate is one of the other's");
    headers.append(SET_COOKIE, cookie);
    // A cache that kept this response would hand the session to strangers.
    headers.insert(CACHE_CONTROL, actix_header::HeaderValue::from_static("no-store"));
}
