//! `redis+sentinel://`: a server that sentinels watch and replace.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tuckbox_resp::{Command, Reply, cmd};

use super::{
    address::{Endpoint, RedisAddress},
    batch::{Batch, Piece},
    dial::Dialer,
    rounds::{Chart, Detour, Topology},
    rules,
    server::Server,
    url::RedisUrl,
};
use crate::{Error, Options, terms::Terms};

/// The server that the sentinels call the master, whichever that is.
///
/// Every new connection goes where the sentinels say, and the old one ends when
/// its server dies or is demoted; so nothing else is to be remembered here.
pub(super) struct Watched {
    sentinels: Arc<Sentinels>,
    dialer: Dialer,
    chart: Arc<Chart>,
}

impl Watched {
    pub(super) fn new(url: RedisUrl, options: &Options) -> Result<Self, Error> {
        let sentinels = Arc::new(Sentinels::new(&url, options)?);
        let dialer = Dialer::new(url.into_address(), options)?.watched_by(Arc::clone(&sentinels));
        Ok(Self::of(sentinels, dialer))
    }

    fn of(sentinels: Arc<Sentinels>, dialer: Dialer) -> Self {
        let chart = Arc::new(Chart::of_one(Server::new(dialer.clone())));
        Self { sentinels, dialer, chart }
    }

    /// The same, with connections of its own.
    pub(super) fn twin(&self) -> Self {
        let sentinels = Arc::new(self.sentinels.twin());
        let dialer = self.dialer.clone().watched_by(Arc::clone(&sentinels));
        Self::of(sentinels, dialer)
    }

    pub(super) fn close(&self) {
        self.chart.servers.iter().for_each(|server| server.close());
        self.sentinels.servers.iter().for_each(Server::close);
    }
}

impl Topology for Watched {
    fn address(&self) -> &(dyn fmt::Display + Sync) {
        &self.sentinels
    }

    fn slot(&self, _: &[Command]) -> Result<Option<u16>, Error> {
        Ok(None)
    }

    async fn chart(&self, _: Terms) -> Result<Arc<Chart>, Error> {
        Ok(Arc::clone(&self.chart))
    }

    fn detour(&self, reply: &Reply, _: &Arc<Server>) -> Option<Detour> {
        rules::is_of_a_demoted_server(reply).then_some(Detour::Later)
    }

    fn doubt(&self, _: &Arc<Server>) {}

    async fn relearn(&self, _: Terms) {}
}

/// The sentinels of one service.
pub(super) struct Sentinels {
    shown: String,
    servers: Vec<Server>,
    service: String,
    /// The number of the one that answered last.
    last: AtomicUsize,
    /// How long one of them may take: all together no longer than connecting.
    patience: Duration,
}

impl Sentinels {
    fn new(url: &RedisUrl, options: &Options) -> Result<Self, Error> {
        let address =
            RedisAddress { login: url.sentinel_login.clone(), database: 0, ..url.address.clone() };
        let dialer = Dialer::new(address, options)?;
        let servers = url.endpoints.iter().map(|endpoint| dialer.to(endpoint.clone()));
        let servers: Vec<_> =
            servers.map(|dialer| dialer.map(Server::new)).collect::<Result<_, _>>()?;
        let shares = u32::try_from(servers.len()).unwrap_or(u32::MAX).saturating_add(1);
        Ok(Self {
            shown: url.to_string(),
            servers,
            service: url.service.clone(),
            last: AtomicUsize::new(0),
            patience: options.connect_timeout / shares,
        })
    }

    fn twin(&self) -> Self {
        Self {
            shown: self.shown.clone(),
            servers: self.servers.iter().map(Server::twin).collect(),
            service: self.service.clone(),
            last: AtomicUsize::new(self.last.load(Ordering::Relaxed)),
            patience: self.patience,
        }
    }

    /// Where the master is, as the first sentinel says that knows it.
    ///
    /// # Errors
    /// The last one's error, when none answers; rather a refusal than silence.
    pub(super) fn master(
        &self,
    ) -> Pin<Box<dyn Future<Output = Result<Endpoint, Error>> + Send + '_>> {
        // Asking connects, and connecting can ask.
        Box::pin(async move {
            let begin = self.last.load(Ordering::Relaxed);
            let mut last = None;
            for number in (begin..begin + self.servers.len()).map(|n| n % self.servers.len()) {
                match self.ask(number).await {
                    Ok(endpoint) => {
                        self.last.store(number, Ordering::Relaxed);
                        return Ok(endpoint);
                    }
                    Err(_) if matches!(last, Some(Error::Reply(_))) => {}
                    Err(error) => last = Some(error),
                }
            }
            Err(match last {
                Some(Error::Timeout { .. }) | None => self.unavailable(
                    io::ErrorKind::TimedOut,
                    format!("no answer within {} ms", self.patience.as_millis()),
                ),
                Some(error) => error,
            })
        })
    }

    async fn ask(&self, number: usize) -> Result<Endpoint, Error> {
        let server = self.servers.get(number).ok_or(Error::Closed)?;
        let question = [cmd!("SENTINEL", "GET-MASTER-ADDR-BY-NAME", &self.service)];
        let terms = Terms::new(self.patience).idempotent(true);
        let mut replies = server.exchange(&Batch::of(Piece::plain(&question)), terms).await?;
        let reply = replies.pop().unwrap_or(Reply::Null).into_result()?;
        let mut words = reply.into_array()?.into_iter().map(Reply::into_bytes);
        if let (Some(Ok(Some(host))), Some(Ok(Some(port)))) = (words.next(), words.next())
            && let (Ok(host), Ok(port)) = (std::str::from_utf8(&host), std::str::from_utf8(&port))
            && let Ok(port) = port.parse()
            // A path would be a socket of this machine.
            && !host.starts_with('/')
        {
            return Ok(Endpoint { host: host.to_owned(), port });
        }
        let text = format!("the sentinel {server} knows no service {:?}", self.service);
        Err(self.unavailable(io::ErrorKind::NotFound, text))
    }

    fn unavailable(&self, kind: io::ErrorKind, text: String) -> Error {
        Error::Unavailable {
            address: self.shown.clone(),
            maybe_applied: false,
            cause: io::Error::new(kind, text),
        }
    }
}

impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
