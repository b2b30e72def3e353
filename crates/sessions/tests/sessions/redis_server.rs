//! A Redis server of a test's own, and the stores that tests run on.

use std::{
    io::{BufRead as _, BufReader, ErrorKind},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Stdio},
};

use tuckbox::{Db, Reply, cmd};

/// Runs a test on every store that there is.
pub(crate) async fn on_every_store(test: impl AsyncFn(Db)) {
    test(Db::open("memory:").await.unwrap()).await;
    if let Some(server) = RedisServer::start() {
        test(Db::open(&server.url()).await.unwrap()).await;
    }
}

/// A Redis server that ends with this value.
pub(crate) struct RedisServer {
    process: Child,
    port: u16,
    /// Kept open: the server writes its log to it.
    _log: BufReader<ChildStdout>,
}

impl RedisServer {
    /// Starts a server on a free port; `None` where Redis is not installed.
    pub(crate) fn start() -> Option<Self> {
        // Another process can take the free port first; then the next is tried.
        (0..10).find_map(|_| Self::try_start().transpose())?.ok()
    }

    fn try_start() -> Result<Option<Self>, ()> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let started = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"])
            .stdout(Stdio::piped())
            .spawn();
        let mut process = match started {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                assert!(
                    std::env::var("TUCKBOX_REQUIRE_REDIS").as_deref() != Ok("1"),
                    "redis-server is not installed"
                );
                println!("skipped: redis-server is not installed");
                return Err(());
            }
            started => started.unwrap(),
        };
        let mut log = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while log.read_line(&mut line).unwrap() > 0 {
            if line.contains("Ready to accept connections") {
                return Ok(Some(Self { process, port, _log: log }));
            }
            line.clear();
        }
        process.wait().unwrap();
        Ok(None)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends the server as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Stops the server's process: it takes connections but answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets a frozen server go on.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // SIGKILL ends a stopped process as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All keys in the store.
pub(crate) async fn keys(db: &Db) -> Vec<String> {
    let keys = db.call(cmd!("KEYS", "*")).await.unwrap().into_array().unwrap();
    keys.into_iter().map(text).collect()
}

/// The one session in the store: its key and its fields.
pub(crate) async fn the_session(db: &Db) -> (String, Vec<(String, String)>) {
    let mut keys = keys(db).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    let key = keys.remove(0);
    let pairs = db.call(cmd!("HGETALL", &key)).await.unwrap().into_pairs().unwrap();
    let mut fields: Vec<_> =
        pairs.into_iter().map(|(field, value)| (text(field), text(value))).collect();
    fields.sort();
    (key, fields)
}

/// The names of the fields of the one session in the store, in order.
pub(crate) async fn its_fields(db: &Db) -> Vec<String> {
    the_session(db).await.1.into_iter().map(|(field, _)| field).collect()
}

/// Milliseconds until the key expires.
pub(crate) async fn expires_in(db: &Db, key: &str) -> i64 {
    db.call(cmd!("PTTL", key)).await.unwrap().into_integer().unwrap()
}

fn text(reply: Reply) -> String {
    String::from_utf8(reply.into_bytes().unwrap().unwrap().to_vec()).unwrap()
}

/// Counts what a Redis server is asked to do.
pub(crate) struct Meter(Db);

impl Meter {
    pub(crate) async fn on(server: &RedisServer) -> Self {
        Self(Db::open(&server.url()).await.unwrap())
    }

    /// The commands that the server executes during `work`, by name, in the
    /// order of their names, each as often as it was called.
    pub(crate) async fn commands<T>(&self, work: impl Future<Output = T>) -> (Vec<String>, T) {
        self.0.call(cmd!("CONFIG", "RESETSTAT")).await.unwrap();
        let result = work.await;
        let info = text(self.0.call(cmd!("INFO", "commandstats")).await.unwrap());
        let mut commands = Vec::new();
        for line in info.lines() {
            let Some((name, figures)) =
                line.strip_prefix("cmdstat_").and_then(|line| line.split_once(":calls="))
            else {
                continue;
            };
            let calls: usize = figures.split(',').next().unwrap().parse().unwrap();
            if name != "config|resetstat" {
                commands.extend(std::iter::repeat_n(name.to_owned(), calls));
            }
        }
        commands.sort();
        (commands, result)
    }
}
