//! [`Server`]: the loop that reads, executes and writes for all connections.
//!
//! | file | |
//! |---|---|
//! | `peer` | one connection: its socket, what came in, what is to go out |
//! | `output` | replies, and what has to be durable before they may leave |
//! | `hall` | all that connections share |
//! | `batch` | executing what a connection has sent |
//! | `waits` | connections whose replies wait for the disk |
//! | `bell` | waking the loop from other threads, signals |

mod batch;
mod bell;
mod hall;
mod output;
mod peer;
mod waits;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpListener};
use tuckbox_engine::Engine;

pub use self::bell::Stopper;
use self::{bell::Bell, waits::Waits};
pub(crate) use self::{
    bell::Signals,
    hall::{Hall, Pause},
    peer::{Link, ReplyMode},
};
use crate::{config::Config, error::ServerError};

const LISTENER: Token = Token(usize::MAX);
const BELL: Token = Token(usize::MAX - 1);
const SIGNALS: Token = Token(usize::MAX - 2);

/// Connections that wait to be accepted.
const BACKLOG: i32 = 511;

/// Events that are taken from the system at once.
const EVENTS: usize = 1024;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 64 * 1024;

/// How long nothing is accepted after the system had no more file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long replies may take to become durable when the server ends.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// How long closing the engine may take then. With what is before, that ends within
/// the 30 seconds that most supervisors give a process.
const CLOSE_WAIT: Duration = Duration::from_secs(15);

/// A server on one address, over one engine.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    listener: TcpListener,
    engine: Engine,
    bell: Arc<Bell>,
    signals: Option<Signals>,
    hall: Hall,
    waits: Waits,
    scratch: Box<[u8]>,
    /// Connections to go on with though no event says so.
    again: Vec<usize>,
    /// The system had no more file descriptors.
    accept_after: Option<Instant>,
}

impl Server {
    /// Listens on the address of `config`. Nothing is accepted before
    /// [`run`](Self::run).
    ///
    /// # Errors
    /// [`ServerError`] when the address cannot be had, or would let strangers in.
    pub fn bind(engine: Engine, config: Config) -> Result<Self, ServerError> {
        let address = config.listen;
        if !address.ip().is_loopback() && config.password.is_none() && !config.open {
            return Err(ServerError::Unprotected(address));
        }
        let mut listener =
            listen(address).map_err(|cause| ServerError::Listen { address, cause })?;
        let poll = Poll::new().map_err(ServerError::system("an event queue"))?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(ServerError::system("events of the listener"))?;
        let bell = Bell::new(poll.registry(), BELL);
        let bell = Arc::new(bell.map_err(ServerError::system("an event"))?);
        let local = listener.local_addr().map_err(ServerError::system("the address"))?;
        let mut hall = Hall::new(config, local, Arc::clone(engine.clock()))?;
        hall.settings.port = local.port();
        hall.settings.memory_limit = engine.memory_limit();
        engine.listen_to_scripts(hall.heard.clone());
        Ok(Self {
            hall,
            waits: Waits::new(&bell),
            poll,
            listener,
            engine,
            bell,
            signals: None,
            scratch: vec![0; READ_BYTES].into(),
            again: Vec::new(),
            accept_after: None,
        })
    }

    /// The address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.hall.local
    }

    /// What ends the server from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper::new(Arc::clone(&self.bell))
    }

    /// Has the server end when one of these signals comes.
    pub(crate) fn end_on(&mut self, mut signals: Signals) -> Result<(), ServerError> {
        signals
            .register(self.poll.registry(), SIGNALS)
            .map_err(ServerError::system("events of signals"))?;
        self.signals = Some(signals);
        Ok(())
    }

    /// Serves until it is told to end: by a [`Stopper`], a signal, or `SHUTDOWN`.
    /// Then it finishes what connections have sent, and closes the engine.
    ///
    /// # Errors
    /// When the system gives no more events, or the engine cannot save everything.
    pub fn run(mut self) -> Result<(), ServerError> {
        let mut events = Events::with_capacity(EVENTS);
        let mut work = Vec::new();
        while !self.is_over() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(ServerError::system("events"))?,
            }
            self.hall.now = Instant::now();
            std::mem::swap(&mut work, &mut self.again);
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    BELL => self.bell.heard(),
                    SIGNALS => self.heed_signals(),
                    Token(index) => {
                        if let Some(peer) = self.hall.peers.get_mut(index) {
                            peer.link.note(event);
                            work.push(index);
                        }
                    }
                }
            }
            // Nobody has two turns.
            work.sort_unstable();
            work.dedup();
            for index in work.drain(..) {
                self.go_on(index);
            }
            self.after_events();
        }
        self.finish()
    }

    fn is_over(&self) -> bool {
        self.hall.ends || self.bell.is_stopped()
    }

    /// How long to wait for events; `None`: for as long as it takes.
    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.accept_after.into_iter().chain(self.hall.next_due()).chain(self.waits.due());
        let due = due.min();
        due.map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// What is to be done once in a while, or as a consequence of commands.
    fn after_events(&mut self) {
        if self.accept_after.is_some_and(|due| due <= self.hall.now) {
            self.accept_after = None;
            self.accept();
        }
        if let Some(listener) = self.hall.moves_to.take() {
            self.move_to(listener);
        }
        self.hall.tend(&mut self.again);
        self.settle();
        // Somebody else's command, or the disk, has let them go on.
        for index in self.take_touched() {
            self.go_on(index);
        }
        self.settle();
        // Whom these let go on has to wait until others had their turn: clients
        // that monitor could let each other go on for ever.
        let touched = self.take_touched();
        self.again.extend(touched);
    }

    /// Listens on another port, as `CONFIG SET port` asked.
    fn move_to(&mut self, mut listener: TcpListener) {
        let registered = self.poll.registry().register(&mut listener, LISTENER, Interest::READABLE);
        match registered.and_then(|()| listener.local_addr()) {
            Ok(local) => {
                tracing::info!(%local, "listens on another port");
                self.hall.local = local;
                self.listener = listener;
            }
            Err(error) => tracing::error!(%error, "cannot listen on another port"),
        }
    }

    fn take_touched(&mut self) -> Vec<usize> {
        let mut touched = std::mem::take(&mut self.hall.touched);
        touched.sort_unstable();
        touched.dedup();
        touched
    }

    fn heed_signals(&mut self) {
        if let Some(signal) = self.signals.as_mut().and_then(Signals::heard) {
            tracing::info!(signal, "told to end");
            self.hall.ends = true;
        }
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, address)) => {
                    let session = self.engine.connection();
                    self.hall.admit(session, stream, address, self.poll.registry());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections for a moment");
                    self.accept_after = Some(self.hall.now + ACCEPT_RETRY);
                    return;
                }
            }
        }
    }

    /// Ends well: what was executed is made durable, its replies are sent, and the
    /// engine is closed.
    fn finish(mut self) -> Result<(), ServerError> {
        drop(self.listener);
        let until = Instant::now() + LAST_WAIT;
        let given_up = self.waits.finish(&self.engine, &mut self.hall, until);
        if given_up > 0 {
            tracing::error!(
                clients = given_up,
                "replies are withheld: what they say is not known to be on disk"
            );
        }
        self.hall.peers.clear();
        close(self.engine)?;
        tracing::info!("everything is saved");
        Ok(())
    }
}

/// Closes the engine, in time: a disk that does not answer holds up nobody who waits
/// for the server to end.
fn close(engine: Engine) -> Result<(), ServerError> {
    let (done, closed) = mpsc::channel();
    let closing = thread::Builder::new().name("tuckbox-close".to_owned());
    closing
        .spawn(move || done.send(engine.close()))
        .map_err(ServerError::system("a thread to close the database"))?;
    match closed.recv_timeout(CLOSE_WAIT) {
        Ok(result) => result.map_err(ServerError::Close),
        Err(_) => Err(ServerError::SlowClose(CLOSE_WAIT)),
    }
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
