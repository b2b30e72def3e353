//! A Redis server of a test's own, and the stores that tests run on.

use std::{
    io::{BufRead as _, BufReader, ErrorKind, Write as _},
    net::{TcpListener, TcpStream},
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
            .args(["--save", "", "--appendonly", "no"])
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
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The keys of all sessions in the store: neither indexes nor marks of ended
/// sessions.
pub(crate) async fn keys(db: &Db) -> Vec<String> {
    let keys = db.call(cmd!("KEYS", "*")).await.unwrap().into_array().unwrap();
    let mut sessions = Vec::new();
    for key in keys.into_iter().map(text) {
        match db.call(cmd!("HEXISTS", &key, "token")).await {
            Ok(Reply::Integer(0)) | Err(_) => {}
            Ok(_) => sessions.push(key),
        }
    }
    sessions
}

/// The values of the one session in the store, in order, and `user` if somebody
/// is logged in: the fields that are not the session's own.
pub(crate) async fn its_fields(db: &Db) -> Vec<String> {
    let keys = keys(db).await;
    assert_eq!(keys.len(), 1, "{keys:?}");
    let pairs = db.call(cmd!("HGETALL", &keys[0])).await.unwrap().into_pairs().unwrap();
    let mut fields: Vec<_> = pairs.into_iter().map(|(field, _)| text(field)).collect();
    fields.retain(|field| field == "user" || field.starts_with("d:"));
    fields.sort();
    fields
}

fn text(reply: Reply) -> String {
    String::from_utf8_lossy(&reply.into_bytes().unwrap().unwrap()).into_owned()
}

/// Sees what a Redis server is asked to do.
pub(crate) struct Meter {
    db: Db,
    monitor: BufReader<TcpStream>,
}

impl Meter {
    pub(crate) async fn on(server: &RedisServer) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.write_all(b"MONITOR\r\n").unwrap();
        let mut meter =
            Self { db: Db::open(&server.url()).await.unwrap(), monitor: BufReader::new(stream) };
        meter.line();
        meter
    }

    /// The commands that clients send to the server during `work`, by name. What
    /// scripts do there is not among them.
    pub(crate) async fn commands<T>(&mut self, work: impl Future<Output = T>) -> (Vec<String>, T) {
        let _ = self.until("begin").await;
        let result = work.await;
        (self.until("end").await, result)
    }

    /// The commands that were sent before now.
    async fn until(&mut self, mark: &str) -> Vec<String> {
        self.db.call(cmd!("ECHO", mark)).await.unwrap();
        let mut commands = Vec::new();
        loop {
            let line = self.line();
            // +1700000000.123456 [0 127.0.0.1:40000] "name" "argument" …
            let name = line.split('"').nth(1).unwrap_or_default().to_lowercase();
            match &*name {
                "echo" if line.contains(&format!("\"{mark}\"")) => return commands,
                "hello" | "client" | "echo" => {}
                _ if line.contains("[0 lua]") => {}
                _ => commands.push(name),
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.monitor.read_line(&mut line).unwrap();
        line
    }
}
