//! Scripts: sent by name, and with their source when that is not known.

use std::time::{Duration, Instant};

use crate::support::{
    fake::{FakeServer, Peer},
    open, patient,
};
use tuckbox::{Db, Error, Reply, Script, cmd};

/// Serves connections by `script` after their login.
async fn fake(script: impl Fn(usize, &mut Peer) + Send + 'static) -> (FakeServer, Db) {
    let server = FakeServer::start(move |number, peer| {
        peer.greet();
        script(number, peer);
    });
    let db = open(&server.url(), patient()).await;
    (server, db)
}

#[tokio::test]
async fn only_unknown_scripts_are_sent_with_their_source() {
    let (server, db) = fake(|_, peer| {
        peer.read();
        peer.read();
        peer.write(b":1\r\n-NOSCRIPT No matching script.\r\n");
        peer.read();
        peer.write(b":2\r\n");
    })
    .await;
    let (known, unknown) = (Script::new("known"), Script::new("unknown"));
    let all = [known.invoke().key("a"), unknown.invoke().key("b").arg("c")];
    let replies = db.eval_all(&all).await.unwrap();
    assert_eq!(replies, [Reply::Integer(1), Reply::Integer(2)]);
    let wanted = [
        format!("EVALSHA {} 1 a", known.sha()),
        format!("EVALSHA {} 1 b c", unknown.sha()),
        "EVAL unknown 1 b c".to_owned(),
    ];
    assert_eq!(server.seen(), wanted);
}

#[tokio::test]
async fn a_script_whose_connection_drops_is_repeated_only_when_idempotent() {
    let (server, db) = fake(|number, peer| {
        peer.read();
        if number > 0 {
            peer.write(b":7\r\n");
            peer.read();
        }
    })
    .await;
    let script = Script::new("x");
    let reply = db.eval(&script.invoke().idempotent()).await.unwrap();
    assert_eq!(reply, Reply::Integer(7));
    assert_eq!(server.seen().len(), 2);

    let (server, db) = fake(|_, peer| drop(peer.read())).await;
    let error = db.eval(&script.invoke()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: true, .. }), "{error:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_repeat_that_fails_unsent_leaves_the_first_try_in_doubt() {
    let server = FakeServer::start(|number, peer| {
        if number == 0 {
            peer.greet();
            peer.read();
        }
        // Later connections end in their login: the repeat is never sent.
    });
    let db = Db::open(&server.url()).await.unwrap();
    let error = db.eval(&Script::new("x").invoke().idempotent()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: true, .. }), "{error:?}");
}

#[tokio::test]
async fn an_error_after_some_scripts_ran_says_so() {
    let (_server, db) = fake(|number, peer| {
        if number == 0 {
            peer.read();
            peer.read();
            peer.write(b":1\r\n-NOSCRIPT No matching script.\r\n");
        }
    })
    .await;
    let script = Script::new("x");
    let error = db.eval_all(&[script.invoke(), script.invoke()]).await.unwrap_err();
    assert!(error.maybe_applied(), "{error:?}");
}

#[tokio::test]
async fn a_handle_with_another_deadline_shares_the_connection() {
    let (server, db) = fake(|number, peer| {
        assert_eq!(number, 0, "a second connection");
        peer.read();
        peer.write(b":1\r\n");
        peer.read();
        peer.read();
    })
    .await;
    assert_eq!(db.call(cmd!("GET", "a")).await.unwrap(), Reply::Integer(1));
    let hasty = db.with_deadline(Duration::from_millis(50));
    let begin = Instant::now();
    let error = hasty.eval(&Script::new("x").invoke()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout { maybe_applied: true, .. }), "{error:?}");
    assert!(error.to_string().contains("50 ms"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(server.seen()[0], "GET a");
}
