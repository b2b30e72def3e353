//! [`Failure`]: why there are no figures.

use std::io;

use tuckbox_engine::{LogError, OpenError};
use tuckbox_resp::{ErrorReply, Reply};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("usage: bench-engine latency DIR | durable DIR | large DIR [SHARE] | fill DIR KEYS")]
    Usage,
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("a write is not known to be on disk: {0}")]
    Log(#[from] LogError),
    #[error("the engine refused a command: {0:?}")]
    Refused(ErrorReply),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("a writer ended early")]
    Writer,
}

/// An error reply would be measured as a very fast command.
pub(crate) fn accepted(reply: Reply) -> Result<Reply, Failure> {
    match reply {
        Reply::Error(error) => Err(Failure::Refused(error)),
        reply => Ok(reply),
    }
}
