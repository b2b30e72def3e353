//! What can go wrong with an engine, and what to do about it.

use std::path::PathBuf;

use tuckbox_resp::ErrorReply;

use crate::{checkpoint::CheckpointError, log::LogError, store::StoreError};

/// An engine could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory cannot be made, read or written.
    #[error("cannot use {} as a data directory: {cause}; give a directory this user can write", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// Another process, or another engine of this one, has the directory open.
    #[error("{} is in use by {holder}; stop it, or choose another directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Who holds it: the process id, and when it opened the directory.
        holder: String,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(Box<dyn std::error::Error + Send + Sync>),
    /// The log holds a frame that this version cannot read.
    #[error(
        "frame {position} of the log in {} cannot be replayed: it was written by a newer version, or \
         belongs to another store; use the version that wrote it, or a backup of the whole directory",
        path.display()
    )]
    Frame {
        /// The data directory.
        path: PathBuf,
        /// The frame's position in the log.
        position: u64,
    },
    /// No thread for the work in the background.
    #[error("the operating system gave no thread: {0}")]
    Thread(#[source] std::io::Error),
    /// No randomness for hash seeds.
    #[error("the operating system gave no randomness: {0}")]
    Random(String),
}

impl From<CheckpointError> for OpenError {
    fn from(error: CheckpointError) -> Self {
        match error {
            CheckpointError::Store(error) => error.into(),
            CheckpointError::Log(error) => error.into(),
            CheckpointError::Replay(error) => error.into(),
        }
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

/// The error reply for a store that cannot be read.
///
/// The details, which name files, go to the operator; the client learns that
/// the answer is not known.
pub(crate) fn store_reply(error: &StoreError) -> ErrorReply {
    if matches!(error, StoreError::Closed) {
        return crate::commands::CLOSED.into();
    }
    tracing::error!(%error, "the store could not be read");
    "ERR the key could not be read from disk; see the server's log".into()
}
