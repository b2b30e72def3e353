//! Servers that die, hang, drop connections or talk nonsense.
use std::{
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use crate::support::{fake::FakeServer, open, patient};
use tuckbox::{Error, Options, Reply, cmd};
use tuckbox_test_redis::{RedisServer, free_port};

fn within(deadline: Duration) -> Options {
    Options { deadline, ..Options::default() }
}

/// Lets a connection rest so long that the next call looks at it first.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

#[tokio::test]
async fn the_first_call_after_a_restart_succeeds_even_a_write() {
    let Some(mut server) = RedisServer::start() else { return };
    let db = open(&server.url(), patient()).await;
    for n in 0..3 {
        assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(1), "start {n}");
        server.restart();
        rest().await;
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_and_nothing_was_applied() {
    let Some(mut server) = RedisServer::start() else { return };
    let db = open(&server.url(), Options::default()).await;
    db.call(cmd!("PING")).await.unwrap();
    server.kill();
    rest().await;
    for _ in 0..2 {
        let error = db.call(cmd!("INCR", "key")).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{error:?}");
        assert!(error.is_transient());
    }
    let nobody = open(&format!("redis://127.0.0.1:{}", free_port()), Options::default()).await;
    let error = nobody.call(cmd!("PING")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_hangs_costs_the_deadline_and_no_more() {
    let Some(server) = RedisServer::start() else { return };
    let db = open(&server.url(), within(Duration::from_millis(200))).await;
    db.call(cmd!("SET", "key", 1)).await.unwrap();
    server.freeze();
    let begin = Instant::now();
    let error = db.call(cmd!("INCR", "key")).await.unwrap_err();
    let took = begin.elapsed();
    assert!(matches!(error, Error::Timeout { maybe_applied: true, .. }), "{error:?}");
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(5), "{took:?}");
    // A new connection is not answered either; this one sends nothing.
    let error = db.call(cmd!("INCR", "key")).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { maybe_applied: false, .. }), "{error:?}");
    server.thaw();
    let value = db.call(cmd!("GET", "key")).await.unwrap().into_bytes().unwrap().unwrap();
    assert_eq!(&value[..], b"2", "the first INCR was applied, the second was not");
}

#[tokio::test]
async fn a_read_that_hangs_was_not_applied() {
    let server = FakeServer::start(|_, peer| {
        peer.greet();
        while peer.read().is_some() {}
    });
    let db = open(&server.url(), within(Duration::from_millis(50))).await;
    let error = db.call(cmd!("GET", "key")).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { maybe_applied: false, .. }), "{error:?}");
}

#[tokio::test]
async fn connecting_has_a_limit_of_its_own() {
    let server = FakeServer::start(|_, peer| while peer.read().is_some() {});
    let options = Options { connect_timeout: Duration::from_millis(50), ..patient() };
    let error = open(&server.url(), options).await.call(cmd!("GET", "key")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{error:?}");
}

/// Answers nothing on its first connection but hangs up after one command;
/// answers `:7` to everything on later ones.
fn drops_the_first_connection() -> FakeServer {
    FakeServer::start(|number, peer| {
        peer.greet();
        while peer.read().is_some() && number > 0 {
            peer.write(b":7\r\n");
        }
    })
}

#[tokio::test]
async fn a_read_whose_connection_drops_is_sent_once_more() {
    let server = drops_the_first_connection();
    let db = open(&server.url(), patient()).await;
    assert_eq!(db.call(cmd!("STRLEN", "key")).await.unwrap(), Reply::Integer(7));
    assert_eq!(server.seen(), ["STRLEN key", "STRLEN key"]);
}

#[tokio::test]
async fn a_read_is_not_sent_a_third_time() {
    let server = FakeServer::start(|_, peer| {
        peer.greet();
        peer.read();
    });
    let error = open(&server.url(), patient()).await.call(cmd!("GET", "key")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{error:?}");
    assert_eq!(server.seen(), ["GET key", "GET key"]);
}

#[tokio::test]
async fn a_write_whose_connection_drops_is_not_sent_again() {
    let server = drops_the_first_connection();
    let db = open(&server.url(), patient()).await;
    let error = db.call(cmd!("INCR", "key")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: true, .. }), "{error:?}");
    assert!(error.to_string().contains("may have been applied"), "{error}");
    // The next call finds a new connection.
    assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(7));
    assert_eq!(server.seen(), ["INCR key", "INCR key"]);
}

#[tokio::test]
async fn a_batch_with_one_write_is_not_sent_again() {
    for transaction in [false, true] {
        let server = drops_the_first_connection();
        let db = open(&server.url(), patient()).await;
        let batch = vec![cmd!("GET", "key"), cmd!("SET", "key", 1)];
        let error = match transaction {
            true => db.transaction(batch).await.unwrap_err(),
            false => db.pipeline(batch).await.unwrap_err(),
        };
        assert!(error.maybe_applied(), "{error:?}");
    }
}

#[tokio::test]
async fn a_write_after_the_server_hung_up_goes_to_a_new_connection() {
    let (hung_up, wait) = mpsc::channel();
    let server = FakeServer::start(move |number, peer| {
        peer.greet();
        peer.read();
        peer.write(b":1\r\n");
        if number > 0 {
            peer.read();
        }
        peer.hang_up();
        hung_up.send(()).unwrap();
    });
    let db = open(&server.url(), patient()).await;
    assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(1));
    tokio::task::spawn_blocking(move || wait.recv().unwrap()).await.unwrap();
    rest().await;
    assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(1));
    assert_eq!(server.seen(), ["INCR key", "INCR key"]);
}

#[tokio::test]
async fn a_connection_that_was_idle_for_too_long_is_replaced() {
    let Some(server) = RedisServer::start() else { return };
    let options = Options { max_idle: Duration::ZERO, ..patient() };
    let db = open(&server.url(), options).await;
    let first = db.call(cmd!("CLIENT", "ID")).await.unwrap();
    rest().await;
    assert_ne!(db.call(cmd!("CLIENT", "ID")).await.unwrap(), first);
    assert_eq!(db.call(cmd!("INCR", "key")).await.unwrap(), Reply::Integer(1));
}

#[tokio::test]
async fn writes_given_up_before_they_left_are_never_sent() {
    let (given_up, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let server = FakeServer::start(move |number, peer| {
        peer.greet();
        if number == 0 {
            wait.lock().unwrap().recv().unwrap();
        }
        while peer.read().is_some() {
            peer.write(b":1\r\n");
        }
    });
    let db = open(&server.url(), patient()).await;
    {
        // More than the socket takes while the server does not read.
        let large = vec![b'x'; 64 << 20];
        let mut driving = Box::pin(db.call(cmd!("SET", "large", large)));
        let mut waiting = Box::pin(db.call(cmd!("INCR", "key")));
        tokio::select! {
            biased;
            _ = &mut driving => panic!("answered"),
            _ = &mut waiting => panic!("answered"),
            () = rest() => {}
        }
    }
    given_up.send(()).unwrap();
    assert_eq!(db.call(cmd!("STRLEN", "key")).await.unwrap(), Reply::Integer(1));
    assert_eq!(server.seen(), ["STRLEN key"]);
}

#[tokio::test]
async fn too_many_waiting_calls_are_refused_at_once() {
    let server = FakeServer::start(|_, peer| {
        peer.greet();
        while peer.read().is_some() {}
    });
    let db = open(&server.url(), Options { max_in_flight: 2, ..patient() }).await;
    let error = tokio::select! {
        biased;
        _ = db.call(cmd!("GET", 1)) => panic!("answered"),
        _ = db.call(cmd!("GET", 2)) => panic!("answered"),
        third = db.call(cmd!("GET", 3)) => third.unwrap_err(),
    };
    assert!(matches!(error, Error::Busy { limit: 2 }), "{error:?}");
}

#[tokio::test]
async fn nonsense_ends_the_connection_with_a_clear_error() {
    let server = FakeServer::start(|number, peer| {
        peer.greet();
        peer.read();
        peer.write(if number == 0 { b"HTTP/1.1 400 Bad Request\r\n\r\n" } else { b"$2\r\nok\r\n" });
        peer.read();
    });
    let db = open(&server.url(), patient()).await;
    let error = db.call(cmd!("SET", "key", 1)).await.unwrap_err();
    assert!(matches!(error, Error::Protocol { .. }) && error.maybe_applied(), "{error:?}");
    assert_eq!(db.call(cmd!("GET", "key")).await.unwrap(), Reply::bulk(b"ok"));
}

#[tokio::test]
async fn errors_of_a_server_in_trouble_reach_the_caller() {
    let server = FakeServer::start(|number, peer| {
        peer.greet();
        peer.read();
        peer.write(match number {
            0 => b"-READONLY You can't write against a read only replica.\r\n",
            _ => b"-LOADING Redis is loading the dataset in memory\r\n",
        });
        while peer.read().is_some() {
            peer.write(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n");
        }
    });
    let db = open(&server.url(), patient()).await;
    // A demoted server is left: the next call may find its successor.
    for (code, transient) in [("READONLY", true), ("LOADING", true), ("OOM", false)] {
        let error = db.call(cmd!("SET", "key", 1)).await.unwrap_err();
        assert!(matches!(&error, Error::Reply(reply) if reply.code() == code), "{error}");
        assert_eq!(error.is_transient(), transient, "{error}");
    }
}

#[tokio::test]
async fn a_null_exec_is_an_aborted_transaction() {
    for null in [&b"_\r\n"[..], b"*-1\r\n"] {
        let server = FakeServer::start(move |_, peer| {
            peer.greet();
            let (multi, set, exec) = (peer.read(), peer.read(), peer.read());
            assert_eq!(multi, Some(cmd!("MULTI")));
            assert_eq!((set.unwrap().len(), exec), (3, Some(cmd!("EXEC"))));
            peer.write(b"+OK\r\n+QUEUED\r\n");
            peer.write(null);
        });
        let db = open(&server.url(), patient()).await;
        let error = db.transaction(vec![cmd!("SET", "key", 1)]).await.unwrap_err();
        assert!(matches!(error, Error::Aborted) && error.is_transient(), "{error:?}");
    }
}

#[tokio::test]
async fn replies_may_come_in_any_pieces() {
    let server = FakeServer::start(|_, peer| {
        peer.greet();
        while peer.read().is_some() {
            for byte in b"%1\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n" {
                peer.write(&[*byte]);
            }
        }
    });
    let db = open(&server.url(), patient()).await;
    let list = Reply::Array(vec![Reply::Integer(1), Reply::Null]);
    for _ in 0..3 {
        let reply = db.call(cmd!("GET", "key")).await.unwrap();
        assert_eq!(reply, Reply::Map(vec![(Reply::bulk(b"a"), list.clone())]));
    }
}

#[test]
fn own_connections_do_not_need_the_runtime_that_made_another() {
    let Some(server) = RedisServer::start() else { return };
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // A worker that made a connection, and is busy with something else now.
    let busy = runtime();
    let db = busy.block_on(open(&server.url(), patient()));
    assert_eq!(busy.block_on(db.call(cmd!("INCR", "key"))).unwrap(), Reply::Integer(1));

    let worker = runtime();
    let own = db.with_own_connections();
    assert_eq!(worker.block_on(own.call(cmd!("INCR", "key"))).unwrap(), Reply::Integer(2));
    // Without, it would be held up.
    let shared = db.with_deadline(Duration::from_millis(50));
    let error = worker.block_on(shared.call(cmd!("GET", "key"))).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
    drop(busy);
    assert_eq!(worker.block_on(own.call(cmd!("INCR", "key"))).unwrap(), Reply::Integer(3));
}
