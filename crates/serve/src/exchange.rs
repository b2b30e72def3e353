//! One request and its response: what is known of it, and the line it leaves in the log.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::Body;
#[cfg(feature = "lambda")]
use axum::response::Response;
use bytes::{Buf, Bytes};
use http::{Method, Request, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tracing::Span;

#[cfg(feature = "lambda")]
use crate::problem::Problem;
use crate::{
    activity::Activity, correlation::Correlation, front::Front, health::Probe, log::AccessLine,
    panics, request_id::RequestId,
};

/// nginx's word for a request whose client left before it was answered.
const CLIENT_LEFT: u16 = 499;

/// Lives from a request's head to the last byte of its response; logs itself when it ends.
pub(crate) struct Exchange {
    front: Arc<Front>,
    /// The connection's, which is told when the exchange is over.
    activity: Option<Arc<Activity>>,
    started: Instant,
    /// Until whoever brought the request gives up.
    time_left: Option<Duration>,
    method: Method,
    uri: Uri,
    names: Correlation,
    probe: bool,
    /// Nothing until there is a response.
    status: Option<StatusCode>,
    /// Bytes of the response's body that the connection took.
    bytes: u64,
    whole: bool,
}

impl Exchange {
    pub(crate) fn begin<B>(
        front: Arc<Front>,
        request: &Request<B>,
        names: Correlation,
        activity: Option<Arc<Activity>>,
    ) -> Self {
        if let Some(activity) = &activity {
            activity.request_began();
        }
        Self {
            front,
            activity,
            started: Instant::now(),
            time_left: None,
            method: request.method().clone(),
            uri: request.uri().clone(),
            names,
            probe: Probe::of(request.uri().path()).is_some(),
            status: None,
            bytes: 0,
            whole: false,
        }
    }

    /// The same with a bound on its time.
    #[cfg(feature = "lambda")]
    pub(crate) fn within(mut self, time_left: Duration) -> Self {
        self.time_left = Some(time_left);
        self
    }

    pub(crate) fn id(&self) -> &RequestId {
        &self.names.id
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    pub(crate) fn activity(&self) -> Option<&Activity> {
        self.activity.as_deref()
    }

    /// The span in which the request is handled.
    pub(crate) fn span(&self) -> Span {
        self.names.span()
    }

    /// How long the request may take, where `usual` is what others may.
    pub(crate) fn time_limit(&self, usual: Duration) -> Duration {
        self.time_left.map_or(usual, |left| left.min(usual))
    }

    /// From now on the exchange lives as long as the body.
    pub(crate) fn into_body(mut self, status: StatusCode, body: Body) -> ResponseBody {
        self.status = Some(status);
        ResponseBody { inner: body, exchange: self }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            activity.request_ended();
        }
        let Some(log) = self.front.log() else { return };
        let client_left = StatusCode::from_u16(CLIENT_LEFT).unwrap_or(StatusCode::BAD_REQUEST);
        log.access(&AccessLine {
            method: &self.method,
            path: self.uri.path(),
            status: self.status.unwrap_or(client_left),
            duration: self.started.elapsed(),
            bytes: self.bytes,
            names: &self.names,
            aborted: !self.whole,
            probe: self.probe,
        });
    }
}

/// A response's body, which ends its exchange when it is dropped.
pub(crate) struct ResponseBody {
    inner: Body,
    exchange: Exchange,
}

impl ResponseBody {
    /// The span of its request.
    #[cfg(feature = "lambda")]
    pub(crate) fn span(&self) -> Span {
        self.exchange.span()
    }

    /// The client gets another response instead.
    #[cfg(feature = "lambda")]
    pub(crate) fn replace(mut self, problem: Problem) -> Response {
        let response = problem.response(self.exchange.id());
        self.exchange.status = Some(response.status());
        response
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let polled = panics::catch(|| Pin::new(&mut this.inner).poll_frame(cx));
        let frame = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(frame)) => frame,
            Err(panic) => {
                // The head is sent already: all that is left is to break the body off.
                let _in_request = this.exchange.span().entered();
                panic.report("a response body panicked");
                this.inner = Body::empty();
                return Poll::Ready(Some(Err(axum::Error::new(BodyPanicked))));
            }
        };
        match &frame {
            None => this.exchange.whole = true,
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Buf::remaining);
                this.exchange.bytes += length as u64;
            }
            Some(Err(error)) => {
                let _in_request = this.exchange.span().entered();
                tracing::warn!(%error, "a response body broke off");
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // A body that says it is over is not asked again, nor is the body of a HEAD.
        let exchange = &mut self.exchange;
        exchange.whole |= self.inner.is_end_stream() || exchange.method == Method::HEAD;
    }
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the response body panicked")]
struct BodyPanicked;
