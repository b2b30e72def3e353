//! An event as a request.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime},
};

use axum::body::Body;
use http::{Request, Uri, uri::PathAndQuery};
use lambda_http::{Body as EventBody, Context, RequestExt, request::RequestContext};

use crate::{
    client::Client,
    correlation::{Correlation, Invocation},
    log,
};

/// Before Lambda's own limit, for the answer and its log line.
const MARGIN: Duration = Duration::from_millis(50);

/// A deadline that passed so long ago is none: no function runs for longer.
const LONG_AGO: Duration = Duration::from_secs(3600);

/// What an event asks, and what is known of it.
pub(super) struct Event {
    pub(super) request: Request<Body>,
    pub(super) client: Client,
    pub(super) names: Correlation,
    pub(super) time_left: Duration,
}

impl Event {
    /// `trusted_hops` as in [`Config::trusted_proxy_hops`](crate::Config::trusted_proxy_hops).
    pub(super) fn of(
        mut request: lambda_http::Request,
        cold_start: bool,
        trusted_hops: usize,
    ) -> Self {
        let client = client(&request, trusted_hops);
        if let Some(path) = path_and_query(&request) {
            *request.uri_mut() = Uri::from(path);
        }
        let context = request.lambda_context_ref();
        let invocation = Invocation {
            request_id: context.map_or(String::new(), |context| context.request_id.clone()),
            xray_trace_id: context.and_then(|context| trace_root(context).map(str::to_owned)),
            cold_start,
        };
        let deadline = context.map(Context::deadline);
        let names = Correlation::of_invocation(request.headers(), invocation);
        Self {
            client,
            names,
            time_left: time_left(deadline, log::now()),
            request: request.map(body),
        }
    }
}

fn body(body: EventBody) -> Body {
    match body {
        EventBody::Text(text) => Body::from(text),
        EventBody::Binary(bytes) => Body::from(bytes),
        _ => Body::empty(),
    }
}

/// Without a deadline, or with one that has long passed, as emulators send them, the
/// configuration's own limit is the only one.
fn time_left(deadline: Option<SystemTime>, now: SystemTime) -> Duration {
    let Some(deadline) = deadline.filter(|deadline| *deadline + LONG_AGO > now) else {
        return Duration::MAX;
    };
    deadline.duration_since(now).unwrap_or_default().saturating_sub(MARGIN)
}

/// Of `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=0`, what is behind `Root=`.
fn trace_root(context: &Context) -> Option<&str> {
    context.xray_trace_id.as_deref()?.split(';').find_map(|part| part.trim().strip_prefix("Root="))
}

fn client(request: &lambda_http::Request, trusted_hops: usize) -> Client {
    let headers = request.headers();
    let source = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        Some(RequestContext::ApiGatewayV1(context)) => context.identity.source_ip.as_deref(),
        _ => None,
    };
    let peer = source.and_then(|text| text.parse().ok()).map(|ip: IpAddr| SocketAddr::new(ip, 0));
    // A load balancer tells it in the header alone, to which it adds the last entry.
    let hops = if peer.is_none() { trusted_hops.max(1) } else { trusted_hops };
    // Whoever made the event is part of the platform, so its word for the scheme holds.
    Client { scheme: Client::scheme_of(headers), ..Client::of(headers, peer, hops) }
}

/// The path as the routes have it, with the query.
///
/// The library puts the API's stage before the path, unless it seems to be there already: before
/// that of a REST API's event, which is without it, and that of an HTTP API's, which has it unless
/// the API has a domain of its own.
fn path_and_query(request: &lambda_http::Request) -> Option<PathAndQuery> {
    let whole = request.uri().path_and_query()?;
    let own_path = request.raw_http_path();
    let (stage, is_within) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => (context.stage.as_deref(), false),
        Some(RequestContext::ApiGatewayV2(context)) => (context.stage.as_deref(), true),
        _ => (None, false),
    };
    let Some(stage) = stage else { return Some(whole.clone()) };
    let Some(after) = after_stage(own_path, stage) else {
        return match after_stage(whole.path(), stage) {
            Some(_) => without(whole, 1 + stage.len()),
            None => Some(whole.clone()),
        };
    };
    match (is_within, after.is_empty()) {
        // The stage alone, before which the library has put it once more.
        (true, true) => without(whole, whole.path().len()),
        (false, true) if whole.path() != own_path => without(whole, 1 + stage.len()),
        (true, false) => without(whole, 1 + stage.len()),
        (false, _) => Some(whole.clone()),
    }
}

/// The path without its first bytes.
fn without(whole: &PathAndQuery, bytes: usize) -> Option<PathAndQuery> {
    let rest = whole.as_str().get(bytes..)?;
    if rest.starts_with('/') { rest.parse().ok() } else { format!("/{rest}").parse().ok() }
}

/// What follows the first part of `path`, if that is `stage`.
fn after_stage<'a>(path: &'a str, stage: &str) -> Option<&'a str> {
    let rest = path.strip_prefix('/')?.strip_prefix(stage)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v1(stage: &str, path: &str) -> lambda_http::Request {
        let event = format!(
            r#"{{"resource":"/{{proxy+}}","path":"{path}","httpMethod":"GET","headers":{{"Host":"x"}},
            "multiValueHeaders":{{}},"requestContext":{{"stage":"{stage}","httpMethod":"GET",
            "identity":{{"sourceIp":"203.0.113.9"}},"resourcePath":"/","path":"/{stage}{path}",
            "protocol":"HTTP/1.1","resourceId":"r","accountId":"1","apiId":"a","requestId":"q"}},
            "queryStringParameters":{{"q":"1"}},"multiValueQueryStringParameters":{{"q":["1"]}},
            "isBase64Encoded":false}}"#
        );
        lambda_http::request::from_str(&event).unwrap()
    }

    fn v2(stage: &str, path: &str) -> lambda_http::Request {
        let event = format!(
            r#"{{"version":"2.0","routeKey":"$default","rawPath":"{path}","rawQueryString":"q=1",
            "headers":{{"host":"x"}},"requestContext":{{"stage":"{stage}","http":{{"method":"GET",
            "path":"{path}","protocol":"HTTP/1.1","sourceIp":"203.0.113.9","userAgent":"t"}}}},
            "isBase64Encoded":false}}"#
        );
        lambda_http::request::from_str(&event).unwrap()
    }

    #[test]
    fn the_path_is_without_the_stage() {
        for (request, expected) in [
            (v1("prod", "/login"), "/login?q=1"),
            (v1("prod", "/"), "/?q=1"),
            (v1("prod", "/prod/x"), "/prod/x?q=1"),
            (v1("prod", "/prod"), "/prod?q=1"),
            (v1("prod", "/production"), "/production?q=1"),
            (v2("$default", "/login"), "/login?q=1"),
            (v2("$default", "/$default/x"), "/x?q=1"),
            (v2("prod", "/prod/login"), "/login?q=1"),
            (v2("prod", "/prod"), "/?q=1"),
            (v2("prod", "/prod/"), "/?q=1"),
            (v2("prod", "/products"), "/products?q=1"),
        ] {
            let path = path_and_query(&request).unwrap();
            assert_eq!(path.as_str(), expected, "{:?}", request.uri());
        }
    }

    #[test]
    fn the_time_ends_before_lambdas_own() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let later = Some(now + Duration::from_secs(3));
        assert_eq!(time_left(later, now), Duration::from_millis(2_950));
        assert_eq!(time_left(Some(now), now), Duration::ZERO);
        assert_eq!(time_left(Some(SystemTime::UNIX_EPOCH), now), Duration::MAX);
        // As cargo-lambda sends it: milliseconds from now, as if from 1970.
        let emulated = SystemTime::UNIX_EPOCH + Duration::from_millis(600_000);
        assert_eq!(time_left(Some(emulated), now), Duration::MAX);
    }
}
