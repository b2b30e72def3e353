//! Connections that end while the process does not run.
use std::{
    sync::{Mutex, mpsc},
    time::Duration,
};

use crate::support::{
    fake::{FakeServer, Peer},
    open, patient,
};
use tuckbox::{Db, Error, Reply, Script, cmd};
use tuckbox_test_redis::RedisServer;

/// Lets a connection rest so long that the next call looks at it first.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// How many connections the server of `admin` has had.
async fn connections(admin: &Db) -> u64 {
    let info = admin.call(cmd!("INFO", "stats")).await.unwrap().into_bytes().unwrap().unwrap();
    let info = String::from_utf8_lossy(&info).into_owned();
    let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    count.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_killed_connection_costs_one_new_one_and_no_write_is_lost_or_doubled() {
    let Some(server) = RedisServer::start() else { return };
    let (db, admin) = (open(&server.url(), patient()).await, open(&server.url(), patient()).await);
    let add = Script::new("return redis.call('INCR', KEYS[1])");
    let incr = || vec![cmd!("INCR", "key")];
    db.eval(&add.invoke().key("another key")).await.unwrap();
    for (n, way) in (1..).zip(["call", "pipeline", "transaction", "eval"]) {
        let id = db.call(cmd!("CLIENT", "ID")).await.unwrap().into_integer().unwrap();
        let killed = admin.call(cmd!("CLIENT", "KILL", "ID", id)).await.unwrap();
        assert_eq!(killed, Reply::Integer(1));
        let before = connections(&admin).await;
        rest().await;
        let reply = match way {
            "call" => db.call(cmd!("INCR", "key")).await.unwrap(),
            "pipeline" => db.pipeline(incr()).await.unwrap().remove(0),
            "transaction" => db.transaction(incr()).await.unwrap().remove(0),
            _ => db.eval(&add.invoke().key("key")).await.unwrap(),
        };
        assert_eq!(reply, Reply::Integer(n), "{way}");
        assert_eq!(connections(&admin).await - before, 1, "{way}");
    }
}

/// A server that answers one command and ends the connection by `end`; what it
/// does after that is awaited before the second call.
async fn ended_by(end: impl Fn(&mut Peer) + Send + 'static) -> FakeServer {
    let (ended, wait) = mpsc::channel();
    let server = FakeServer::start(move |number, peer| {
        peer.greet();
        peer.read();
        peer.write(b":1\r\n");
        if number > 0 {
            peer.read();
            return;
        }
        end(peer);
        ended.send(()).unwrap();
        // All that still comes is the end of the other direction.
        assert_eq!(peer.read(), None);
    });
    let db = open(&server.url(), patient()).await;
    assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(1));
    tokio::task::spawn_blocking(move || wait.recv().unwrap()).await.unwrap();
    rest().await;
    assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(1));
    server
}

#[tokio::test]
async fn nothing_is_sent_on_a_connection_known_to_be_half_closed() {
    let server = ended_by(Peer::close_half).await;
    assert_eq!(server.seen(), ["INCR key", "INCR key"]);
}

#[tokio::test]
async fn nothing_is_sent_on_a_connection_known_to_be_reset() {
    let server = ended_by(Peer::reset).await;
    assert_eq!(server.seen(), ["INCR key", "INCR key"]);
}

/// What a call gets whose connection, used before, has ended without this
/// machine knowing: the server answers what it sends with a reset. And what the
/// server has seen of it.
async fn unheard_of(
    call: impl AsyncFn(&Db) -> Result<Reply, Error>,
) -> (Result<Reply, Error>, Vec<String>) {
    let (reset, wait) = mpsc::channel();
    let reset = Mutex::new(reset);
    let server = FakeServer::start(move |number, peer| {
        peer.greet();
        peer.read();
        peer.write(b":1\r\n");
        while peer.read().is_some() {
            if number == 0 {
                peer.reset();
                reset.lock().unwrap().send(()).unwrap();
                return;
            }
            peer.write(b":1\r\n");
        }
    });
    let db = open(&server.url(), patient()).await;
    db.call(cmd!("GET", "first")).await.unwrap();
    rest().await;
    let result = call(&db).await;
    wait.recv().unwrap();
    // In any case the next call finds a connection.
    assert_eq!(db.call(cmd!("INCR", "last")).await.unwrap(), Reply::Integer(1));
    let seen = server.seen();
    (result, seen[1..seen.len() - 1].to_vec())
}

#[tokio::test]
async fn what_left_on_a_dead_connection_is_repeated_when_that_is_safe() {
    let (read, seen) = unheard_of(async |db| db.call(cmd!("GET", "key")).await).await;
    assert_eq!((read.unwrap(), seen.len()), (Reply::Integer(1), 2));

    let script = Script::new("return 1");
    let (run, seen) = unheard_of(async |db| db.eval(&script.invoke().idempotent()).await).await;
    assert_eq!((run.unwrap(), seen.len()), (Reply::Integer(1), 2));

    let (write, seen) = unheard_of(async |db| db.call(cmd!("INCR", "key")).await).await;
    let error = write.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: true, .. }), "{error:?}");
    assert_eq!(seen, ["INCR key"], "it is not repeated");
}
