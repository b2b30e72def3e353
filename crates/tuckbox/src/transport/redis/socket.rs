//! [`Socket`]: a connection over TCP, plain or encrypted, or a Unix socket.

use std::{
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::BytesMut;
use socket2::SockRef;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWrite as _},
    net::TcpStream,
};
#[cfg(feature = "redis-tls")]
use tokio_rustls::client::TlsStream;

/// How much room a read is offered at least, and how much is made at a time.
const READ_ROOM_MIN: usize = 2 * 1024;
const READ_ROOM: usize = 16 * 1024;

pub(super) enum Socket {
    Plain(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(feature = "redis-tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Whether the server sent nothing since the last read, not even the end
    /// of the connection. On an idle connection anything else means that it is
    /// over. One system call, which does not wait.
    pub(super) fn is_quiet(&self) -> bool {
        let socket = match self {
            Self::Plain(tcp) => SockRef::from(tcp),
            #[cfg(unix)]
            Self::Unix(unix) => SockRef::from(unix),
            #[cfg(feature = "redis-tls")]
            Self::Tls(tls) => SockRef::from(tls.get_ref().0),
        };
        let mut byte = [MaybeUninit::uninit()];
        let peeked = socket.peek(&mut byte);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Appends what can be read to `buffer`; 0 bytes are the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if buffer.capacity() - buffer.len() < READ_ROOM_MIN {
            buffer.reserve(READ_ROOM);
        }
        // The future keeps no state between polls, so a new one each time goes
        // on where the last one stopped.
        match self {
            Self::Plain(tcp) => pin!(tcp.read_buf(buffer)).poll(cx),
            #[cfg(unix)]
            Self::Unix(unix) => pin!(unix.read_buf(buffer)).poll(cx),
            #[cfg(feature = "redis-tls")]
            Self::Tls(tls) => pin!(tls.read_buf(buffer)).poll(cx),
        }
    }

    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, bytes),
            #[cfg(feature = "redis-tls")]
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
        }
    }

    /// Moves on what an encrypted connection has taken but not sent; when it
    /// cannot send all of it now, `cx` is woken to go on.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(unix) => Pin::new(unix).poll_flush(cx),
            #[cfg(feature = "redis-tls")]
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }
}
