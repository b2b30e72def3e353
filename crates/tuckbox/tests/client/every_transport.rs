//! What holds for every database, wherever it lives.

use std::{sync::Arc, task::Poll};

use tuckbox::{Db, Error, Reply, Script, cmd};

/// Runs each of the named functions on every transport.
macro_rules! on_every_transport {
    ($($name:ident),* $(,)?) => {
        #[cfg(feature = "redis-cluster")]
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn redis_cluster() {
            if !tuckbox_test_redis::is_installed("redis-server") {
                return;
            }
            let cluster = tuckbox_test_redis::RedisCluster::start(3, 0);
            $(
                println!(stringify!($name));
                cluster.flush();
                $name(crate::support::open(&cluster.url(), crate::support::patient()).await).await;
            )*
        }

        #[cfg(feature = "redis")]
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(server) = tuckbox_test_redis::RedisServer::start() {
                    super::$name(tuckbox::Db::open(&server.url()).await.unwrap()).await;
                }
            })*
        }

        #[cfg(feature = "embedded")]
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Db::open("memory:").await.unwrap()).await;
            })*
        }

        #[cfg(feature = "embedded")]
        mod file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let dir = tempfile::tempdir().unwrap();
                let url = format!("file:{}", dir.path().join("data").display());
                super::$name(super::Db::open(&url).await.unwrap()).await;
            })*
        }
    };
}

on_every_transport! {
    own_connections_reach_the_same_database,
    a_value_comes_back_as_it_was_set,
    keys_and_values_are_any_bytes,
    large_values_come_back_whole,
    a_hash_is_a_map,
    every_kind_of_reply_keeps_its_type,
    an_error_reply_is_an_error_and_harms_nothing,
    a_pipeline_answers_in_order_and_keeps_errors_in_place,
    a_transaction_answers_in_order_and_keeps_errors_in_place,
    a_transaction_with_a_refused_command_applies_nothing,
    empty_batches_cost_nothing,
    concurrent_calls_get_their_own_replies,
    dropped_calls_do_not_disturb_others,
    commands_that_change_a_shared_connection_are_refused,
    a_closed_database_refuses_calls,
    a_script_runs_whether_the_server_knows_it_or_not,
    many_scripts_answer_in_order_and_keep_errors_in_place,
    an_error_of_a_script_is_an_error,
}

async fn a_value_comes_back_as_it_was_set(db: Db) {
    assert_eq!(db.call(cmd!("SET", "key", "value")).await.unwrap(), Reply::OK);
    assert_eq!(db.call(cmd!("GET", "key")).await.unwrap(), Reply::bulk(b"value"));
    assert_eq!(db.call(cmd!("GET", "missing")).await.unwrap(), Reply::Null);
    assert_eq!(db.call(cmd!("DEL", "key", "{key}2")).await.unwrap(), Reply::Integer(1));
}

async fn keys_and_values_are_any_bytes(db: Db) {
    let bytes: Vec<u8> = (0..=255).chain(*b"\r\n$3\r\n").collect();
    db.call(cmd!("SET", &bytes, &bytes)).await.unwrap();
    assert_eq!(db.call(cmd!("GET", &bytes)).await.unwrap(), Reply::bulk(&bytes));
    db.call(cmd!("SET", "empty", "")).await.unwrap();
    assert_eq!(db.call(cmd!("GET", "empty")).await.unwrap(), Reply::bulk(b""));
}

async fn large_values_come_back_whole(db: Db) {
    let large: Vec<u8> = (0..9_000_000u32).map(|n| (n % 251) as u8).collect();
    let (set, get) = (cmd!("SET", "large", &large), cmd!("GET", "large"));
    let replies = db.pipeline(vec![set, get, cmd!("STRLEN", "large")]).await.unwrap();
    assert_eq!(replies[0], Reply::OK);
    assert!(replies[1] == Reply::bulk(&large), "the large value differs");
    assert_eq!(replies[2], Reply::Integer(9_000_000));
}

async fn a_hash_is_a_map(db: Db) {
    db.call(cmd!("HSET", "hash", "a", 1, "b", 2)).await.unwrap();
    let reply = db.call(cmd!("HGETALL", "hash")).await.unwrap();
    assert!(matches!(reply, Reply::Map(_)), "{reply:?}");
    let mut pairs = reply.into_pairs().unwrap();
    pairs.sort_by_key(|(field, _)| field.clone().into_bytes().unwrap());
    let text = Reply::bulk;
    assert_eq!(pairs, [(text(b"a"), text(b"1")), (text(b"b"), text(b"2"))]);
    assert_eq!(db.call(cmd!("HGETALL", "missing")).await.unwrap(), Reply::Map(vec![]));
    let fields = db.call(cmd!("HMGET", "hash", "b", "missing")).await.unwrap();
    assert_eq!(fields, Reply::Array(vec![text(b"2"), Reply::Null]));
}

/// A key that in a cluster is on the node that commands without keys go to.
const FIRST: &str = "bar";

async fn every_kind_of_reply_keeps_its_type(db: Db) {
    db.call(cmd!("SET", FIRST, "value")).await.unwrap();
    assert_eq!(db.call(cmd!("PING")).await.unwrap(), Reply::Simple("PONG".into()));
    assert_eq!(db.call(cmd!("TYPE", FIRST)).await.unwrap(), Reply::Simple("string".into()));
    assert_eq!(db.call(cmd!("TTL", "missing")).await.unwrap(), Reply::Integer(-2));
    let keys = db.call(cmd!("KEYS", "*")).await.unwrap();
    assert_eq!(keys, Reply::Array(vec![Reply::bulk(FIRST.as_bytes())]));
    let scanned = db.call(cmd!("SCAN", 0)).await.unwrap();
    assert_eq!(scanned, Reply::Array(vec![Reply::bulk(b"0"), keys]));
    assert_eq!(db.call(cmd!("RANDOMKEY")).await.unwrap(), Reply::bulk(FIRST.as_bytes()));
}

async fn an_error_reply_is_an_error_and_harms_nothing(db: Db) {
    db.call(cmd!("SET", "key", "value")).await.unwrap();
    let Error::Reply(error) = db.call(cmd!("HGET", "key", "field")).await.unwrap_err() else {
        panic!("another error")
    };
    assert_eq!(error.code(), "WRONGTYPE");
    let error = db.call(cmd!("INCR", "key")).await.unwrap_err();
    assert_eq!(error.to_string(), "ERR value is not an integer or out of range");
    assert!(!error.maybe_applied() && !error.is_transient());
    assert_eq!(db.call(cmd!("GET", "key")).await.unwrap(), Reply::bulk(b"value"));
}

async fn a_pipeline_answers_in_order_and_keeps_errors_in_place(db: Db) {
    let commands = vec![cmd!("SET", "n", 1), cmd!("HGET", "n", "x"), cmd!("INCR", "n")];
    let replies = db.pipeline(commands).await.unwrap();
    assert_eq!(replies.len(), 3);
    assert_eq!(replies[0], Reply::OK);
    assert!(matches!(&replies[1], Reply::Error(error) if error.code() == "WRONGTYPE"));
    assert_eq!(replies[2], Reply::Integer(2));
}

async fn a_transaction_answers_in_order_and_keeps_errors_in_place(db: Db) {
    let commands = vec![cmd!("SET", "n", 1), cmd!("HGET", "n", "x"), cmd!("INCR", "n")];
    let replies = db.transaction(commands).await.unwrap();
    assert_eq!(replies.len(), 3);
    assert_eq!(replies[0], Reply::OK);
    assert!(matches!(&replies[1], Reply::Error(error) if error.code() == "WRONGTYPE"));
    assert_eq!(replies[2], Reply::Integer(2));
}

async fn a_transaction_with_a_refused_command_applies_nothing(db: Db) {
    let commands = vec![cmd!("SET", "n", 1), cmd!("NOSUCHCOMMAND")];
    let Error::Reply(error) = db.transaction(commands).await.unwrap_err() else {
        panic!("another error")
    };
    assert!(error.text().starts_with("ERR unknown command"), "{error}");
    assert_eq!(db.call(cmd!("EXISTS", "n")).await.unwrap(), Reply::Integer(0));
}

async fn empty_batches_cost_nothing(db: Db) {
    assert!(db.pipeline(vec![]).await.unwrap().is_empty());
    assert!(db.transaction(vec![]).await.unwrap().is_empty());
}

async fn concurrent_calls_get_their_own_replies(db: Db) {
    let task = |task: usize, db: Db| async move {
        for n in 0..200 {
            let word = format!("{task}:{n}");
            assert_eq!(db.call(cmd!("ECHO", &word)).await.unwrap(), Reply::bulk(word.as_bytes()));
            if n % 20 == 0 {
                let replies = db.pipeline(vec![cmd!("ECHO", &word), cmd!("PING")]).await.unwrap();
                assert_eq!(replies, [Reply::bulk(word.as_bytes()), Reply::Simple("PONG".into())]);
            }
        }
    };
    let tasks: Vec<_> = (0..32).map(|n| tokio::spawn(task(n, db.clone()))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn dropped_calls_do_not_disturb_others(db: Db) {
    let task = |task: usize, db: Arc<Db>| async move {
        for n in 0..200 {
            let word = format!("{task}:{n}");
            if (task + n).is_multiple_of(3) {
                // Begun, and given up at once: whether driving or waiting.
                let mut call = Box::pin(db.call(cmd!("ECHO", "dropped")));
                let begun = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx)));
                if let Poll::Ready(result) = begun.await {
                    assert_eq!(result.unwrap(), Reply::bulk(b"dropped"));
                }
            }
            assert_eq!(db.call(cmd!("ECHO", &word)).await.unwrap(), Reply::bulk(word.as_bytes()));
        }
    };
    let db = Arc::new(db);
    let tasks: Vec<_> = (0..16).map(|n| tokio::spawn(task(n, Arc::clone(&db)))).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn commands_that_change_a_shared_connection_are_refused(db: Db) {
    for command in [cmd!("MULTI"), cmd!("select", 1), cmd!("SUBSCRIBE", "news")] {
        let error = db.call(command.clone()).await.unwrap_err();
        assert!(matches!(error, Error::NotShared { .. }), "{error}");
        let error = db.pipeline(vec![cmd!("SET", "key", 1), command]).await.unwrap_err();
        assert!(matches!(error, Error::NotShared { .. }), "{error}");
    }
    assert_eq!(db.call(cmd!("EXISTS", "key")).await.unwrap(), Reply::Integer(0));
}

async fn a_closed_database_refuses_calls(db: Db) {
    let clone = db.clone();
    db.call(cmd!("SET", "key", "value")).await.unwrap();
    db.close().await.unwrap();
    assert!(matches!(clone.call(cmd!("GET", "key")).await, Err(Error::Closed)));
    clone.close().await.unwrap();
}

fn add() -> Script {
    Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])")
}

async fn a_script_runs_whether_the_server_knows_it_or_not(db: Db) {
    let add = add();
    db.call(cmd!("SCRIPT", "FLUSH")).await.unwrap();
    for sum in [5, 10, 15] {
        let reply = db.eval(&add.invoke().key(FIRST).arg(5)).await.unwrap();
        assert_eq!(reply, Reply::Integer(sum));
    }
    let known = db.call(cmd!("SCRIPT", "EXISTS", add.sha())).await.unwrap();
    assert_eq!(known, Reply::Array(vec![Reply::Integer(1)]));
}

async fn many_scripts_answer_in_order_and_keep_errors_in_place(db: Db) {
    let (add, fail) = (add(), Script::new("return redis.error_reply('OUCH ' .. ARGV[1])"));
    db.call(cmd!("SCRIPT", "FLUSH")).await.unwrap();
    for known in [false, true] {
        db.call(cmd!("DEL", FIRST)).await.unwrap();
        let all = [
            add.invoke().key(FIRST).arg(1),
            fail.invoke().arg("x"),
            add.invoke().key(FIRST).arg(2),
        ];
        let replies = db.eval_all(&all).await.unwrap();
        let ouch = Reply::error("OUCH x");
        assert_eq!(replies, [Reply::Integer(1), ouch, Reply::Integer(3)], "known: {known}");
    }
    assert!(db.eval_all(&[]).await.unwrap().is_empty());
}

async fn an_error_of_a_script_is_an_error(db: Db) {
    let fail = Script::new("return redis.error_reply('OUCH again')");
    let error = db.eval(&fail.invoke()).await.unwrap_err();
    assert!(matches!(&error, Error::Reply(reply) if reply.code() == "OUCH"), "{error:?}");
}

async fn own_connections_reach_the_same_database(db: Db) {
    db.call(cmd!("SET", "key", "value")).await.unwrap();
    let own = db.with_own_connections();
    assert_eq!(own.call(cmd!("GET", "key")).await.unwrap(), Reply::bulk(b"value"));
    assert_eq!(format!("{own:?}"), format!("{db:?}"));
    if !format!("{db:?}").starts_with("Db(redis") {
        return;
    }
    let id = async |db: &Db| db.call(cmd!("CLIENT", "ID")).await.unwrap();
    assert_ne!(id(&own).await, id(&db).await);
    own.close().await.unwrap();
    assert_eq!(db.call(cmd!("GET", "key")).await.unwrap(), Reply::bulk(b"value"));
}
