//! What requests leave in the log.

use axum::{Router, body::Body, response::Response, routing::get};
use tuckbox_serve::{Config, LogFormat};

use crate::harness::start;

fn router() -> Router {
    Router::new().route("/", get(|| async { "hello" })).route(
        "/event",
        get(|| async {
            tokio::task::yield_now().await;
            tracing::info!(lesson = 123, "marked \"complete\"\nagain");
            tracing::debug!("too fine");
        }),
    )
}

#[tokio::test]
async fn a_request_leaves_one_line_without_its_query() {
    let server = start(router(), Config::default()).await;
    let answer = server.get("/?userId=secret").await;
    let lines = server.lines_with("target", "access").await;
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/");
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes"], 5);
    assert_eq!(line["request_id"], answer.id());
    assert!(line["duration_ms"].as_f64().unwrap() >= 0.0);
    assert_eq!(line.get("aborted"), None);
    assert!(!server.text().contains("secret"));
}

#[tokio::test]
async fn a_persons_line_is_readable() {
    let config = Config { log_format: LogFormat::Human, ..Config::default() };
    let server = start(router(), config).await;
    let answer = server.get("/").await;
    // The line is formed when the answer is handed over, before the client has it.
    let text = server.text();
    assert!(text.contains(" INFO GET / 200 duration_ms=0."), "{text}");
    assert!(text.ends_with(&format!(" bytes=5 request_id={}\n", answer.id())), "{text}");
}

#[tokio::test]
async fn an_event_in_a_handler_carries_the_requests_id() {
    let server = start(router(), Config::default()).await;
    let answer = server.get("/event").await;
    let line = &server.lines_with("message", "marked \"complete\"\nagain").await[0];
    assert_eq!(line["lesson"], 123);
    assert_eq!(line["request_id"], answer.id());
    assert_eq!(line["level"], "INFO");
    assert!(line["target"].as_str().unwrap().ends_with("logging"));
    assert!(!server.text().contains("too fine"));
}

#[tokio::test]
async fn probes_are_not_logged_by_default() {
    let server = start(router(), Config::default()).await;
    server.get("/healthz").await;
    server.get("/readyz").await;
    server.get("/").await;
    let lines = server.lines_with("target", "access").await;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["path"], "/");
}

#[tokio::test]
async fn a_traceparent_is_kept_in_every_line_of_the_request() {
    let server = start(router(), Config::default()).await;
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let text = format!("GET /event HTTP/1.1\r\nhost: x\r\ntraceparent: {parent}\r\n\r\n");
    server.request(&text).await;
    server.lines_with("target", "access").await;
    assert_eq!(server.lines_with("traceparent", parent).await.len(), 2);
}

#[tokio::test]
async fn a_streamed_body_is_logged_with_its_size() {
    let router = Router::new().route(
        "/",
        get(|| async {
            let mut parts = vec!["four", "four"];
            let body = std::iter::from_fn(move || parts.pop());
            Response::new(Body::new(Parts(body)))
        }),
    );
    let server = start(router, Config::default()).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(client.until_closed().await.ends_with(b"0\r\n\r\n"));
    let line = &server.lines_with("target", "access").await[0];
    assert_eq!(line["bytes"], 8);
    assert_eq!(line.get("aborted"), None);
}

struct Parts<I>(I);

impl<I: Iterator<Item = &'static str> + Unpin> http_body::Body for Parts<I> {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        let part = self.0.next();
        std::task::Poll::Ready(part.map(|part| Ok(http_body::Frame::data(part.into()))))
    }
}
