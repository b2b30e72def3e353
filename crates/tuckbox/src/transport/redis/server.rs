//! [`Server`]: one server, reached through one connection at a time.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::sync::OnceCell;
use tuckbox_resp::ErrorReply;

use super::{
    batch::Batch,
    connection::Connection,
    dial::Dialer,
    rules,
    state::{Lost, Replies},
};
use crate::{Error, terms::Terms};

/// A connection that its first user makes; others wait for it.
type Lazy = Arc<Attempt>;

/// A connection, or how the server refused it: who waits for one must not try
/// the same credentials again, one after the other.
#[derive(Default)]
struct Attempt {
    made: OnceCell<Connection>,
    refused: OnceLock<ErrorReply>,
}

impl Attempt {
    async fn connection(&self, dialer: &Dialer) -> Result<&Connection, Error> {
        let dial = || async {
            if let Some(refusal) = self.refused.get() {
                return Err(refusal.clone().into());
            }
            let dialled = dialer.dial().await;
            if let Err(Error::Reply(refusal)) = &dialled {
                self.refused.get_or_init(|| refusal.clone());
            }
            dialled
        };
        self.made.get_or_try_init(dial).await
    }
}

/// One server, reached through one connection at a time.
pub(super) struct Server {
    dialer: Dialer,
    /// `None` once closed.
    current: Mutex<Option<Lazy>>,
}

/// How far an exchange got, for when its deadline passes.
#[derive(Default)]
struct Progress {
    lazy: Option<Lazy>,
    /// The batch was handed to a connection and may have left.
    handed_over: bool,
    /// A first attempt may have been executed.
    doubtful: bool,
}

impl Server {
    pub(super) fn new(dialer: Dialer) -> Self {
        Self { dialer, current: Mutex::new(Some(Lazy::default())) }
    }

    /// The same, with a connection of its own.
    pub(super) fn twin(&self) -> Self {
        Self::new(self.dialer.clone())
    }

    #[cfg(feature = "redis-cluster")]
    pub(super) fn endpoint(&self) -> &super::address::Endpoint {
        self.dialer.endpoint()
    }

    /// Drops the connection and refuses later calls.
    pub(super) fn close(&self) {
        let lazy = self.lock().take();
        if let Some(connection) = lazy.as_ref().and_then(|lazy| lazy.made.get()) {
            connection.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Lazy>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends `batch` and waits for its replies, within the deadline.
    pub(super) async fn exchange(&self, batch: &Batch<'_>, terms: Terms) -> Result<Replies, Error> {
        let mut progress = Progress::default();
        let attempts = self.attempts(batch, terms, &mut progress);
        if let Ok(result) = tokio::time::timeout(terms.left(), attempts).await {
            return result.map_err(|error| match progress.doubtful {
                true => error.with_applied(&self.dialer),
                false => error,
            });
        }
        // It may hang for good, as one does that a firewall forgot. Calls that
        // wait on it go on waiting; later ones use a new connection.
        if let Some(lazy) = &progress.lazy {
            self.retire(lazy);
        }
        Err(Error::Timeout {
            address: self.dialer.to_string(),
            after: terms.deadline,
            maybe_applied: progress.doubtful || progress.handed_over && !batch.is_read_only(),
        })
    }

    /// Tries once, and once more on a new connection when the first was dead
    /// and the batch cannot be applied twice by that.
    async fn attempts(
        &self,
        batch: &Batch<'_>,
        terms: Terms,
        progress: &mut Progress,
    ) -> Result<Replies, Error> {
        match self.attempt(batch, progress).await? {
            Ok(replies) => return Ok(replies),
            Err(Lost::Dead { sent, .. }) if !sent || terms.idempotent || batch.is_read_only() => {
                progress.handed_over = false;
                progress.doubtful = sent && !batch.is_read_only();
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
        let connection = match lazy.connection(&self.dialer).await {
            Ok(connection) => connection,
            Err(error) => {
                if lazy.refused.get().is_some() {
                    self.retire(lazy);
                }
                return Err(error);
            }
        };
        let result = match connection.start(batch) {
            Ok(exchange) => {
                progress.handed_over = true;
                exchange.await
            }
            Err(lost) => Err(lost),
        };
        let over = match &result {
            Ok(replies) => replies.iter().any(rules::ends_the_connection),
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
            Lost::Busy => self.dialer.busy(),
            Lost::Dead { cause, .. } if cause.garbled => self.dialer.protocol_error(&cause.text),
            Lost::Dead { sent, cause } => Error::Unavailable {
                address: self.dialer.to_string(),
                maybe_applied: sent && !batch.is_read_only(),
                cause: io::Error::new(cause.kind, cause.text.to_string()),
            },
        }
    }
}

/// Its address without credentials.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dialer.fmt(f)
    }
}
