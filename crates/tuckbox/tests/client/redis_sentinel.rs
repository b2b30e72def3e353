//! Servers that sentinels replace.
use std::{
    process::{Child, Command},
    time::Duration,
};

use tuckbox::{Db, Error, Options, Refresh, Reply, cmd};
use tuckbox_test_redis::{RedisServer, ask, free_port, spawn, until, until_in_step};

use crate::support::{NOBODY, fake::FakeServer, open, patient, vault::Vault};

/// A sentinel, killed when dropped.
struct Sentinel {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sentinel {
    /// One that may replace a master on its own, within a second.
    fn start(master: &RedisServer) -> Self {
        for _ in 0..5 {
            let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
            let file = dir.path().join("sentinel.conf");
            let settings = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\n\
                sentinel monitor shop 127.0.0.1 {} 1\n\
                sentinel down-after-milliseconds shop 1000\n\
                sentinel failover-timeout shop 2000\n",
                dir.path().display(),
                master.port,
            );
            std::fs::write(&file, settings).unwrap();
            let mut command = Command::new("redis-server");
            if let Some(child) = spawn(command.arg(&file).arg("--sentinel"), "+monitor") {
                return Self { child, port, _dir: dir };
            }
        }
        panic!("the sentinel does not start");
    }

    /// Whether it knows a replica to promote.
    fn is_ready(&self) -> bool {
        let replicas = ask(self.port, &["SENTINEL", "REPLICAS", "shop"]);
        replicas.contains("master-link-status\r\n$2\r\nok") && !replicas.contains("disconnected")
    }

    fn master(&self) -> String {
        ask(self.port, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"])
    }
}

/// A master, its replica and a sentinel that knows both.
fn start() -> Option<(RedisServer, RedisServer, Sentinel)> {
    let settings = ["--repl-diskless-sync-delay", "0"];
    let master = RedisServer::start_with(&settings)?;
    let replica = RedisServer::start_with(&settings)?;
    ask(replica.port, &["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    // What the sentinel does not find at once it looks for ten seconds later.
    let port = replica.port.to_string();
    until("the master has a replica", || ask(master.port, &["ROLE"]).contains(&port));
    until("the replica is in step", || ask(replica.port, &["ROLE"]).contains("connected"));
    let sentinel = Sentinel::start(&master);
    until("the sentinel knows both", || sentinel.is_ready());
    Some((master, replica, sentinel))
}

async fn db(sentinel: &Sentinel) -> Db {
    // The first sentinel is not there.
    let url = format!("redis+sentinel://{NOBODY},127.0.0.1:{}/shop/1", sentinel.port);
    open(&url, patient()).await
}

async fn count(db: &Db) -> i64 {
    db.call(cmd!("INCR", "key")).await.unwrap().into_integer().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_replica_is_followed() {
    let Some((master, replica, sentinel)) = start() else { return };
    let db = db(&sentinel).await;
    assert_eq!(count(&db).await, 1);
    until_in_step(replica.port, master.port);
    until("the failover begins", || {
        ask(sentinel.port, &["SENTINEL", "FAILOVER", "shop"]) == "+OK\r\n"
    });
    until("the failover ends", || sentinel.master().contains(&replica.port.to_string()));
    // The sentinel does this too, after some ten seconds. The connection stays
    // open, so that the next call is the first to hear of it.
    ask(master.port, &["REPLICAOF", "127.0.0.1", &replica.port.to_string()]);
    assert_eq!(count(&db).await, 2);
    let value = ask(replica.port, &["EXISTS", "key"]);
    assert_eq!(value, ":0\r\n", "it is in database 1, not 0");
    assert_eq!(db.call(cmd!("GET", "key")).await.unwrap(), Reply::bulk(b"2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_outlives_the_death_of_its_master() {
    let Some((mut master, replica, sentinel)) = start() else { return };
    let db = db(&sentinel).await;
    assert_eq!(count(&db).await, 1);
    until_in_step(replica.port, master.port);
    master.kill();
    // So long that the next call looks at the connection first.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(count(&db).await, 2, "the write waits for the failover");
    let replies = db.pipeline(vec![cmd!("INCR", "key"), cmd!("GET", "key")]).await.unwrap();
    assert_eq!(replies, [Reply::Integer(3), Reply::bulk(b"3")]);
}

#[tokio::test]
async fn a_server_that_is_no_master_yet_is_asked_again() {
    let server = FakeServer::start(|number, peer| {
        peer.greet();
        assert_eq!(peer.read().unwrap(), cmd!("ROLE"));
        let role = if number < 2 { "slave" } else { "master" };
        peer.write(format!("*1\r\n${}\r\n{role}\r\n", role.len()).as_bytes());
        while peer.read().is_some() {
            peer.write(b":7\r\n");
        }
    });
    let port = server.port.to_string();
    let sentinel = FakeServer::start(move |_, peer| {
        peer.greet();
        while peer.read().is_some() {
            let reply = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
            peer.write(reply.as_bytes());
        }
    });
    let url = format!("redis+sentinel://127.0.0.1:{}/shop", sentinel.port);
    let db = open(&url, patient()).await;
    assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(7));
    assert_eq!(server.seen(), ["ROLE", "ROLE", "ROLE", "INCR key"]);
    assert_eq!(sentinel.seen(), ["SENTINEL GET-MASTER-ADDR-BY-NAME shop"; 3]);
}

#[tokio::test]
async fn a_sentinel_that_hangs_is_passed_over() {
    let mute = FakeServer::start(|_, peer| while peer.read().is_some() {});
    let Some(master) = RedisServer::start() else { return };
    let sentinel = Sentinel::start(&master);
    let url = format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/shop", mute.port, sentinel.port);
    let connect_timeout = Duration::from_secs(3);
    let db = open(&url, Options { connect_timeout, ..patient() }).await;
    assert_eq!(count(&db).await, 1);

    let url = format!("redis+sentinel://127.0.0.1:{}/shop", mute.port);
    let short = Duration::from_millis(300);
    let db =
        open(&url, Options { connect_timeout: short, deadline: short, ..Options::default() }).await;
    let error = db.call(cmd!("INCR", "key")).await.unwrap_err();
    assert!(error.is_transient() && !error.maybe_applied(), "{error:?}");
}

#[tokio::test]
async fn an_unknown_service_is_named() {
    let Some(master) = RedisServer::start() else { return };
    let sentinel = Sentinel::start(&master);
    let url = format!("redis+sentinel://:hunter2@127.0.0.1:{}/shoe", sentinel.port);
    let db = Db::open(&url).await.unwrap();
    let error = db.call(cmd!("GET", "key")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{error:?}");
    assert!(error.to_string().contains("\"shoe\""), "{error}");
    assert!(!format!("{db:?} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_changed_password_is_looked_for_again() {
    let Some(server) = RedisServer::start_with(&["--requirepass", "hunter2"]) else { return };
    let port = server.port.to_string();
    // Each serves one connection at a time, and that of the old URL stays.
    let sentinels = [0, 1].map(|_| {
        let port = port.clone();
        FakeServer::start(move |_, peer| {
            peer.greet();
            while peer.read().is_some() {
                let reply = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
                peer.write(reply.as_bytes());
            }
        })
    });
    let url = |password: &str, number: usize| {
        format!("redis+sentinel://:{password}@127.0.0.1:{}/shop", sentinels[number].port)
    };
    let vault = Vault::new(url("hunter2", 0));
    let db = vault.db(patient());
    assert_eq!(count(&db).await, 1);
    let set = cmd!("CONFIG", "SET", "requirepass", "hunter3");
    assert_eq!(db.call(set).await.unwrap(), Reply::OK);
    vault.set(url("hunter3", 1));
    db.call(cmd!("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")).await.unwrap();
    // So long that the next call looks at its connection first.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(count(&db).await, 2);
    assert_eq!(vault.asked(), [Refresh::Cached, Refresh::Again]);
    assert!(!format!("{db:?}").contains("hunter"), "{db:?}");
}

#[tokio::test]
async fn own_connections_ask_the_sentinels_themselves() {
    let Some(master) = RedisServer::start() else { return };
    let sentinel = Sentinel::start(&master);
    let db = db(&sentinel).await;
    let own = db.with_own_connections();
    assert_eq!((count(&db).await, count(&own).await), (1, 2));
    let id = async |db: &Db| db.call(cmd!("CLIENT", "ID")).await.unwrap();
    assert_ne!(id(&own).await, id(&db).await);
    own.close().await.unwrap();
    assert_eq!(count(&db).await, 3);
}
