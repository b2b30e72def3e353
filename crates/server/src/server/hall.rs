//! [`Hall`]: all that connections share.

use std::{
    io::Write,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use socket2::{SockRef, TcpKeepalive};
use tuckbox_engine::{Clock, Connection, Stats};
use tuckbox_resp::{Reply, table::CommandSpec};

use super::peer::{Link, Peer};
use crate::{
    commands::{latency::Latency, slowlog::SlowLog},
    config::Config,
    counters::Counters,
    error::ServerError,
    heard::Heard,
    process::most_clients,
    settings::{OutputLimit, Settings},
};

/// How often connections are looked at that may have to be cut.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// How long a client that has ended may take to read its last replies.
const LAST_REPLIES: Duration = Duration::from_secs(10);

/// The connections, each at its place until it is closed.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    places: Vec<Option<Box<Peer>>>,
    free: Vec<usize>,
    count: usize,
}

/// All that connections share.
#[derive(Debug)]
pub(crate) struct Hall {
    pub(crate) local: SocketAddr,
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    pub(crate) heard: Arc<Heard>,
    pub(crate) peers: Peers,
    /// When the present round of the loop began.
    pub(crate) now: Instant,
    pub(crate) since: Instant,
    /// Connections to be looked at in this round: something was put into their
    /// output, or they are to be closed.
    pub(crate) touched: Vec<usize>,
    /// Connections that see every command.
    pub(crate) monitors: Vec<usize>,
    /// Commands that are held back for a while.
    pub(crate) pause: Option<Pause>,
    /// Connections with a command that is held back.
    pub(crate) paused: Vec<usize>,
    /// When the command that is running began.
    pub(crate) clock: Instant,
    pub(crate) slow: SlowLog,
    pub(crate) latency: Latency,
    /// Where the server is to listen from now on.
    pub(crate) moves_to: Option<TcpListener>,
    /// What the engine had counted when the counters were reset.
    pub(crate) stats_before: Stats,
    /// The most that keys and values were seen to take.
    pub(crate) memory_peak: usize,
    /// Tells this run of the server from others: 40 hexadecimal digits.
    pub(crate) run_id: String,
    tended: Instant,
    /// A connection has ended and waits for its client, or is slow.
    mindful: bool,
    /// The server is to end.
    pub(crate) ends: bool,
}

/// What `CLIENT PAUSE` asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    pub(crate) until: Instant,
    /// All commands, and not only writes.
    pub(crate) all: bool,
}

impl Peers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Peer> {
        self.places.get_mut(index)?.as_deref_mut()
    }

    /// Those that are at their places: all but the one whose command is running.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Peer)> {
        let places = self.places.iter().enumerate();
        places.filter_map(|(index, peer)| Some((index, peer.as_deref()?)))
    }

    /// As [`Peers::iter`], to be changed.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Peer)> {
        let places = self.places.iter_mut().enumerate();
        places.filter_map(|(index, peer)| Some((index, peer.as_deref_mut()?)))
    }

    fn vacant(&mut self) -> usize {
        self.count += 1;
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }

    /// Takes a connection from its place, to go on with it.
    pub(crate) fn take(&mut self, index: usize) -> Option<Box<Peer>> {
        self.places.get_mut(index)?.take()
    }

    /// Puts it back.
    pub(crate) fn put(&mut self, index: usize, peer: Box<Peer>) {
        if let Some(place) = self.places.get_mut(index) {
            *place = Some(peer);
        }
    }

    /// Gives the place of a connection, which was taken from it, to others.
    pub(crate) fn leave(&mut self, index: usize) {
        self.count -= 1;
        self.free.push(index);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Hall {
    pub(crate) fn new(
        config: Config,
        local: SocketAddr,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServerError> {
        let now = Instant::now();
        let mut id = [0; 20];
        getrandom::fill(&mut id).map_err(|error| ServerError::System {
            what: "random bytes",
            cause: std::io::Error::other(error.to_string()),
        })?;
        Ok(Self {
            local,
            settings: settings_within_reach(&config),
            config,
            counters: Counters::new(now),
            heard: Arc::new(Heard::new(clock)),
            peers: Peers::default(),
            now,
            since: now,
            touched: Vec::new(),
            monitors: Vec::new(),
            pause: None,
            paused: Vec::new(),
            clock: now,
            slow: SlowLog::default(),
            latency: Latency::default(),
            moves_to: None,
            stats_before: Stats::default(),
            memory_peak: 0,
            run_id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            tended: now,
            mindful: false,
            ends: false,
        })
    }

    /// Notes that a command was refused before it ran.
    pub(crate) fn refused(&self, spec: Option<&'static CommandSpec>, reply: &Reply) {
        let mut said = self.heard.lock();
        said.tally.refused(spec);
        said.tally.note_reply(reply);
    }

    /// Takes a new connection in, or tells it that there are too many.
    pub(crate) fn admit(
        &mut self,
        session: Connection,
        mut stream: TcpStream,
        address: SocketAddr,
        registry: &Registry,
    ) {
        if self.peers.len() >= self.settings.max_clients {
            self.counters.rejected += 1;
            // It is told as far as it listens.
            _ = stream.write(b"-ERR max number of clients reached\r\n");
            return;
        }
        // Without these replies leave later, and a client that is gone for good is
        // found out later; nothing else.
        _ = stream.set_nodelay(true);
        let keep_alive = self.settings.keep_alive;
        if keep_alive > Duration::ZERO {
            let keep_alive = TcpKeepalive::new()
                .with_time(keep_alive)
                .with_interval(keep_alive.div_f32(3.0).max(Duration::from_secs(1)));
            _ = SockRef::from(&stream).set_tcp_keepalive(&keep_alive);
        }
        let index = self.peers.vacant();
        let events = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = registry.register(&mut stream, Token(index), events) {
            tracing::warn!(%error, "a connection could not be watched");
            self.peers.leave(index);
            return;
        }
        self.counters.connections += 1;
        let local = stream.local_addr().unwrap_or(self.local);
        let mut link = Link::new(stream, address, local, self.now);
        link.logged_in = self.settings.password.is_none();
        link.parser.set_limits(self.settings.request_limits());
        link.parser.require_login(!link.logged_in);
        self.peers.put(index, Box::new(Peer { session, link }));
    }

    /// When something is due though no event comes.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let pause = self.pause.map(|pause| pause.until);
        let tend = self.has_to_tend().then(|| self.tended + TEND_EVERY);
        pause.into_iter().chain(tend).min()
    }

    /// Whether there may be connections to be cut.
    fn has_to_tend(&self) -> bool {
        self.mindful || self.settings.timeout > Duration::ZERO && self.peers.len() > 0
    }

    /// Takes note of a connection that may have to be cut some time.
    pub(crate) fn mind(&mut self, link: &Link) {
        let limit = self.settings.normal_output();
        let most = if limit.soft > 0 { limit.soft } else { limit.hard };
        self.mindful |= link.ends || most > 0 && link.output.len() > most;
    }

    /// Does what is due: ends a pause, cuts connections that are idle for too long
    /// or do not take their replies.
    pub(crate) fn tend(&mut self, again: &mut Vec<usize>) {
        if self.pause.is_none_or(|pause| pause.until <= self.now) {
            self.pause = None;
            again.append(&mut self.paused);
        }
        if self.now.saturating_duration_since(self.tended) < TEND_EVERY {
            return;
        }
        self.tended = self.now;
        self.mindful = false;
        let (timeout, limit, now) =
            (self.settings.timeout, self.settings.normal_output(), self.now);
        for (index, peer) in self.peers.iter_mut() {
            let link = &mut peer.link;
            let idle = now.saturating_duration_since(link.active);
            let waits = link.waits || link.monitors || link.crowded;
            let idle = timeout > Duration::ZERO && idle > timeout && !waits;
            let too_slow = link.is_too_slow(limit, now);
            self.mindful |= link.ends || link.slow_since.is_some();
            if idle || too_slow {
                link.cut = true;
                self.counters.cut_idle += u64::from(idle);
                self.counters.cut_output += u64::from(too_slow && !idle);
                self.touched.push(index);
            }
        }
    }
}

/// The settings at the start, with no more clients than there are file descriptors
/// for.
fn settings_within_reach(config: &Config) -> Settings {
    let mut settings = Settings::new(config);
    let most = most_clients();
    if settings.max_clients > most {
        tracing::warn!(
            asked = settings.max_clients,
            most,
            "fewer clients than asked for: the system gives no more file descriptors; raise \
             `ulimit -n`"
        );
        settings.max_clients = most;
    }
    settings
}

impl Link {
    /// Whether more waits for the client than may, or for longer.
    fn is_too_slow(&mut self, limit: OutputLimit, now: Instant) -> bool {
        let waiting = self.output.len();
        if self.ends {
            let since = *self.ends_since.get_or_insert(now);
            return now.saturating_duration_since(since) > LAST_REPLIES;
        }
        if limit.hard > 0 && waiting > limit.hard {
            return true;
        }
        if limit.soft == 0 || waiting <= limit.soft {
            self.slow_since = None;
            return false;
        }
        let since = *self.slow_since.get_or_insert(now);
        now.saturating_duration_since(since) > limit.over
    }
}
