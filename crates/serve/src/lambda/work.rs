//! The requests in flight, counted, so that the end can wait for them.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use lambda_runtime::{
    LambdaInvocation, Service,
    tower::layer::{Layer, layer_fn},
};
use tokio::sync::Notify;

use crate::app::BoxError;

/// How many invocations are being answered. An invocation ends when Lambda has its response.
#[derive(Debug, Default)]
pub(super) struct Work {
    under_way: AtomicUsize,
    ended: Notify,
}

impl Work {
    /// Waits until none is under way, at most `limit`.
    pub(super) async fn finished(&self, limit: Duration) {
        let all = async {
            loop {
                let ended = self.ended.notified();
                if self.under_way.load(Ordering::Acquire) == 0 {
                    return;
                }
                ended.await;
            }
        };
        if tokio::time::timeout(limit, all).await.is_err() {
            let requests = self.under_way.load(Ordering::Acquire);
            tracing::warn!(requests, "requests outlasted the time that is left and are cut");
        }
    }
}

/// Counts what passes.
pub(super) fn layer<S>(work: &Arc<Work>) -> impl Layer<S, Service = Counted<S>> + use<S> {
    let work = Arc::clone(work);
    layer_fn(move |inner| Counted { inner, work: Arc::clone(&work) })
}

#[derive(Clone, Debug)]
pub(super) struct Counted<S> {
    inner: S,
    work: Arc<Work>,
}

impl<S> Service<LambdaInvocation> for Counted<S>
where
    S: Service<LambdaInvocation, Response = (), Error = BoxError>,
{
    type Response = ();
    type Error = BoxError;
    type Future = Counting<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        self.work.under_way.fetch_add(1, Ordering::AcqRel);
        let ticket = Ticket(Arc::clone(&self.work));
        Counting { inner: Box::pin(self.inner.call(invocation)), _ticket: ticket }
    }
}

#[derive(Debug)]
pub(super) struct Counting<F> {
    inner: Pin<Box<F>>,
    _ticket: Ticket,
}

impl<F: Future> Future for Counting<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.inner.as_mut().poll(cx)
    }
}

#[derive(Debug)]
struct Ticket(Arc<Work>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}
