//! [`Running`]: a server in this process.

use std::thread::{self, JoinHandle};

use tempfile::TempDir;
use tuckbox_engine::{Engine, Options};
use tuckbox_resp::{Command, Reply};
use tuckbox_server::{Config, Server, ServerError, Stopper};
use tuckbox_test_redis::Connection;

/// A server on a free port that ends with this value.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) port: u16,
    stopper: Stopper,
    thread: Option<JoinHandle<Result<(), ServerError>>>,
    /// The data goes with it.
    _dir: Option<TempDir>,
}

impl Running {
    /// One that keeps nothing.
    pub(crate) fn in_memory() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::on(Engine::in_memory(Options::default()).unwrap(), config, None)
    }

    /// One that syncs every write.
    pub(crate) fn on_disk() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = Engine::open(dir.path(), Options::default()).unwrap();
        Self::on(engine, Config::default(), Some(dir))
    }

    fn on(engine: Engine, config: Config, dir: Option<TempDir>) -> Self {
        let server = Server::bind(engine.clone(), config).unwrap();
        let (port, stopper) = (server.local_addr().port(), server.stopper());
        let thread = Some(thread::spawn(|| server.run()));
        Self { engine, port, stopper, thread, _dir: dir }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.port)
    }

    /// The reply to one command on a connection of its own.
    pub(crate) fn ask(&self, command: &Command) -> Reply {
        self.connect().call(command)
    }

    /// Ends it; what `run` returned.
    pub(crate) fn stop(&mut self) -> Result<(), ServerError> {
        self.stopper.stop();
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ended = self.stop();
        if !thread::panicking() {
            ended.unwrap();
        }
    }
}

/// What a reply says, as text.
pub(crate) fn text(reply: Reply) -> String {
    match reply {
        Reply::Error(error) => error.text().to_owned(),
        reply => String::from_utf8(reply.into_bytes().unwrap().unwrap().to_vec()).unwrap(),
    }
}

/// The value of `name` in a line such as `name=value other=…` or `name:value`.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split_ascii_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix(['=', ':']))
}
