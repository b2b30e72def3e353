//! [`Error`]: why a call has no reply.

use std::{fmt, io, sync::Arc, time::Duration};

use tuckbox_resp::{ErrorReply, Unexpected};

use crate::url::UrlError;

/// Why a call has no reply.
///
/// No error holds a password or an argument of a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store answered with an error, for instance `WRONGTYPE …`, `NOAUTH …`
    /// or `OOM …`. The command was not applied.
    #[error("{0}")]
    Reply(#[from] ErrorReply),

    /// A reply had another type than its reader needed.
    #[error("{0}")]
    Unexpected(#[from] Unexpected),

    /// The store could not be reached, or the connection was lost.
    #[error("the store at {address} is unavailable: {cause}{}", applied(*maybe_applied))]
    Unavailable {
        /// Where it should be, without credentials.
        address: String,
        /// Whether the command may have been applied all the same.
        maybe_applied: bool,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },

    /// The store did not answer in time.
    #[error("the store at {address} did not answer within {} ms{}",
        after.as_millis(), applied(*maybe_applied))]
    Timeout {
        /// Where it is, without credentials.
        address: String,
        /// The deadline that passed.
        after: Duration,
        /// Whether the command may have been applied all the same.
        maybe_applied: bool,
    },

    /// Too many calls wait for the store already; this one was not sent.
    #[error(
        "{limit} calls wait for the store already: the store is too slow for this load, \
        or raise Options::max_in_flight"
    )]
    Busy {
        /// The limit that was reached.
        limit: usize,
    },

    /// A watched key changed, so the transaction was not executed.
    #[error("the transaction was aborted because a watched key changed; nothing was applied")]
    Aborted,

    /// In a cluster, the keys of a command or of a transaction are in several
    /// slots, so no one server has them all; nothing was sent.
    #[error(
        "the keys are in several slots of the cluster, so they cannot be used together: give \
        them a hash tag in common, as in {{user:1}}:profile and {{user:1}}:visits"
    )]
    CrossSlot,

    /// The command would change the state of a connection that all calls share.
    #[error("{command} cannot be called on a shared connection: {hint}")]
    NotShared {
        /// The command's name.
        command: &'static str,
        /// What to do instead.
        hint: &'static str,
    },

    /// The URL is not one this build can open.
    #[error("{0}")]
    Url(#[from] UrlError),

    /// The database could not be opened.
    #[error("the database could not be opened: {0}")]
    Open(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The source of the store's URL
    /// ([`Db::from_source`](crate::Db::from_source)) has none that can be used,
    /// or none in time. Nothing was applied; a later call asks it again.
    #[error("{}there is no usable URL of the store: {cause}", refused(refusal.as_ref()))]
    Source {
        /// Why another one was needed: how the server refused the last one.
        refusal: Option<ErrorReply>,
        /// What the source says; or [`Error::Url`] or [`Error::Open`] about what
        /// it gave.
        #[source]
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },

    /// The store's answer is not RESP, or not as many replies as commands.
    /// The connection is dropped; whether the command was applied is unknown.
    #[error("the store at {address} does not speak RESP as expected: {reason}")]
    Protocol {
        /// Where it is, without credentials.
        address: String,
        /// What was wrong with the answer.
        reason: String,
    },

    /// An embedded database cannot do what it promises: its disk is full or has
    /// failed. Reads go on. [`Db::health`](crate::Db::health) says so, calls have
    /// the store's own replies (`MISCONF …`).
    #[error("the database at {address} is not well: {cause}")]
    Unhealthy {
        /// Where it is.
        address: String,
        /// What is wrong, and what to do about it.
        cause: String,
    },

    /// [`Db::close`](crate::Db::close) was called before.
    #[error("the database was closed")]
    Closed,
}

fn applied(maybe: bool) -> &'static str {
    if maybe { " (the command may have been applied)" } else { " (nothing was applied)" }
}

fn refused(refusal: Option<&ErrorReply>) -> String {
    refusal
        .map(|refusal| format!("the store refused the login ({refusal}), and "))
        .unwrap_or_default()
}

impl Error {
    /// Whether the command may have been applied although it has no reply.
    ///
    /// When this is false, nothing was changed and the call may be repeated.
    #[must_use]
    pub fn maybe_applied(&self) -> bool {
        match self {
            Self::Unavailable { maybe_applied, .. } | Self::Timeout { maybe_applied, .. } => {
                *maybe_applied
            }
            Self::Protocol { .. } | Self::Unexpected(_) => true,
            _ => false,
        }
    }

    /// The same, for a caller a part of whose commands may have been applied
    /// before this went wrong.
    pub(crate) fn with_applied(self, address: &(dyn fmt::Display + Sync)) -> Self {
        match self {
            Self::Unavailable { address, cause, .. } => {
                Self::Unavailable { address, maybe_applied: true, cause }
            }
            Self::Timeout { address, after, .. } => {
                Self::Timeout { address, after, maybe_applied: true }
            }
            error if error.maybe_applied() => error,
            error => Self::Unavailable {
                address: address.to_string(),
                maybe_applied: true,
                cause: io::Error::other(error),
            },
        }
    }

    /// Whether the same call may well succeed in a moment: the store is away,
    /// slow, starting, failing over or busy, or the source of its URL has none
    /// yet. Never true of a refusal by the store that only a person can lift,
    /// such as a wrong password or a full memory.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Timeout { .. }
            | Self::Busy { .. }
            | Self::Aborted
            | Self::Source { .. } => true,
            Self::Reply(reply) => matches!(
                reply.code(),
                "LOADING"
                    | "BUSY"
                    | "TRYAGAIN"
                    | "MASTERDOWN"
                    | "CLUSTERDOWN"
                    | "READONLY"
                    | "MOVED"
                    | "ASK"
            ),
            _ => false,
        }
    }
}
