//! The extension that asks for no events: Lambda announces the end of a sandbox by SIGTERM only to
//! those that have one.
//!
//! The library would register one too, with an answer to wait for at the end of the start. Here the
//! question is sent before anything else is done, so that Lambda answers it while the program gets
//! ready; and one connection serves for this and for the word that the extension is ready.

use std::{
    io::{self, Write as _},
    net::{TcpStream as StdStream, ToSocketAddrs as _},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::runtime_api::{LIMIT, RuntimeApi};

/// Must be unique among the function's extensions.
const NAME: &str = "tuckbox-sigterm";

const HEAD_BYTES_MAX: usize = 8 << 10;

/// An extension that is being registered. A program without one works too, and is killed
/// unannounced.
#[derive(Debug)]
pub(super) struct Registration {
    sent: io::Result<StdStream>,
}

/// A registered extension: Lambda waits for its word as long as this lives.
#[derive(Debug)]
pub(super) struct Extension {
    /// The answer to its question for an event never comes, since it wants none.
    _waits: TcpStream,
}

impl Registration {
    /// Sends the question. Needs no async runtime, and waits for the connection alone.
    pub(super) fn begin(api: &RuntimeApi) -> Self {
        Self { sent: send(api) }
    }

    /// Waits for the answer, and says that the extension is ready.
    pub(super) async fn finish(self, api: &RuntimeApi) -> Option<Extension> {
        let ready = async { ready(self.sent?, api).await };
        let error = match tokio::time::timeout(LIMIT, ready).await {
            Ok(Ok(extension)) => return Some(extension),
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        tracing::debug!(%error, "no extension: the end will come unannounced");
        None
    }
}

fn send(api: &RuntimeApi) -> io::Result<StdStream> {
    let mut addresses = api.address.to_socket_addrs()?;
    let address = addresses.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut tcp = StdStream::connect_timeout(&address, LIMIT)?;
    tcp.set_nodelay(true)?;
    let body = r#"{"events":[]}"#;
    let request = format!(
        "POST {}/2020-01-01/extension/register HTTP/1.1\r\nhost: {}\r\n\
         lambda-extension-name: {NAME}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        api.prefix,
        api.address,
        body.len(),
    );
    tcp.write_all(request.as_bytes())?;
    tcp.set_nonblocking(true)?;
    Ok(tcp)
}

async fn ready(sent: StdStream, api: &RuntimeApi) -> io::Result<Extension> {
    let mut tcp = TcpStream::from_std(sent)?;
    let head = head(&mut tcp).await?;
    let Some(id) = identifier(&head) else {
        let status = head.lines().next().unwrap_or_default();
        return Err(io::Error::other(format!("Lambda answers {status:?}")));
    };
    let request = format!(
        "GET {}/2020-01-01/extension/event/next HTTP/1.1\r\nhost: {}\r\n\
         lambda-extension-identifier: {id}\r\n\r\n",
        api.prefix, api.address,
    );
    // What is left of the last answer is its body, which nobody needs.
    tcp.write_all(request.as_bytes()).await?;
    Ok(Extension { _waits: tcp })
}

/// The head of an HTTP response, with what came together with it.
async fn head(tcp: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(512);
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        if tcp.read_buf(&mut bytes).await? == 0 || bytes.len() > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// By what name Lambda knows the extension, if it took it.
fn identifier(answer: &str) -> Option<&str> {
    let mut lines = answer.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.get(2..5)?;
    let fields = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    let mut ids = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case("lambda-extension-identifier"))
        .map(|(_, value)| value.trim());
    ids.next().filter(|id| status.starts_with('2') && !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identifier_is_that_of_a_success() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: a-1\r\n\r\n{}", Some("a-1")),
            ("HTTP/1.1 200 OK\r\nx: 1\r\nlambda-extension-identifier:b\r\n\r\n", Some("b")),
            ("HTTP/1.1 403 Forbidden\r\nLambda-Extension-Identifier: a-1\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\n\r\nlambda-extension-identifier: body", None),
            ("HTTP/1.1 200 OK\r\nlambda-extension-identifier: \r\n\r\n", None),
            ("SSH-2.0-x\r\n\r\n", None),
        ] {
            assert_eq!(identifier(answer), expected, "{answer}");
        }
    }
}
