//! What every request passes through on its way to the router, whoever brought it here.
//!
//! This part knows neither sockets nor processes: it takes a request and gives a response.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use axum::{
    BoxError, Router,
    extract::{DefaultBodyLimit, Request},
    response::Response,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as HttpBody;
use tokio::time::Sleep;
use tower::Service;

use crate::{
    app::App,
    client::{Client, Peer},
    config::Config,
    correlation::{Correlation, Naming},
    exchange::{Exchange, ResponseBody},
    health::{Health, Probe},
    log::Log,
    panics,
    problem::Problem,
    request_body::{self, BodyState, BodyWatch},
    request_id,
};

/// The router with the manners around it. Lives as long as the server.
pub(crate) struct Front {
    router: Router,
    health: Health,
    log: Option<Log>,
    naming: Naming,
    request_timeout: Duration,
    body_limit: usize,
}

impl Front {
    pub(crate) fn new(app: App, config: &Config, log: Option<Log>) -> Self {
        Self {
            // Settles the router's inner state here, which would else be done for each request.
            router: app.router.with_state(()),
            health: Health::new(app.check, app.self_check),
            log,
            naming: config.naming(),
            request_timeout: config.request_timeout,
            body_limit: config.body_limit,
        }
    }

    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    pub(crate) fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// What a request is called in the log.
    pub(crate) fn name(&self, headers: &HeaderMap) -> Correlation {
        self.naming.name(headers)
    }

    /// Answers one request. The exchange lasts until the response's body is dropped.
    pub(crate) async fn answer<B>(
        &self,
        request: http::Request<B>,
        client: Client,
        exchange: Exchange,
    ) -> Response<ResponseBody>
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let mut response = match Probe::of(request.uri().path()) {
            Some(probe) => {
                let answer = self.health.answer(probe, exchange.method(), exchange.id());
                self.guard(&exchange, None, answer).await
            }
            None if request.body().size_hint().lower() > self.body_limit as u64 => {
                refuse_unread(&exchange, Problem::BodyTooLarge)
            }
            None => self.route(request, client, &exchange).await,
        };
        fill_empty(&mut response, &exchange);
        response.headers_mut().insert(request_id::HEADER, exchange.id().header());
        let status = response.status();
        response.map(|body| exchange.into_body(status, body))
    }

    async fn route<B>(
        &self,
        request: http::Request<B>,
        client: Client,
        exchange: &Exchange,
    ) -> Response
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let (body, watch) = request_body::limit(body, self.body_limit);
        let has_body = watch.is_some();
        let mut request = Request::from_parts(parts, body);
        let extensions = request.extensions_mut();
        extensions.insert(exchange.id().clone());
        extensions.insert(client.scheme);
        if let Some(address) = client.address {
            extensions.insert(Peer(address));
        }
        if has_body {
            // The limit is held here, for bodies of every kind; axum's own would be a second one
            // of 2 MB for some.
            DefaultBodyLimit::disable().apply(&mut request);
        }
        let mut router = self.router.clone();
        let answer = async { router.call(request).await.unwrap_or_else(|never| match never {}) };
        let response = self.guard(exchange, watch.as_ref(), answer).await;
        let Some(watch) = watch else { return response };
        match watch.state() {
            BodyState::Read => response,
            // The handler has made an error of its own of it, in a form that is not ours.
            BodyState::TooLarge if !response.status().is_success() => {
                refuse_unread(exchange, Problem::BodyTooLarge)
            }
            BodyState::TooLarge | BodyState::Resting | BodyState::Awaited => {
                if let Some(activity) = exchange.activity() {
                    activity.leave_unread();
                }
                response
            }
        }
    }

    /// Runs `answer` in the request's span, with a deadline; a panic in it becomes a response.
    async fn guard(
        &self,
        exchange: &Exchange,
        body: Option<&BodyWatch>,
        answer: impl Future<Output = Response>,
    ) -> Response {
        let span = exchange.span();
        let mut answer = pin!(answer);
        // Made only for an answer that is not there at once.
        let mut deadline = pin!(None::<Sleep>);
        poll_fn(|cx| {
            let polled = span.in_scope(|| {
                panics::catch(|| answer.as_mut().poll(cx)).map_err(|panic| {
                    panic.report("a handler panicked");
                })
            });
            match polled {
                Ok(Poll::Ready(response)) => return Poll::Ready(response),
                Ok(Poll::Pending) => {}
                Err(()) => return Poll::Ready(Problem::Panicked.response(exchange.id())),
            }
            if deadline.is_none() {
                deadline.set(Some(tokio::time::sleep(exchange.time_limit(self.request_timeout))));
            }
            match deadline.as_mut().as_pin_mut().map(|deadline| deadline.poll(cx)) {
                Some(Poll::Ready(())) => Poll::Ready(match body.map(BodyWatch::state) {
                    Some(BodyState::Awaited) => refuse_unread(exchange, Problem::BodyTooSlow),
                    _ => Problem::HandlerTooSlow.response(exchange.id()),
                }),
                Some(Poll::Pending) | None => Poll::Pending,
            }
        })
        .await
    }
}

/// A problem whose request has a body that nobody will read: the connection is of no more use.
fn refuse_unread(exchange: &Exchange, problem: Problem) -> Response {
    let mut response = problem.response(exchange.id());
    if let Some(activity) = exchange.activity() {
        activity.leave_unread();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Gives a body to a "not found" or "method not allowed" that has none, as the router's own.
fn fill_empty(response: &mut Response, exchange: &Exchange) {
    let problem = match response.status() {
        StatusCode::NOT_FOUND => Problem::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Problem::MethodNotAllowed,
        _ => return,
    };
    let empty = response.body().size_hint().exact() == Some(0);
    if empty && !response.headers().contains_key(header::CONTENT_TYPE) {
        problem.fill(response, exchange.id());
    }
}
