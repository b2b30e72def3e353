//! `redis://` and `rediss://`: a Redis or Valkey server.

mod address;
mod batch;
mod connection;
mod dial;
mod exchange;
mod link;
mod rules;
mod socket;
mod state;
#[cfg(feature = "redis-tls")]
mod tls;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;
use tuckbox_resp::{Command, Reply};

use self::{
    address::RedisAddress,
    batch::Batch,
    connection::Connection,
    dial::Dialer,
    state::{Lost, Replies},
};
use crate::{Error, Options};

/// A connection that its first user makes; others wait for it.
type Lazy = Arc<OnceCell<Connection>>;

/// One server, reached through one connection at a time.
pub(crate) struct Redis {
    address: RedisAddress,
    dialer: Dialer,
    options: Options,
    /// `None` once closed.
    current: Mutex<Option<Lazy>>,
}

/// How far an exchange got, for when its deadline passes.
#[derive(Default)]
struct Progress {
    lazy: Option<Lazy>,
    /// The batch was handed to a connection and may have left.
    handed_over: bool,
}

impl Redis {
    pub(crate) fn open(url: &str, options: Options) -> Result<Self, Error> {
        let address = RedisAddress::parse(url)?;
        let dialer = Dialer::new(&address, &options)?;
        let current = Mutex::new(Some(Lazy::default()));
        Ok(Self { address, dialer, options, current })
    }

    pub(crate) fn address(&self) -> &RedisAddress {
        &self.address
    }

    pub(crate) async fn call(&self, command: &Command) -> Result<Reply, Error> {
        let mut replies = self.exchange(Batch::One(command)).await?;
        replies.pop().ok_or_else(|| self.protocol_error("no reply"))
    }

    pub(crate) async fn pipeline(&self, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        Ok(self.exchange(Batch::Many(commands)).await?.into_vec())
    }

    pub(crate) async fn transaction(&self, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        super::exec_results(self.exchange(Batch::Transaction(commands)).await?.into_iter())
    }

    /// Drops the connection and refuses later calls.
    pub(crate) fn close(&self) {
        let lazy = self.lock().take();
        if let Some(connection) = lazy.as_ref().and_then(|lazy| lazy.get()) {
            connection.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Lazy>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `batch` and waits for its replies, within the deadline.
    async fn exchange(&self, batch: Batch<'_>) -> Result<Replies, Error> {
        let mut progress = Progress::default();
        let attempts = self.attempts(&batch, &mut progress);
        if let Ok(result) = tokio::time::timeout(self.options.deadline, attempts).await {
            return result;
        }
        // It may hang for good, as one does that a firewall forgot. Calls that
        // wait on it go on waiting; later ones use a new connection.
        if let Some(lazy) = &progress.lazy {
            self.retire(lazy);
        }
        Err(Error::Timeout {
            address: self.address.to_string(),
            after: self.options.deadline,
            maybe_applied: progress.handed_over && !batch.is_read_only(),
        })
    }

    /// Tries once, and once more on a new connection when the first was dead
    /// and the batch cannot be applied twice by that.
    async fn attempts(&self, batch: &Batch<'_>, progress: &mut Progress) -> Result<Replies, Error> {
        match self.attempt(batch, progress).await? {
            Ok(replies) => return Ok(replies),
            Err(Lost::Dead { sent, .. }) if !sent || batch.is_read_only() => {
                progress.handed_over = false;
            }
            Err(lost) => return Err(self.lost(lost, batch)),
        }
        self.attempt(batch, progress).await?.map_err(|lost| self.lost(lost, batch))
    }

    async fn attempt(
        &self,
        batch: &Batch<'_>,
        progress: &mut Progress,
    ) -> Result<Result<Replies, Lost>, Error> {
        let lazy = self.lock().clone().ok_or(Error::Closed)?;
        let lazy = progress.lazy.insert(lazy);
        let connection = lazy.get_or_try_init(|| self.dialer.dial()).await?;
        let result = match connection.start(batch) {
            Ok(exchange) => {
                progress.handed_over = true;
                exchange.await
            }
            Err(lost) => Err(lost),
        };
        let over = match &result {
            Ok(replies) => replies.iter().any(rules::is_of_a_demoted_server),
            Err(lost) => matches!(lost, Lost::Dead { .. }),
        };
        if over {
            self.retire(lazy);
        }
        Ok(result)
    }

    /// Later calls make a new connection, unless that has happened already.
    fn retire(&self, lazy: &Lazy) {
        let mut current = self.lock();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, lazy)) {
            *current = Some(Lazy::default());
        }
    }

    fn lost(&self, lost: Lost, batch: &Batch<'_>) -> Error {
        match lost {
            Lost::Busy => Error::Busy { limit: self.options.max_in_flight },
            Lost::Dead { cause, .. } if cause.garbled => self.protocol_error(&cause.text),
            Lost::Dead { sent, cause } => Error::Unavailable {
                address: self.address.to_string(),
                maybe_applied: sent && !batch.is_read_only(),
                cause: io::Error::new(cause.kind, cause.text.to_string()),
            },
        }
    }

    fn protocol_error(&self, reason: &str) -> Error {
        Error::Protocol { address: self.address.to_string(), reason: reason.to_owned() }
    }
}
