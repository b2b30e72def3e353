//! One HTTP request to a helper process of the platform, on this machine.

use std::io;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::AbortHandle};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoopbackError {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("the connection broke off: {0}")]
    Broken(#[source] hyper::Error),
    #[error("the answer broke off or is too large: {0}")]
    Body(#[source] axum::Error),
}

/// Sends `request` to `address` (`host:port`) on a connection of its own, and reads the answer,
/// of at most `bytes_max`. The caller bounds the time.
pub(crate) async fn send(
    address: &str,
    request: Request<Body>,
    bytes_max: usize,
) -> Result<Response<Bytes>, LoopbackError> {
    let tcp = TcpStream::connect(address).await.map_err(LoopbackError::Connect)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(tcp)).await.map_err(LoopbackError::Broken)?;
    // An error of the connection is an error of the request as well.
    let driver = tokio::spawn(async move { connection.await.unwrap_or_default() });
    let _ends_with_this = AbortOnDrop(driver.abort_handle());
    let answer = sender.send_request(request).await.map_err(LoopbackError::Broken)?;
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(Body::new(body), bytes_max).await;
    Ok(Response::from_parts(parts, body.map_err(LoopbackError::Body)?))
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
