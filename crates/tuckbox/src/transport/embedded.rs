//! `file:` and `memory:`: a database in this process.

use std::{
    io,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use parking_lot::Mutex;
use tokio::{task::spawn_blocking, time::timeout_at};
use tuckbox_engine::{Connection, Demand, Durability, Engine, Options, Position};
use tuckbox_resp::{Command, Reply, cmd};

use crate::{Error, UrlError, url::percent_decode};

/// An engine, and connections to it that no call uses now.
pub(crate) struct Embedded {
    address: Address,
    engine: Engine,
    /// A call takes one for as long as it executes, which never waits: there
    /// are as many as threads that ever executed at once.
    idle: Mutex<Vec<Connection>>,
    closed: AtomicBool,
}

impl Embedded {
    /// Opens `memory:` or `file:<directory>`, which is made when missing.
    pub(crate) async fn open(url: &str) -> Result<Self, Error> {
        let address = Address::parse(url)?;
        let Address { directory, durability } = address.clone();
        let options = Options { durability, ..Options::default() };
        let opened = spawn_blocking(move || match directory {
            Some(directory) => Engine::open(directory, options),
            None => Engine::in_memory(options),
        });
        let engine = join(opened.await)?.map_err(|error| Error::Open(error.into()))?;
        Ok(Self { address, engine, idle: Mutex::default(), closed: AtomicBool::new(false) })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) async fn call(&self, command: &Command) -> Result<Reply, Error> {
        self.room(std::slice::from_ref(command)).await;
        let mut connection = self.take()?;
        let executed = connection.execute_now(command);
        self.idle.lock().push(connection);
        self.durable(executed.position).await?;
        Ok(executed.reply)
    }

    pub(crate) async fn pipeline(&self, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        self.room(commands).await;
        let (replies, position) = self.execute(commands.iter())?;
        self.durable(position).await?;
        Ok(replies)
    }

    pub(crate) async fn transaction(&self, commands: &[Command]) -> Result<Vec<Reply>, Error> {
        self.room(commands).await;
        let (multi, exec) = (cmd!("MULTI"), cmd!("EXEC"));
        let all = std::iter::once(&multi).chain(commands).chain(std::iter::once(&exec));
        let (replies, position) = self.execute(all)?;
        self.durable(position).await?;
        super::exec_results(replies.into_iter())
    }

    pub(crate) fn health(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        let health = self.engine.health();
        if health.is_ok() {
            return Ok(());
        }
        Err(Error::Unhealthy { address: self.address.to_string(), cause: health.to_string() })
    }

    pub(crate) fn trouble(&self) -> Option<&'static str> {
        self.engine.health().brief()
    }

    /// Writes a checkpoint and releases the directory.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.idle.lock().clear();
        let engine = self.engine.clone();
        join(spawn_blocking(move || engine.close()).await)?
            .map_err(|error| self.unavailable(io::Error::other(error)))
    }

    /// Executes `commands` on one connection; the position is the last one.
    fn execute<'a>(
        &self,
        commands: impl Iterator<Item = &'a Command>,
    ) -> Result<(Vec<Reply>, Position), Error> {
        let mut connection = self.take()?;
        let mut last = Position::NONE;
        let replies = commands.map(|command| {
            let executed = connection.execute_now(command);
            last = last.max(executed.position);
            executed.reply
        });
        let replies = replies.collect();
        self.idle.lock().push(connection);
        Ok((replies, last))
    }

    /// Waits until there is room for what `commands` write, without blocking the
    /// thread.
    async fn room(&self, commands: &[Command]) {
        if self.engine.has_room(Demand::Memory) {
            return;
        }
        let demand = commands.iter().map(Demand::of).max().unwrap_or_default();
        let mut room = self.engine.room(demand);
        if let Some(due) = room.due()
            && timeout_at(due.into(), &mut room).await.is_ok()
        {
            return;
        }
        room.await;
    }

    fn take(&self) -> Result<Connection, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        if let Some(connection) = self.idle.lock().pop() {
            return Ok(connection);
        }
        let mut connection = self.engine.connection();
        connection.execute_now(&cmd!("HELLO", "3"));
        Ok(connection)
    }

    /// Waits until what was executed is as durable as the engine promises.
    async fn durable(&self, position: Position) -> Result<(), Error> {
        self.engine
            .durable(position)
            .await
            .map_err(|error| self.unavailable(io::Error::other(error)))
    }

    fn unavailable(&self, cause: io::Error) -> Error {
        Error::Unavailable { address: self.address.to_string(), maybe_applied: true, cause }
    }
}

fn join<T>(joined: Result<T, tokio::task::JoinError>) -> Result<T, Error> {
    joined.map_err(|error| Error::Open(error.into()))
}

/// What a `file:` or `memory:` URL says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Address {
    /// `None` is memory.
    directory: Option<PathBuf>,
    durability: Durability,
}

impl Address {
    /// Reads `memory:` or `file:<directory>[?durability=always|everysec]`.
    fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once(':').ok_or(UrlError::NoScheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let durability = match query {
            "" | "durability=always" => Durability::Always,
            "durability=everysec" => Durability::EverySec,
            _ => {
                return Err(UrlError::Invalid(
                    "the only parameter here is durability, always or everysec",
                ));
            }
        };
        if scheme.eq_ignore_ascii_case("memory") {
            return match path {
                "" => Ok(Self { directory: None, durability }),
                _ => Err(UrlError::Invalid("after memory: nothing may follow")),
            };
        }
        // file:///var/data is the long form of file:/var/data.
        let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
        if path.is_empty() || path.starts_with("//") {
            return Err(UrlError::Invalid(
                "file: needs a directory of this machine, as in file:./data or file:/var/data",
            ));
        }
        Ok(Self { directory: Some(PathBuf::from(percent_decode(path)?)), durability })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.directory {
            Some(directory) => write!(f, "file:{}", directory.display()),
            None => f.write_str("memory:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;

    use super::*;

    fn directory(url: &str) -> Option<PathBuf> {
        Address::parse(url).unwrap().directory
    }

    /// A database whose writers wait when its log has a MiB.
    fn short_of_room(dir: &std::path::Path) -> Embedded {
        let durability = Durability::EverySec;
        let options = Options { durability, checkpoint_log_bytes: 1, ..Options::default() };
        Embedded {
            address: Address { directory: Some(dir.into()), durability },
            engine: Engine::open(dir, options).unwrap(),
            idle: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    #[tokio::test]
    async fn a_write_awaits_room_and_a_read_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let db = short_of_room(dir.path());
        let (mut held, mut written) = (0, 0);
        // The log has room again as soon as a checkpoint is done: it may be quick.
        for _ in 0..1000 {
            let large = cmd!("SET", "large", vec![b'x'; 2 << 20]);
            db.engine.connection().execute_now(&large);
            let set = cmd!("INCR", "written");
            let mut write = Box::pin(db.call(&set));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let polled = write.as_mut().poll(&mut context);
            if polled.is_pending() {
                held += 1;
                let value = db.call(&cmd!("GET", "written")).await.unwrap();
                let before = if written == 0 {
                    Reply::Null
                } else {
                    Reply::bulk(written.to_string().as_bytes())
                };
                assert_eq!(value, before, "the write is not done");
                write.await.unwrap();
            }
            written += 1;
            if held == 3 {
                break;
            }
        }
        assert_eq!(held, 3, "writes never wait");
        let all = db.call(&cmd!("GET", "written")).await.unwrap();
        assert_eq!(all, Reply::bulk(written.to_string().as_bytes()));
        db.close().await.unwrap();
    }

    #[tokio::test]
    async fn many_tasks_of_one_thread_all_have_room_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let db = std::sync::Arc::new(short_of_room(dir.path()));
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..40 {
            let db = std::sync::Arc::clone(&db);
            tasks.spawn(async move {
                for number in 0..10 {
                    let set = cmd!("SET", format!("{task}:{number}"), vec![b'x'; 50_000]);
                    assert_eq!(db.call(&set).await.unwrap(), Reply::OK);
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        assert_eq!(db.call(&cmd!("DBSIZE")).await.unwrap(), Reply::Integer(400));
        db.close().await.unwrap();
    }

    #[test]
    fn directories_are_relative_absolute_or_escaped() {
        assert_eq!(directory("file:./data"), Some("./data".into()));
        assert_eq!(directory("file:data"), Some("data".into()));
        assert_eq!(directory("file:/var/data"), Some("/var/data".into()));
        assert_eq!(directory("file:///var/data"), Some("/var/data".into()));
        assert_eq!(directory("file:./my%20data"), Some("./my data".into()));
        assert_eq!(directory("memory:"), None);
    }

    #[test]
    fn durability_is_a_parameter() {
        let address = Address::parse("file:./data?durability=everysec").unwrap();
        assert_eq!(address.durability, Durability::EverySec);
        assert_eq!(Address::parse("file:./data").unwrap().durability, Durability::Always);
    }

    #[test]
    fn hosts_empty_paths_and_unknown_parameters_are_refused() {
        for url in ["file:", "file://host/data", "memory:x", "file:./data?sync=no"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
