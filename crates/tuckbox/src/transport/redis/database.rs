//! [`Database`]: what is behind one URL.

use std::fmt;

use super::{
    Kind,
    batch::{Batch, Piece},
    dial::Dialer,
    server::Server,
    state::Replies,
    url::RedisUrl,
};
#[cfg(feature = "redis-cluster")]
use super::{cluster, rounds, sentinel};
use crate::{Error, Options, terms::Terms};

/// One server, or several that are one database.
pub(crate) struct Database {
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

impl Database {
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

    /// The same, with connections of its own.
    pub(super) fn twin(&self) -> Self {
        let way = match &self.way {
            Way::Server(server) => Way::Server(server.twin()),
            #[cfg(feature = "redis-cluster")]
            Way::Cluster(cluster) => Way::Cluster(cluster.twin()),
            #[cfg(feature = "redis-cluster")]
            Way::Sentinel(watched) => Way::Sentinel(watched.twin()),
        };
        Self { shown: self.shown.clone(), way }
    }

    /// Sends `piece` and waits for its replies. What the servers answer to its
    /// commands is in the replies.
    ///
    /// # Errors
    /// Why there are none. [`Error::Reply`] is the answer to a login or to a
    /// question of our own; then nothing was applied.
    pub(super) async fn exchange(&self, piece: Piece<'_>, terms: Terms) -> Result<Replies, Error> {
        match &self.way {
            Way::Server(server) => server.exchange(&Batch::of(piece), terms).await,
            #[cfg(feature = "redis-cluster")]
            Way::Cluster(cluster) => rounds::exchange(cluster, piece, terms).await,
            #[cfg(feature = "redis-cluster")]
            Way::Sentinel(watched) => rounds::exchange(watched, piece, terms).await,
        }
    }

    /// Drops the connections and refuses later calls.
    pub(super) fn close(&self) {
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
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
