//! `redis://` and its relatives: Redis and Valkey servers.

mod address;
mod batch;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod connection;
mod dial;
mod exchange;
mod link;
#[cfg(feature = "redis-cluster")]
mod rounds;
mod rules;
#[cfg(feature = "redis-cluster")]
mod sentinel;
mod server;
mod socket;
mod state;
#[cfg(feature = "redis-tls")]
mod tls;
mod url;

use std::fmt;

use tuckbox_resp::{Command, Reply};

use self::{
    batch::{Batch, Piece},
    dial::Dialer,
    server::Server,
    state::Replies,
    url::RedisUrl,
};
use crate::{Error, Options, terms::Terms};

pub(crate) use self::url::Kind;

/// One server, or several that are one database.
pub(crate) struct Redis {
    /// The URL without credentials.
    shown: String,
    way: Way,
}

/// How to find the server for a command.
enum Way {
    Server(Server),
    #[cfg(feature = "redis-cluster")]
    Cluster(cluster::Cluster),
    #[cfg(feature = "redis-cluster")]
    Sentinel(sentinel::Watched),
}

impl Redis {
    /// Opens a URL of the given kind; does not connect.
    ///
    /// # Errors
    /// [`Error::Url`] when it is not valid, [`Error::Open`] when its CA file
    /// cannot be used.
    pub(crate) fn open(url: &str, kind: Kind, options: &Options) -> Result<Self, Error> {
        let url = RedisUrl::parse(url, kind)?;
        let shown = url.to_string();
        let way = match kind {
            Kind::Server | Kind::Unix => {
                Way::Server(Server::new(Dialer::new(url.into_address(), options)?))
            }
            #[cfg(feature = "redis-cluster")]
            Kind::Cluster => Way::Cluster(cluster::Cluster::new(url, options)?),
            #[cfg(feature = "redis-cluster")]
            Kind::Sentinel => Way::Sentinel(sentinel::Watched::new(url, options)?),
        };
        Ok(Self { shown, way })
    }

    pub(crate) async fn call(&self, command: &Command, terms: Terms) -> Result<Reply, Error> {
        let piece = Piece::plain(std::slice::from_ref(command));
        let mut replies = self.exchange(piece, terms).await?;
        replies.pop().ok_or_else(|| Error::Protocol {
            address: self.shown.clone(),
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
        match &self.way {
            Way::Server(server) => server.exchange(&Batch::of(piece), terms).await,
            #[cfg(feature = "redis-cluster")]
            Way::Cluster(cluster) => rounds::exchange(cluster, piece, terms).await,
            #[cfg(feature = "redis-cluster")]
            Way::Sentinel(watched) => rounds::exchange(watched, piece, terms).await,
        }
    }

    /// Drops the connections and refuses later calls.
    pub(crate) fn close(&self) {
        match &self.way {
            Way::Server(server) => server.close(),
            #[cfg(feature = "redis-cluster")]
            Way::Cluster(cluster) => cluster.close(),
            #[cfg(feature = "redis-cluster")]
            Way::Sentinel(watched) => watched.close(),
        }
    }
}

/// The URL without credentials.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
