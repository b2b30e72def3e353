//! `redis://` and its relatives: Redis and Valkey servers.

mod address;
mod asking;
mod batch;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod connection;
mod database;
mod dial;
mod exchange;
mod link;
mod refusal;
#[cfg(feature = "redis-cluster")]
mod rounds;
mod rules;
#[cfg(feature = "redis-cluster")]
mod sentinel;
mod server;
mod socket;
mod sourced;
mod state;
#[cfg(feature = "redis-tls")]
mod tls;
mod url;

use std::fmt;

use tuckbox_resp::{Command, Reply};

use self::{batch::Piece, sourced::Sourced, state::Replies};
use crate::{Error, Options, source::Source, terms::Terms};

pub(crate) use self::{database::Database, url::Kind};

/// A database on one server or several.
pub(crate) enum Redis {
    /// Its URL is given.
    Given(Database),
    /// Its URL comes from elsewhere.
    Sourced(Sourced),
}

impl Redis {
    /// Opens a URL of the given kind; does not connect.
    ///
    /// # Errors
    /// [`Error::Url`] when it is not valid, [`Error::Open`] when its CA file
    /// cannot be used.
    pub(crate) fn open(url: &str, kind: Kind, options: &Options) -> Result<Self, Error> {
        Ok(Self::Given(Database::open(url, kind, options)?))
    }

    /// Opens the URL that `source` will give.
    pub(crate) fn from_source(source: Source, options: Options) -> Self {
        Self::Sourced(Sourced::new(source, options))
    }

    /// The same, with connections of its own.
    pub(crate) fn twin(&self) -> Self {
        match self {
            Self::Given(database) => Self::Given(database.twin()),
            Self::Sourced(sourced) => Self::Sourced(sourced.twin()),
        }
    }

    pub(crate) async fn call(&self, command: &Command, terms: Terms) -> Result<Reply, Error> {
        let piece = Piece::plain(std::slice::from_ref(command));
        let mut replies = self.exchange(piece, terms).await?;
        replies.pop().ok_or_else(|| Error::Protocol {
            address: self.to_string(),
            reason: "no reply".to_owned(),
        })
    }

    pub(crate) async fn pipeline(
        &self,
        commands: &[Command],
        terms: Terms,
    ) -> Result<Vec<Reply>, Error> {
        Ok(self.exchange(Piece::plain(commands), terms).await?.into_vec())
    }

    pub(crate) async fn transaction(
        &self,
        commands: &[Command],
        terms: Terms,
    ) -> Result<Vec<Reply>, Error> {
        let replies = self.exchange(Piece::transaction(commands), terms).await?;
        super::exec_results(replies.into_iter())
    }

    async fn exchange(&self, piece: Piece<'_>, terms: Terms) -> Result<Replies, Error> {
        match self {
            Self::Given(database) => database.exchange(piece, terms).await,
            Self::Sourced(sourced) => sourced.exchange(piece, terms).await,
        }
    }

    /// Drops the connections and refuses later calls.
    pub(crate) fn close(&self) {
        match self {
            Self::Given(database) => database.close(),
            Self::Sourced(sourced) => sourced.close(),
        }
    }
}

/// The URL without credentials.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(database) => database.fmt(f),
            Self::Sourced(sourced) => sourced.fmt(f),
        }
    }
}
