//! [`Options`]: how long a call may take and how much may wait.

use std::{path::PathBuf, time::Duration};

/// How long a call to a remote store may take and how much may wait. An
/// embedded engine is governed by its URL alone.
///
/// ```
/// use std::time::Duration;
/// use tuckbox::Options;
///
/// let options = Options { deadline: Duration::from_millis(250), ..Options::default() };
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// How long one call, pipeline or transaction may take in all: connecting,
    /// waiting its turn, the repeat after a lost connection, following a cluster
    /// that changes. Default 1 s: a
    /// store in the same region answers in a millisecond, so a second means
    /// trouble, and two calls in a row that both fail still leave time to
    /// answer within the 3 s that AWS Lambda gives a function by default.
    pub deadline: Duration,
    /// How long connecting may take, TLS and authentication included, within
    /// the deadline. Default 1 s.
    pub connect_timeout: Duration,
    /// A connection that was not used for this long is replaced, not trusted:
    /// load balancers and NATs forget idle connections without a word, and the
    /// next call would wait out its deadline. Default 3 minutes, under the
    /// shortest limit of the large clouds (4 minutes on Azure, 350 s on AWS).
    pub max_idle: Duration,
    /// How many calls may wait for their reply at once on one [`Db`](crate::Db)
    /// and its clones, in a cluster on each node; the next one fails at once with
    /// [`Error::Busy`](crate::Error::Busy). Default 8192, about a tenth of a
    /// second's work for one Redis.
    pub max_in_flight: usize,
    /// How long a call waits for the source of
    /// [`Db::from_source`](crate::Db::from_source), apart from the deadline, whose
    /// clock stands still meanwhile: the source of a secret may be slow, and is
    /// asked once in a long time. Default 3 s.
    pub source_timeout: Duration,
    /// How long what the source of [`Db::from_source`](crate::Db::from_source) said
    /// counts as fresh; then one call asks it again, and others go on with what
    /// they have. Default 5 minutes.
    pub source_max_age: Duration,
    /// A PEM file with the certificates that may sign a `rediss://` server's,
    /// in place of the public ones. The URL's `cacert` parameter overrides it.
    pub ca_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1),
            connect_timeout: Duration::from_secs(1),
            max_idle: Duration::from_secs(180),
            max_in_flight: 8192,
            source_timeout: Duration::from_secs(3),
            source_max_age: Duration::from_secs(300),
            ca_file: None,
        }
    }
}
