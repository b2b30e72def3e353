//! A TCP connection that does not let its client dawdle.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

use crate::activity::{Activity, Phase};

/// How long a client may be silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Between requests.
    pub(crate) keep_alive: Duration,
    /// For the rest of a request's head.
    pub(crate) head: Duration,
    /// Without taking a byte of a response.
    pub(crate) write: Duration,
}

/// How long a body that nobody wants is read before the connection closes.
///
/// Closing at once would make the system reset the connection, and the client would lose the
/// response that tells it why.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1 << 20;

/// The HTTP library offers a timeout for heads too, but counts idle time as part of it, and
/// allocates a timer for every request. Here a connection has one timer that is seldom touched.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: TcpStream,
    activity: Arc<Activity>,
    patience: Patience,
    read_alarm: Alarm,
    write_alarm: Alarm,
    closing: Closing,
}

#[derive(Debug)]
enum Closing {
    No,
    Lingering { bytes_left: usize },
}

impl Socket {
    pub(crate) fn new(tcp: TcpStream, activity: Arc<Activity>, patience: Patience) -> Self {
        let (read_alarm, write_alarm) = (Alarm::default(), Alarm::default());
        Self { tcp, activity, patience, read_alarm, write_alarm, closing: Closing::No }
    }

    /// Whether the client has been silent for longer than it may in this phase.
    fn silence_is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let limit = match self.activity.phase() {
            // It is our turn to speak, or the client is busy taking the last answer.
            Phase::Busy => None,
            Phase::Waiting if self.write_alarm.is_set() => None,
            Phase::Waiting => Some(self.patience.keep_alive),
            Phase::Head => Some(self.patience.head),
        };
        match limit {
            Some(limit) => self.read_alarm.rings(cx, limit),
            None => {
                self.read_alarm.clear();
                false
            }
        }
    }

    /// Passes the outcome of a write on, unless the client has taken nothing for too long.
    fn watch_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.activity.set_write_blocked(outcome.is_pending());
        if outcome.is_ready() {
            self.write_alarm.clear();
        } else if self.write_alarm.rings(cx, self.patience.write) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waste = [0; 4096];
        loop {
            let Closing::Lingering { bytes_left } = &mut self.closing else {
                return Poll::Ready(());
            };
            let mut buf = ReadBuf::new(&mut waste);
            match Pin::new(&mut self.tcp).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) => match bytes_left.checked_sub(buf.filled().len()) {
                    Some(left) if !buf.filled().is_empty() => *bytes_left = left,
                    _ => return Poll::Ready(()),
                },
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending if self.read_alarm.rings(cx, LINGER) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let outcome = Pin::new(&mut this.tcp).poll_read(cx, buf);
        let phase = this.activity.phase();
        match (&outcome, phase) {
            (Poll::Ready(_), Phase::Waiting) if buf.filled().len() > before => {
                this.activity.head_began();
                // The time for the head begins; until now the time between requests ran.
                this.read_alarm.clear();
            }
            (Poll::Ready(_), _) => {}
            (Poll::Pending, _) if this.silence_is_overdue(cx) => {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            (Poll::Pending, _) => {}
        }
        outcome
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        self.watch_write(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.tcp).poll_write_vectored(cx, slices);
        self.watch_write(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // An answer is sent. If a read was tried meanwhile, none is tried again until something
        // comes: so the time for the client's silence has to begin here.
        if !this.read_alarm.is_set() && this.silence_is_overdue(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut this.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Closing::No = this.closing {
            ready!(Pin::new(&mut this.tcp).poll_shutdown(cx))?;
            if !this.activity.has_unread() {
                return Poll::Ready(Ok(()));
            }
            this.closing = Closing::Lingering { bytes_left: LINGER_BYTES };
            this.read_alarm.clear();
        }
        this.poll_linger(cx).map(Ok)
    }
}

/// A deadline that moves with every request, on a timer that does not.
///
/// Moving a timer costs more than looking at the clock. So the timer stays where it is while the
/// deadline moves away from it, and when it goes off early it is set anew.
#[derive(Debug, Default)]
struct Alarm {
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    fn is_set(&self) -> bool {
        self.deadline.is_some()
    }

    fn clear(&mut self) {
        self.deadline = None;
    }

    /// Whether `limit` has passed since this was first asked after a `clear`. If not, the task is
    /// woken when it has.
    fn rings(&mut self, cx: &mut Context<'_>, limit: Duration) -> bool {
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + limit);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }
}
