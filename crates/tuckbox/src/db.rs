//! [`Db`]: a database, wherever it lives.

#[cfg(feature = "redis")]
use std::error::Error as StdError;
use std::{fmt, sync::Arc, time::Duration};

use tuckbox_resp::{Command, Reply};

#[cfg(feature = "redis")]
use crate::Refresh;
use crate::{Error, Invocation, Options, terms::Terms, transport::Transport};

/// A database, wherever it lives. Cloning one is a reference count; all clones
/// share the connection or the engine.
///
/// One `Db` is enough for a process with one tokio runtime, however many threads
/// that has. With several runtimes each should have a
/// [`Db::with_own_connections`].
///
/// `Debug` shows the URL without credentials.
#[derive(Clone)]
pub struct Db {
    transport: Arc<Transport>,
    deadline: Duration,
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
        Ok(Self { transport, deadline: options.deadline })
    }

    /// The database whose URL `source` knows: a secret in a file, a parameter
    /// store, a secret manager.
    ///
    /// ```no_run
    /// use tuckbox::{Db, Options, Refresh};
    ///
    /// let find = |_: Refresh| async { std::fs::read_to_string("/run/secrets/redis-url") };
    /// let db = Db::from_source(find, Options::default());
    /// ```
    ///
    /// - Nothing is asked before the first call. Calls that come meanwhile wait
    ///   for the same answer, each for [`Options::source_timeout`]; their deadlines
    ///   begin when they have it. An answer that comes later than that is kept for
    ///   the next call.
    /// - After [`Options::source_max_age`] it is asked again, by one call; others
    ///   use what is known. If it knows another URL, later calls go there. If it
    ///   fails, what is known holds for as long again.
    /// - When the server refuses the credentials, in a cluster or of Sentinels any
    ///   server, `source` is asked once with [`Refresh::Again`]. If it knows
    ///   another URL, the call is made once more there; if not, the server's
    ///   error stands. So a password that was changed costs one question, one
    ///   refused login and one new connection. Connections that are logged in go
    ///   on with what they have. A script that an established connection refuses
    ///   (`NOAUTH`, from some proxies) is not repeated: the next call asks.
    /// - A source that fails is asked again by the next call, though not within
    ///   100 ms; what comes sooner has the same [`Error::Source`]. Nor does it
    ///   look again more often than that, and while it goes on naming a URL that
    ///   is refused, the pause doubles up to 3.2 s.
    ///
    /// Its URL may be of any remote kind, with white space around it. `file:` and
    /// `memory:` are refused: they hold no secret. What `source` gives is never
    /// shown, but its errors are: they must not hold the URL. It must not block
    /// the thread for long, and should bound its own time: an answer is waited
    /// for as long as calls want one, and after 10 s the next call asks anew.
    #[cfg(feature = "redis")]
    pub fn from_source<F, A, E>(source: F, options: Options) -> Self
    where
        F: Fn(Refresh) -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let deadline = options.deadline;
        let source = crate::source::boxed(source);
        Self { transport: Arc::new(Transport::from_source(source, options)), deadline }
    }

    /// The same database through connections of its own, which are made when
    /// they are needed. An embedded one has none, so this is a clone.
    ///
    /// A connection belongs to the tokio runtime of the call that made it. With
    /// several runtimes, such as one for each worker thread of actix-web, one
    /// whose thread is busy would hold up the calls of the others, and one that
    /// ends would end their connection. So give each runtime its own, and count
    /// on as many connections at the server, in a cluster at each node. Of a
    /// [`Db::from_source`], each asks the source on its own.
    ///
    /// [`Options::max_in_flight`] holds for each, and [`Db::close`] closes only
    /// this one and its clones; but the engine of an embedded one.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        Self { transport: self.transport.twin(), deadline: self.deadline }
    }

    /// The same database, with another [`Options::deadline`] for the calls
    /// through this handle. Shares the connection or the engine; costs a
    /// reference count.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { transport: Arc::clone(&self.transport), deadline }
    }

    fn terms(&self) -> Terms {
        Terms::new(self.deadline)
    }

    /// Executes one command. Costs one store command and one round trip.
    ///
    /// # Errors
    /// [`Error::Reply`] when the store answers with an error; otherwise why
    /// there is no answer, with [`Error::maybe_applied`] telling whether the
    /// command can have been applied all the same.
    pub async fn call(&self, command: Command) -> Result<Reply, Error> {
        Ok(self.transport.call(&command, self.terms()).await?.into_result()?)
    }

    /// Executes `commands` in order, sent together: one round trip. Other
    /// callers' commands may run between them. An error that one of them
    /// answers stays in its place in the result; the others are executed. In a
    /// cluster each node gets its part, all at the same time.
    ///
    /// # Errors
    /// Why there are no answers; then [`Error::maybe_applied`] tells whether
    /// any of the commands can have been applied.
    pub async fn pipeline(&self, commands: Vec<Command>) -> Result<Vec<Reply>, Error> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        self.transport.pipeline(&commands, self.terms()).await
    }

    /// Executes `commands` atomically, as `MULTI` and `EXEC` do: one round
    /// trip, two store commands more. An error that one of them answers while
    /// executing stays in its place in the result; the others are executed.
    ///
    /// # Errors
    /// [`Error::Reply`] when the store refuses a command before executing any
    /// (unknown name, wrong number of arguments): nothing was applied.
    /// [`Error::Aborted`] when `EXEC` answers null. [`Error::CrossSlot`] in a
    /// cluster, when the keys are not all in one slot. Otherwise why there is no
    /// answer; then all of the commands or none were applied.
    pub async fn transaction(&self, commands: Vec<Command>) -> Result<Vec<Reply>, Error> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        self.transport.transaction(&commands, self.terms()).await
    }

    /// Runs a script: `EVALSHA`, and `EVAL` when the server does not know it.
    /// Costs one store command and one round trip; two the first time on a
    /// server and after it restarted. One deadline holds for both.
    ///
    /// # Errors
    /// As for [`Db::call`]. A script that fails midway has applied what it did
    /// until then, though [`Error::Reply`] otherwise means that nothing was.
    pub async fn eval(&self, invocation: &Invocation) -> Result<Reply, Error> {
        let terms = self.terms().idempotent(invocation.is_idempotent());
        let mut reply = self.transport.call(&invocation.evalsha(), terms).await?;
        if is_unknown_script(&reply) {
            // Nothing ran, so sending it again cannot apply it twice.
            reply = self.transport.call(&invocation.eval(), terms).await?;
        }
        Ok(reply.into_result()?)
    }

    /// Runs scripts in order, sent together: one round trip. Those that the
    /// server does not know are sent again with their source, in one more; they
    /// then run after the others. An error that one of them answers stays in its
    /// place in the result. One deadline holds for all. In a cluster each goes
    /// to the node of its keys.
    ///
    /// # Errors
    /// As for [`Db::pipeline`].
    pub async fn eval_all(&self, invocations: &[Invocation]) -> Result<Vec<Reply>, Error> {
        if invocations.is_empty() {
            return Ok(Vec::new());
        }
        let terms = self.terms().idempotent(invocations.iter().all(Invocation::is_idempotent));
        let commands: Vec<Command> = invocations.iter().map(Invocation::evalsha).collect();
        let mut replies = self.transport.pipeline(&commands, terms).await?;
        let unknown = |(_, reply): &(_, &mut Reply)| is_unknown_script(reply);
        let (commands, places): (Vec<Command>, Vec<&mut Reply>) = invocations
            .iter()
            .zip(&mut replies)
            .filter(unknown)
            .map(|(invocation, place)| (invocation.eval(), place))
            .unzip();
        if commands.is_empty() {
            return Ok(replies);
        }
        let some_ran = commands.len() < invocations.len();
        match self.transport.pipeline(&commands, terms).await {
            Ok(again) => places.into_iter().zip(again).for_each(|(place, reply)| *place = reply),
            Err(error) if some_ran => return Err(error.with_applied(&*self.transport)),
            Err(error) => return Err(error),
        }
        Ok(replies)
    }

    /// Whether the database can do what it promises: for a probe of readiness. A
    /// remote one is asked with `PING`, one round trip. An embedded one looks at
    /// itself, which costs no command.
    ///
    /// # Errors
    /// [`Error::Unhealthy`] when an embedded database refuses writes, or cannot
    /// make checkpoints; otherwise as for [`Db::call`].
    pub async fn health(&self) -> Result<(), Error> {
        self.transport.health(self.terms()).await
    }

    /// What keeps an embedded database from doing what it promises, in a few
    /// words that anyone may read: for a probe of the process' own health. `None`
    /// while all is well, and always for a remote database, whose troubles are not
    /// this process'. Neither waits nor sends anything.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        self.transport.trouble()
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

fn is_unknown_script(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(error) if error.code() == "NOSCRIPT")
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Db({})", self.transport)
    }
}
