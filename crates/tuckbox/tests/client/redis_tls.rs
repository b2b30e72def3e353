//! Encrypted connections.
use std::{path::Path, process::Command, time::Duration};

use crate::support::{patient, vault::Vault};
use tuckbox::{Db, Error, Options, Reply, cmd};
use tuckbox_test_redis::{RedisServer, is_installed};

/// A CA in `ca.crt`, and a certificate for 127.0.0.1 that it signed.
fn make_certificates(dir: &Path) {
    let steps = "\
        req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-ca \
            -keyout ca.key -out ca.crt\n\
        req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=redis \
            -CA ca.crt -CAkey ca.key -keyout redis.key -out redis.crt \
            -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=IP:127.0.0.1";
    for step in steps.lines() {
        let made = Command::new("openssl").args(step.split_whitespace()).current_dir(dir).output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

fn start(dir: &Path, more: &[&str]) -> Option<RedisServer> {
    if !is_installed("openssl") {
        return None;
    }
    make_certificates(dir);
    let path = |name: &str| dir.join(name).display().to_string();
    let (cert, key, ca) = (path("redis.crt"), path("redis.key"), path("ca.crt"));
    let files = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let port = ["--tls-port", "{port}", "--tls-auth-clients", "no"];
    RedisServer::start_with(&[&port[..], &files, more].concat())
}

#[tokio::test]
async fn a_server_of_our_own_ca_is_trusted_when_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut server) = start(dir.path(), &[]) else { return };
    let ca = dir.path().join("ca.crt");
    let url = format!("rediss://127.0.0.1:{}", server.port);
    let by_url = Db::open(&format!("{url}?cacert={}", ca.display())).await.unwrap();
    let options = Options { ca_file: Some(ca), ..Options::default() };
    let by_options = Db::open_with(&url, options).await.unwrap();
    let large = vec![b'x'; 3_000_000];
    for db in [by_url, by_options] {
        db.call(cmd!("SET", "key", &large)).await.unwrap();
        assert!(db.call(cmd!("GET", "key")).await.unwrap() == Reply::bulk(&large));
        server.restart();
        // So long that the next call looks at the connection first.
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(db.call(cmd!("INCR", "n")).await.unwrap(), Reply::Integer(1));
    }
}

#[cfg(feature = "redis-cluster")]
#[tokio::test]
async fn the_nodes_of_a_cluster_are_spoken_to_encrypted_too() {
    use tuckbox_test_redis::free_port;

    use crate::support::{open, patient};

    let dir = tempfile::tempdir().unwrap();
    let bus = free_port().to_string();
    let cluster = ["--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-port", &bus];
    let Some(server) = start(dir.path(), &cluster) else { return };
    let ca = dir.path().join("ca.crt").display().to_string();
    let at = |scheme| format!("{scheme}://127.0.0.1:{}?cacert={ca}", server.port);
    let node = Db::open(&at("rediss")).await.unwrap();
    node.call(cmd!("CLUSTER", "ADDSLOTSRANGE", 0, 16383)).await.unwrap();
    let db = open(&at("rediss+cluster"), patient()).await;
    assert_eq!(db.call(cmd!("SET", "key", 1)).await.unwrap(), Reply::OK);
    // It names its port for encrypted connections, or this would not work.
    assert_eq!(node.call(cmd!("GET", "key")).await.unwrap(), Reply::bulk(b"1"));
}

#[tokio::test]
async fn a_server_of_an_unknown_ca_gets_no_password() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = start(dir.path(), &[]) else { return };
    let url = format!("rediss://:hunter2@127.0.0.1:{}", server.port);
    let error = Db::open(&url).await.unwrap().call(cmd!("PING")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{error:?}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_ca_file_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.pem");
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "nothing here").unwrap();
    for file in [missing, empty] {
        let url = format!("rediss://:hunter2@localhost?cacert={}", file.display());
        let error = Db::open(&url).await.unwrap_err();
        assert!(matches!(error, Error::Open(_)), "{error:?}");
        assert!(error.to_string().contains(&file.display().to_string()), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_changed_password_is_looked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = start(dir.path(), &["--requirepass", "hunter2"]) else { return };
    let ca_file = Some(dir.path().join("ca.crt"));
    let url = |password: &str| format!("rediss://:{password}@127.0.0.1:{}", server.port);
    let vault = Vault::new(url("hunter2"));
    let db = vault.db(Options { ca_file, ..patient() });
    db.call(cmd!("CONFIG", "SET", "requirepass", "hunter3")).await.unwrap();
    let own = db.with_own_connections();
    vault.set(url("hunter3"));
    for (n, db) in (1..).zip([&db, &own]) {
        if n == 1 {
            db.call(cmd!("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")).await.unwrap();
            // So long that the next call looks at its connection first.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(n));
        assert_eq!(vault.asked().len(), 1 + n as usize);
    }
}
