//! A request's body with a limit, and with an eye on it.

use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use axum::{BoxError, body::Body};
use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};

/// What the body is doing, told to those who answer the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum BodyState {
    /// Not asked for, or between two parts.
    Resting,
    /// The handler waits for the client.
    Awaited,
    /// Larger than allowed: cut.
    TooLarge,
    /// Read to its end.
    Read,
}

/// Shared between a body and the exchange it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct BodyWatch(Arc<AtomicU8>);

impl BodyWatch {
    pub(crate) fn state(&self) -> BodyState {
        match self.0.load(Ordering::Relaxed) {
            1 => BodyState::Awaited,
            2 => BodyState::TooLarge,
            3 => BodyState::Read,
            _ => BodyState::Resting,
        }
    }

    fn set(&self, state: BodyState) {
        self.0.store(state as u8, Ordering::Relaxed);
    }
}

/// A body that ends with [`TooLarge`] when it exceeds its limit.
pub(crate) struct LimitedBody<B> {
    inner: B,
    left: usize,
    watch: BodyWatch,
}

/// The error that a handler meets in a body that is too large. The client gets 413 whatever error
/// the handler makes of it.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request body is too large")]
pub(crate) struct TooLarge;

/// Wraps a request's body. A body that is known to be empty needs no watching.
pub(crate) fn limit<B>(body: B, bytes_max: usize) -> (Body, Option<BodyWatch>)
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    if body.is_end_stream() {
        return (Body::empty(), None);
    }
    let watch = BodyWatch(Arc::new(AtomicU8::new(BodyState::Resting as u8)));
    let limited = LimitedBody { inner: body, left: bytes_max, watch: watch.clone() };
    (Body::new(limited), Some(watch))
}

impl<B> HttpBody for LimitedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
            self.watch.set(BodyState::Awaited);
            return Poll::Pending;
        };
        let state = if frame.is_none() { BodyState::Read } else { BodyState::Resting };
        self.watch.set(state);
        let Some(frame) = frame.transpose().map_err(Into::into)? else {
            return Poll::Ready(None);
        };
        let length = frame.data_ref().map_or(0, Buf::remaining);
        let Some(left) = self.left.checked_sub(length) else {
            self.watch.set(BodyState::TooLarge);
            return Poll::Ready(Some(Err(Box::new(TooLarge))));
        };
        self.left = left;
        if self.inner.is_end_stream() {
            self.watch.set(BodyState::Read);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
