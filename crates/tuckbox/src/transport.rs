//! The transports: ways to a database. Each is a cargo feature.

use std::{fmt, sync::Arc};

use tuckbox_resp::{Command, Reply};

#[cfg(feature = "redis")]
use crate::source::Source;
use crate::{Error, Options, UrlError, terms::Terms};

#[cfg(feature = "embedded")]
mod embedded;
#[cfg(feature = "redis")]
mod redis;
mod shared;

#[cfg(not(any(feature = "embedded", feature = "redis")))]
compile_error!("tuckbox needs a way to a database: enable the feature `embedded` or `redis`");

/// The way to one database.
pub(crate) enum Transport {
    #[cfg(feature = "embedded")]
    Embedded(embedded::Embedded),
    #[cfg(feature = "redis")]
    Redis(Box<redis::Redis>),
}

impl Transport {
    #[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "for remote stores"))]
    pub(crate) async fn open(url: &str, options: &Options) -> Result<Self, Error> {
        let (scheme, _) = url.split_once(':').ok_or(UrlError::NoScheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            #[cfg(feature = "embedded")]
            "file" | "memory" => Ok(Self::Embedded(embedded::Embedded::open(url).await?)),
            #[cfg(feature = "redis")]
            scheme if let Some(kind) = redis_kind(scheme) => {
                Ok(Self::Redis(Box::new(redis::Redis::open(url, kind, options)?)))
            }
            other => Err(left_out(other).into()),
        }
    }

    #[cfg(feature = "redis")]
    pub(crate) fn from_source(source: Source, options: Options) -> Self {
        Self::Redis(Box::new(redis::Redis::from_source(source, options)))
    }

    /// The same database through connections of its own, where there are any.
    pub(crate) fn twin(self: &Arc<Self>) -> Arc<Self> {
        match &**self {
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => Arc::clone(self),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => Arc::new(Self::Redis(Box::new(redis.twin()))),
        }
    }

    #[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "for remote stores"))]
    pub(crate) async fn call(&self, command: &Command, terms: Terms) -> Result<Reply, Error> {
        shared::check_shareable(command)?;
        match self {
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.call(command).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.call(command, terms).await,
        }
    }

    #[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "for remote stores"))]
    pub(crate) async fn pipeline(
        &self,
        commands: &[Command],
        terms: Terms,
    ) -> Result<Vec<Reply>, Error> {
        commands.iter().try_for_each(shared::check_shareable)?;
        match self {
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.pipeline(commands).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.pipeline(commands, terms).await,
        }
    }

    #[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "for remote stores"))]
    pub(crate) async fn transaction(
        &self,
        commands: &[Command],
        terms: Terms,
    ) -> Result<Vec<Reply>, Error> {
        commands.iter().try_for_each(shared::check_shareable)?;
        match self {
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.transaction(commands).await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.transaction(commands, terms).await,
        }
    }

    #[cfg_attr(not(feature = "redis"), expect(unused_variables, reason = "for remote stores"))]
    pub(crate) async fn health(&self, terms: Terms) -> Result<(), Error> {
        match self {
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.health(),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => {
                redis.call(&tuckbox_resp::cmd!("PING"), terms).await?.into_result()?;
                Ok(())
            }
        }
    }

    pub(crate) fn trouble(&self) -> Option<&'static str> {
        match self {
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.trouble(),
            #[cfg(feature = "redis")]
            Self::Redis(_) => None,
        }
    }

    pub(crate) async fn close(&self) -> Result<(), Error> {
        match self {
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.close().await,
            #[cfg(feature = "redis")]
            Self::Redis(redis) => {
                redis.close();
                Ok(())
            }
        }
    }
}

/// The URL without credentials.
impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.address().fmt(f),
            #[cfg(feature = "redis")]
            Self::Redis(redis) => redis.fmt(f),
        }
    }
}

/// Opens a URL that came from a source; does not connect.
///
/// # Errors
/// [`Error::Url`] when it is not valid or of a database in this process,
/// [`Error::Open`] when its CA file cannot be used.
#[cfg(feature = "redis")]
fn open_sourced(url: &str, options: &Options) -> Result<redis::Database, Error> {
    let (scheme, _) = url.split_once(':').ok_or(UrlError::NoScheme)?;
    let scheme = scheme.to_ascii_lowercase();
    if matches!(scheme.as_str(), "file" | "memory") {
        return Err(UrlError::Invalid(
            "file: and memory: URLs hold no secret and need no source; give them to Db::open",
        )
        .into());
    }
    let kind = redis_kind(&scheme).ok_or_else(|| left_out(&scheme))?;
    redis::Database::open(url, kind, options)
}

/// What is behind a URL of this scheme, in lower case.
#[cfg(feature = "redis")]
fn redis_kind(scheme: &str) -> Option<redis::Kind> {
    match scheme {
        "redis" | "rediss" => Some(redis::Kind::Server),
        #[cfg(unix)]
        "unix" | "redis+unix" | "redis-unix" => Some(redis::Kind::Unix),
        #[cfg(feature = "redis-cluster")]
        "redis+cluster" | "rediss+cluster" | "redis-cluster" | "rediss-cluster" => {
            Some(redis::Kind::Cluster)
        }
        #[cfg(feature = "redis-cluster")]
        "redis+sentinel" | "rediss+sentinel" | "redis-sentinel" | "rediss-sentinel" => {
            Some(redis::Kind::Sentinel)
        }
        _ => None,
    }
}

/// The results of `EXEC`, given the replies to a whole transaction.
///
/// # Errors
/// [`Error::Aborted`] when a watched key changed. When a command was refused,
/// its own error: `EXECABORT` says only that there was one.
fn exec_results(mut replies: impl DoubleEndedIterator<Item = Reply>) -> Result<Vec<Reply>, Error> {
    match replies.next_back() {
        Some(Reply::Array(results)) => Ok(results),
        Some(Reply::Null | Reply::NullArray) => Err(Error::Aborted),
        Some(Reply::Error(abort)) => {
            let refusal = replies.find_map(|reply| reply.into_result().err());
            Err(Error::Reply(refusal.unwrap_or(abort)))
        }
        _ => {
            Err(tuckbox_resp::Unexpected { wanted: "the results of EXEC", got: "no array" }.into())
        }
    }
}

/// Why a scheme has no transport here.
fn left_out(scheme: &str) -> UrlError {
    let (scheme, feature) = match scheme {
        "file" => ("file", "embedded"),
        "memory" => ("memory", "embedded"),
        "redis" => ("redis", "redis"),
        "rediss" => ("rediss", "redis-tls"),
        "unix" | "redis+unix" | "redis-unix" => ("redis+unix", "redis"),
        "redis+cluster" | "redis-cluster" => ("redis+cluster", "redis-cluster"),
        "rediss+cluster" | "rediss-cluster" => ("rediss+cluster", "redis-cluster"),
        "redis+sentinel" | "redis-sentinel" => ("redis+sentinel", "redis-cluster"),
        "rediss+sentinel" | "rediss-sentinel" => ("rediss+sentinel", "redis-cluster"),
        // Not shown: when the scheme was forgotten, what stands before the
        // first colon can be a user's name.
        _ => return UrlError::UnknownScheme,
    };
    UrlError::NotCompiledIn { scheme, feature }
}
