//! [`Db`]: a database, wherever it lives.

use std::{fmt, sync::Arc};

use tuckbox_resp::{Command, Reply};

use crate::{Error, Options, transport::Transport};

/// A database, wherever it lives. Cloning one is a reference count; all clones
/// share the connection or the engine.
///
/// `Debug` shows the URL without credentials.
#[derive(Clone)]
pub struct Db {
    transport: Arc<Transport>,
}

impl Db {
    /// Opens the database at `url` with default [`Options`].
    ///
    /// A remote database is not connected to yet: the first call does that.
    ///
    /// # Errors
    /// [`Error::Url`] when `url` is not one this build can open, [`Error::Open`]
    /// when something it names (a directory, a CA file) cannot be used. The
    /// message never repeats the URL's credentials.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::open_with(url, Options::default()).await
    }

    /// Opens the database at `url`; see [`Db::open`].
    ///
    /// # Errors
    /// As for [`Db::open`].
    pub async fn open_with(url: &str, options: Options) -> Result<Self, Error> {
        let transport = Arc::new(Transport::open(url.trim(), &options).await?);
        Ok(Self { transport })
    }

    /// Executes one command. Costs one store command and one round trip.
    ///
    /// # Errors
    /// [`Error::Reply`] when the store answers with an error; otherwise why
    /// there is no answer, with [`Error::maybe_applied`] telling whether the
    /// command can have been applied all the same.
    pub async fn call(&self, command: Command) -> Result<Reply, Error> {
        Ok(self.transport.call(&command).await?.into_result()?)
    }

    /// Executes `commands` in order, sent together: one round trip. Other
    /// callers' commands may run between them. An error that one of them
    /// answers stays in its place in the result; the others are executed.
    ///
    /// # Errors
    /// Why there are no answers; then [`Error::maybe_applied`] tells whether
    /// any of the commands can have been applied.
    pub async fn pipeline(&self, commands: Vec<Command>) -> Result<Vec<Reply>, Error> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        self.transport.pipeline(&commands).await
    }

    /// Executes `commands` atomically, as `MULTI` and `EXEC` do: one round
    /// trip, two store commands more. An error that one of them answers while
    /// executing stays in its place in the result; the others are executed.
    ///
    /// # Errors
    /// [`Error::Reply`] when the store refuses a command before executing any
    /// (unknown name, wrong number of arguments): nothing was applied.
    /// [`Error::Aborted`] when `EXEC` answers null. Otherwise why there is no
    /// answer; then all of the commands or none were applied.
    pub async fn transaction(&self, commands: Vec<Command>) -> Result<Vec<Reply>, Error> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        self.transport.transaction(&commands).await
    }

    /// Closes the database for all clones: a remote one drops its connection,
    /// an embedded one writes a checkpoint and releases its directory. Calls
    /// that wait for a reply fail, later ones answer [`Error::Closed`]. Closing
    /// twice does nothing.
    ///
    /// # Errors
    /// Of an embedded database, when the checkpoint cannot be written; what was
    /// acknowledged is in the log all the same.
    pub async fn close(&self) -> Result<(), Error> {
        self.transport.close().await
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({})", self.transport)
    }
}
