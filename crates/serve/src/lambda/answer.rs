//! A response in one piece, as Lambda takes it.

use std::{
    future::{Future, poll_fn, ready},
    pin::Pin,
};

use http::{Response, header};
use http_body::Body as _;
use lambda_http::{Body, IntoResponse};

use crate::{exchange::ResponseBody, problem::Problem};

/// What Lambda takes is 6 MiB of JSON; the rest is left for headers and escaping.
const TEXT_BYTES_MAX: usize = 6 * 1024 * 1024 - 256 * 1024;

/// Base64 makes four bytes of three.
const BINARY_BYTES_MAX: usize = TEXT_BYTES_MAX / 4 * 3;

/// A response whose body is settled: text, or bytes that go as base64.
pub(super) struct Settled(Response<Body>);

impl IntoResponse for Settled {
    // The library would guess by the content type whether a body is text, and decode what it
    // takes for some other charset.
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// Reads a response's body to its end, with which its exchange ends.
pub(super) async fn in_one_piece(response: Response<ResponseBody>) -> Settled {
    let (parts, mut body) = response.into_parts();
    let mut bytes = Vec::with_capacity(hint(&body));
    let problem = loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            None => break None,
            // The body has said so in the log.
            Some(Err(_)) => break Some(Problem::Panicked),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    bytes.extend_from_slice(data);
                }
            }
        }
        if bytes.len() > TEXT_BYTES_MAX {
            break Some(Problem::ResponseTooLarge);
        }
    };
    let settled = match problem {
        Some(problem) => Err(problem),
        None if parts.headers.contains_key(header::CONTENT_ENCODING) => Ok(Body::Binary(bytes)),
        None => Ok(text_or_binary(bytes)),
    };
    match settled {
        Ok(Body::Binary(bytes)) if bytes.len() > BINARY_BYTES_MAX => {
            refuse(body, Problem::ResponseTooLarge).await
        }
        Ok(body) => Settled(Response::from_parts(parts, body)),
        Err(problem) => refuse(body, problem).await,
    }
}

fn text_or_binary(bytes: Vec<u8>) -> Body {
    if bytes.is_empty() {
        return Body::Empty;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Body::Text(text),
        Err(error) => Body::Binary(error.into_bytes()),
    }
}

async fn refuse(body: ResponseBody, problem: Problem) -> Settled {
    if let Problem::ResponseTooLarge = problem {
        let _in_request = body.span().entered();
        tracing::error!(
            "a response exceeds the 6 MB that Lambda takes in one piece: make it smaller, or set \
             INVOKE_MODE=response_stream and InvokeMode: RESPONSE_STREAM of the function URL"
        );
    }
    let (parts, body) = body.replace(problem).into_parts();
    // A problem's body is short and there at once.
    let bytes = axum::body::to_bytes(body, TEXT_BYTES_MAX).await.unwrap_or_default();
    Settled(Response::from_parts(parts, text_or_binary(bytes.into())))
}

/// How much room to begin with.
fn hint(body: &ResponseBody) -> usize {
    usize::try_from(body.size_hint().lower()).unwrap_or(0).min(TEXT_BYTES_MAX)
}
