//! The stores that the tests run on.

use std::{
    io::{BufRead, BufReader, ErrorKind},
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
};

use tuckbox::{Db, Reply, cmd};

/// Runs each of the named functions on every kind of store, with an empty one.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(tuckbox::Db::open("memory:").await.unwrap()).await;
            })*
        }

        mod file {
            $(#[tokio::test]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                let url = format!("file:{}", dir.path().join("data").display());
                let db = tuckbox::Db::open(&url).await.unwrap();
                super::$name(db.clone()).await;
                db.close().await.unwrap();
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $name() {
                if let Some(server) = $crate::stores::RedisServer::start() {
                    super::$name(server.db().await).await;
                }
            })*
        }
    };
}
pub(crate) use on_every_store;

/// A Redis server of one test, which ends with this value.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
}

impl RedisServer {
    /// Starts one on a free port; `None`, after saying so, where redis-server
    /// is not installed.
    pub(crate) fn start() -> Option<Self> {
        // Another process may take the port between our looking and its use.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            match spawn(port) {
                Ok(Some(child)) => return Some(Self { child, port }),
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let required = std::env::var("TUCKBOX_REQUIRE_REDIS");
                    assert_ne!(required.as_deref(), Ok("1"), "redis-server is not installed");
                    println!("skipped: redis-server is not installed");
                    return None;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) async fn db(&self) -> Db {
        Db::open(&self.url()).await.unwrap()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running server that accepts connections, or `None` when it gave up.
fn spawn(port: u16) -> std::io::Result<Option<Child>> {
    let mut child = Command::new("redis-server")
        .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
        .args(["--port", &port.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    if lines.any(|line| line.is_ok_and(|line| line.contains("Ready to accept"))) {
        // Somebody must go on reading its log, or it would block.
        thread::spawn(move || lines.for_each(drop));
        return Ok(Some(child));
    }
    child.wait()?;
    Ok(None)
}

/// The text in a reply.
pub(crate) fn text(reply: Reply) -> String {
    String::from_utf8(reply.into_bytes().unwrap().unwrap().to_vec()).unwrap()
}

/// All keys of the store, in order.
pub(crate) async fn keys(db: &Db) -> Vec<String> {
    let keys = db.call(cmd!("KEYS", "*")).await.unwrap().into_array().unwrap();
    let mut keys: Vec<String> = keys.into_iter().map(text).collect();
    keys.sort();
    keys
}

/// How long the key lives; -1 for ever, -2 when there is none.
pub(crate) async fn milliseconds_left(db: &Db, key: &str) -> i64 {
    db.call(cmd!("PTTL", key)).await.unwrap().into_integer().unwrap()
}
