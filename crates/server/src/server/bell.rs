//! What wakes the loop: other threads, and signals.

use std::{
    io::{self, Read},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
};

use mio::{Interest, Registry, Token, Waker, net::UnixStream};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    low_level::pipe,
};

/// Wakes the loop from another thread. However often it rings before it is heard,
/// the loop is woken once.
#[derive(Debug)]
pub(crate) struct Bell {
    waker: Waker,
    rung: AtomicBool,
    stop: AtomicBool,
}

impl Bell {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self {
            waker: Waker::new(registry, token)?,
            rung: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        })
    }

    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the server could not be woken");
        }
    }

    /// The loop is awake, and will look at everything.
    pub(crate) fn heard(&self) {
        self.rung.store(false, Ordering::Release);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// Ends a [`Server`](crate::Server) from anywhere; cheap to clone.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Bell>);

impl Stopper {
    pub(crate) fn new(bell: Arc<Bell>) -> Self {
        Self(bell)
    }

    /// Has [`Server::run`](crate::Server::run) finish and return.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
        self.0.ring();
    }
}

/// The signals that end a server: SIGTERM and SIGINT.
#[derive(Debug)]
pub(crate) struct Signals {
    streams: Vec<(&'static str, UnixStream)>,
}

impl Signals {
    /// From now on these signals end the server and not the process.
    pub(crate) fn install() -> io::Result<Self> {
        let mut streams = Vec::new();
        for (name, signal) in [("SIGTERM", SIGTERM), ("SIGINT", SIGINT)] {
            let (ours, theirs) = UnixStream::pair()?;
            pipe::register(signal, OwnedFd::from(theirs))?;
            streams.push((name, ours));
        }
        Ok(Self { streams })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        for (_, stream) in &mut self.streams {
            registry.register(stream, token, Interest::READABLE)?;
        }
        Ok(())
    }

    /// The name of a signal that came.
    pub(crate) fn heard(&mut self) -> Option<&'static str> {
        let mut byte = [0];
        let mut came = None;
        for (name, stream) in &mut self.streams {
            if stream.read(&mut byte).is_ok() {
                came = Some(*name);
            }
        }
        came
    }
}
