//! A master that sentinels replace.

use std::process::{Child, Command};

use tempfile::TempDir;
use tuckbox_test_redis::{ask, free_port, is_installed, spawn, until, until_in_step};

use crate::visits::{Browser, layer};

/// A server or a sentinel, killed when dropped.
struct Server {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Runs with these lines in its configuration until its log says `ready`.
    fn start(lines: &str, sentinel: bool, ready: &str) -> Self {
        // Another process may take the port between our looking and its use.
        for _ in 0..5 {
            let (port, directory) = (free_port(), tempfile::tempdir().unwrap());
            let file = directory.path().join("server.conf");
            let common =
                format!("port {port}\nbind 127.0.0.1\ndir {}\n", directory.path().display());
            std::fs::write(&file, common + lines).unwrap();
            let mut command = Command::new("redis-server");
            command.arg(&file).args(sentinel.then_some("--sentinel"));
            if let Some(child) = spawn(&mut command, ready) {
                return Self { child, port, _directory: directory };
            }
        }
        panic!("redis-server does not start");
    }

    fn data() -> Self {
        let lines = "save \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n";
        Self::start(lines, false, "eady to accept")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_outlive_a_failover() {
    if !is_installed("redis-server") {
        return;
    }
    let (master, replica) = (Server::data(), Server::data());
    ask(replica.port, &["REPLICAOF", "127.0.0.1", &master.port.to_string()]);
    until("the replica is in step", || ask(replica.port, &["ROLE"]).contains("connected"));
    let lines = format!("sentinel monitor shop 127.0.0.1 {} 1\n", master.port);
    let sentinel = Server::start(&lines, true, "+monitor");
    until("the sentinel knows the replica", || {
        let replicas = ask(sentinel.port, &["SENTINEL", "REPLICAS", "shop"]);
        replicas.contains("master-link-status\r\n$2\r\nok") && !replicas.contains("disconnected")
    });

    let layer = layer(&format!("redis+sentinel://127.0.0.1:{}/shop", sentinel.port)).await;
    let mut browser = Browser::logged_in(&layer, "ada").await;
    assert_eq!(browser.count().await.unwrap(), 1);
    let stale = browser.clone();
    let mut gone = Browser::logged_in(&layer, "grace").await;
    let mut tab = gone.clone();
    gone.visit(async |session: &tuckbox_sessions::Session| session.logout().await).await.unwrap();
    until_in_step(replica.port, master.port);

    until("the failover begins", || {
        ask(sentinel.port, &["SENTINEL", "FAILOVER", "shop"]) == "+OK\r\n"
    });
    let place = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"];
    until("the failover ends", || ask(sentinel.port, &place).contains(&replica.port.to_string()));
    ask(master.port, &["REPLICAOF", "127.0.0.1", &replica.port.to_string()]);

    // The new master knows no script, and the old one refuses writes.
    assert_eq!(browser.count().await.unwrap(), 2);
    assert_eq!(stale.clone().user().await.unwrap().as_deref(), Some("ada"));
    assert_eq!(tab.user().await.unwrap(), None);
    assert_eq!(Browser::logged_in(&layer, "ada").await.count().await.unwrap(), 1);
}
