//! Cluster nodes that send calls away.
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use crate::support::{
    fake::{FakeServer, Peer},
    open, patient,
};
use tuckbox::{Command, Db, Error, Options, Reply, Script, cmd};

/// A node that says that the node at `owner`, or it itself, has all slots, and
/// answers call number 0, 1, … by `answer`.
fn node(
    owner: Option<u16>,
    answer: impl Fn(usize, &Command) -> String + Send + 'static,
) -> FakeServer {
    let calls = AtomicUsize::new(0);
    FakeServer::start(move |_, peer| {
        peer.greet();
        while let Some(command) = peer.read() {
            if command.name() == b"CLUSTER" {
                let port = owner.unwrap_or_else(|| peer.port());
                peer.write(
                    format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n_\r\n:{port}\r\n").as_bytes(),
                );
                continue;
            }
            let reply = answer(calls.fetch_add(1, Ordering::Relaxed), &command);
            if reply.is_empty() {
                return;
            }
            peer.write(reply.as_bytes());
        }
    })
}

async fn cluster(seed: &FakeServer, options: Options) -> Db {
    open(&format!("redis+cluster://127.0.0.1:{}", seed.port), options).await
}

/// What it was asked besides the slots.
fn calls(node: &FakeServer) -> Vec<String> {
    node.seen().into_iter().filter(|seen| !seen.starts_with("CLUSTER")).collect()
}

fn looks(node: &FakeServer) -> usize {
    node.seen().len() - calls(node).len()
}

#[tokio::test]
async fn a_call_that_was_moved_is_made_there_and_later_ones_too() {
    let there = node(None, |_, _| "+OK\r\n".to_owned());
    let port = there.port;
    // Without a host it is the same one; the slot of "foo" is 12182.
    let here = node(None, move |_, _| format!("-MOVED 12182 :{port}\r\n"));
    let db = cluster(&here, patient()).await;
    for value in 1..=3 {
        assert_eq!(db.call(cmd!("SET", "foo", value)).await.unwrap(), Reply::OK);
    }
    assert_eq!(calls(&there), ["SET foo 1", "SET foo 2", "SET foo 3"]);
    assert_eq!(calls(&here), ["SET foo 1"]);
}

#[tokio::test]
async fn a_call_for_a_slot_on_its_way_asks_there_each_time() {
    let there = node(None, |_, command| match command.name() {
        b"ASKING" | b"MULTI" => "+OK\r\n".to_owned(),
        b"EXEC" => "*1\r\n:9\r\n".to_owned(),
        _ => ":7\r\n".to_owned(),
    });
    let port = there.port;
    let here = node(None, move |_, command| match command.name() {
        b"MULTI" => "+OK\r\n".to_owned(),
        b"EXEC" => "-EXECABORT Transaction discarded because of previous errors.\r\n".to_owned(),
        _ => format!("-ASK 12182 127.0.0.1:{port}\r\n"),
    });
    let db = cluster(&here, patient()).await;
    let incr = || cmd!("INCR", "foo");
    assert_eq!(db.call(incr()).await.unwrap(), Reply::Integer(7));
    let replies = db.pipeline(vec![incr(), cmd!("GET", "foo")]).await.unwrap();
    assert_eq!(replies, [Reply::Integer(7), Reply::Integer(7)]);
    assert_eq!(db.transaction(vec![incr()]).await.unwrap(), [Reply::Integer(9)]);
    let once = ["ASKING", "INCR foo"];
    let wanted =
        [&once[..], &once, &["ASKING", "GET foo"], &["ASKING", "MULTI", "INCR foo", "EXEC"]];
    assert_eq!(calls(&there), wanted.concat());
    assert_eq!(looks(&there), 0);
}

#[tokio::test]
async fn a_call_that_must_wait_is_tried_again() {
    for refusal in ["TRYAGAIN Multiple keys request during rehashing of slot", "CLUSTERDOWN x"] {
        let node = node(None, move |number, _| match number {
            0..3 => format!("-{refusal}\r\n"),
            _ => "+OK\r\n".to_owned(),
        });
        let db = cluster(&node, patient()).await;
        assert_eq!(db.call(cmd!("SET", "foo", 1)).await.unwrap(), Reply::OK);
        assert_eq!(calls(&node), ["SET foo 1"; 4]);
    }
}

#[tokio::test]
async fn trouble_that_stays_ends_with_the_deadline_and_few_tries() {
    for refusal in ["CLUSTERDOWN Hash slot not served", "MOVED 12182 :{port}", "MOVED nonsense"] {
        let own = std::sync::Arc::new(AtomicUsize::new(0));
        let port = std::sync::Arc::clone(&own);
        let node = node(None, move |_, _| {
            let port = port.load(Ordering::Relaxed).to_string();
            format!("-{}\r\n", refusal.replace("{port}", &port))
        });
        own.store(usize::from(node.port), Ordering::Relaxed);
        let options = Options { deadline: Duration::from_millis(500), ..patient() };
        let db = cluster(&node, options).await;
        let begin = Instant::now();
        let error = db.call(cmd!("SET", "foo", 1)).await.unwrap_err();
        assert!(begin.elapsed() < Duration::from_secs(20));
        let code = refusal.split(' ').next().unwrap();
        assert!(matches!(&error, Error::Reply(reply) if reply.code() == code), "{error}");
        assert!(error.is_transient() && !error.maybe_applied(), "{error}");
        let tries = calls(&node).len();
        assert!((2..20).contains(&tries), "{refusal}: {tries} tries");
    }
}

#[tokio::test]
async fn many_redirected_calls_look_at_the_slots_once_in_a_while() {
    let there = node(None, |_, _| "+OK\r\n".to_owned());
    let port = there.port;
    let here = node(None, move |_, command| {
        // Each slot is found to have moved by itself.
        let number = command.get(2).unwrap();
        format!("-MOVED {} :{port}\r\n", String::from_utf8_lossy(number))
    });
    let db = cluster(&here, patient()).await;
    let begin = Instant::now();
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move { db.call(cmd!("SET", format!("k{n}"), n)).await.unwrap() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Reply::OK);
    }
    let looks = looks(&here) + looks(&there);
    let allowed = 2 + begin.elapsed().as_millis() / 100;
    assert!(looks as u128 <= allowed, "{looks} looks, allowed {allowed}");
}

#[tokio::test]
async fn a_read_does_not_overtake_the_write_that_was_sent_away() {
    let value = |number: usize| if number == 0 { "+OK\r\n" } else { "$3\r\nnew\r\n" }.to_owned();
    let there = node(None, move |number, _| value(number));
    let port = there.port;
    let here = node(None, move |_, command| match command.name() {
        b"SET" => format!("-MOVED 12182 :{port}\r\n"),
        _ => "$3\r\nold\r\n".to_owned(),
    });
    let db = cluster(&here, patient()).await;
    let replies = db.pipeline(vec![cmd!("SET", "foo", "new"), cmd!("GET", "foo")]).await.unwrap();
    assert_eq!(replies, [Reply::OK, Reply::bulk(b"new")]);
}

#[tokio::test]
async fn a_write_whose_node_drops_it_is_not_sent_again() {
    let node = node(None, |number, _| match number {
        0 => String::new(),
        _ => ":7\r\n".to_owned(),
    });
    let db = cluster(&node, patient()).await;
    let error = db.call(cmd!("INCR", "foo")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: true, .. }), "{error:?}");
    assert_eq!(db.call(cmd!("INCR", "foo")).await.unwrap(), Reply::Integer(7));
    assert_eq!(calls(&node), ["INCR foo"; 2]);
}

#[tokio::test]
async fn reads_and_idempotent_scripts_go_on_until_the_node_answers() {
    let script = Script::new("x");
    let flaky = |number| if number < 3 { String::new() } else { ":7\r\n".to_owned() };
    for idempotent in [false, true] {
        let node = node(None, move |number, _| flaky(number));
        let db = cluster(&node, patient()).await;
        let reply = match idempotent {
            true => db.eval(&script.invoke().key("foo").idempotent()).await,
            false => db.call(cmd!("GET", "foo")).await,
        };
        assert_eq!(reply.unwrap(), Reply::Integer(7));
        assert_eq!(calls(&node).len(), 4);
    }
}

#[tokio::test]
async fn a_part_that_fails_after_others_were_applied_says_so() {
    // Half of the slots belong to a node that is not there.
    let gone = 1;
    let node = FakeServer::start(move |_, peer: &mut Peer| {
        peer.greet();
        while let Some(command) = peer.read() {
            let port = peer.port();
            let run = |first, last, port| {
                format!("*3\r\n:{first}\r\n:{last}\r\n*2\r\n$0\r\n\r\n:{port}\r\n")
            };
            peer.write(
                match command.name() {
                    b"CLUSTER" => format!("*2\r\n{}{}", run(0, 8191, port), run(8192, 16383, gone)),
                    _ => ":1\r\n".to_owned(),
                }
                .as_bytes(),
            );
        }
    });
    let options = Options { deadline: Duration::from_millis(300), ..patient() };
    let db = cluster(&node, options).await;
    // The slot of "bar" is 5061, that of "foo" 12182.
    let error = db.pipeline(vec![cmd!("INCR", "bar"), cmd!("INCR", "foo")]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: true, .. }), "{error:?}");
    let error = db.pipeline(vec![cmd!("GET", "bar"), cmd!("INCR", "foo")]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { maybe_applied: false, .. }), "{error:?}");
    assert_eq!(calls(&node), ["INCR bar", "GET bar"]);
}

#[tokio::test]
async fn a_closed_cluster_stays_closed() {
    let node = node(None, |_, _| ":7\r\n".to_owned());
    let db = cluster(&node, patient()).await;
    assert_eq!(db.call(cmd!("GET", "foo")).await.unwrap(), Reply::Integer(7));
    db.close().await.unwrap();
    assert!(matches!(db.call(cmd!("GET", "foo")).await, Err(Error::Closed)));
    let never_used = cluster(&node, patient()).await;
    never_used.close().await.unwrap();
    assert!(matches!(never_used.call(cmd!("GET", "foo")).await, Err(Error::Closed)));
}
