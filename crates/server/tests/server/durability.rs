//! Replies leave once what they say is on disk, and one sync serves many.

use tuckbox_engine::{Engine, Options};
use tuckbox_resp::{Reply, cmd};
use tuckbox_server::{Config, Server};

use crate::running::Running;

#[test]
fn a_pipeline_waits_for_a_few_syncs_and_not_for_one_each() {
    let server = Running::on_disk();
    let mut connection = server.connect();
    connection.call(&cmd!("PING"));
    let before = server.engine.stats().log_syncs;
    let request: String = (0..300).map(|n| format!("SET key:{n} {n}\r\n")).collect();
    connection.send(request.as_bytes());
    for _ in 0..300 {
        assert_eq!(connection.read_reply(), Reply::OK);
    }
    // The request comes in a handful of reads; each is a batch.
    let syncs = server.engine.stats().log_syncs - before;
    assert!((1..=10).contains(&syncs), "{syncs} syncs for 300 writes");
}

#[test]
fn reads_sync_nothing() {
    let server = Running::on_disk();
    let mut connection = server.connect();
    connection.call(&cmd!("SET", "a", 1));
    let before = server.engine.stats().log_syncs;
    for _ in 0..100 {
        assert_eq!(connection.call(&cmd!("GET", "a")), Reply::bulk(b"1"));
    }
    assert_eq!(server.engine.stats().log_syncs, before);
}

#[test]
fn what_was_acknowledged_is_there_after_the_server_was_ended() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let engine = Engine::open(dir.path(), Options::default()).unwrap();
        let server = Server::bind(engine, Config::default()).unwrap();
        let (port, stopper) = (server.local_addr().port(), server.stopper());
        let thread = std::thread::spawn(|| server.run());
        let mut connection = tuckbox_test_redis::Connection::to(port);
        assert_eq!(connection.call(&cmd!("INCR", "rounds")), Reply::Integer(round + 1));
        stopper.stop();
        thread.join().unwrap().unwrap();
    }
}

#[test]
fn requests_that_came_before_the_end_are_answered_or_not_done() {
    let mut server = Running::on_disk();
    let mut connection = server.connect();
    connection.send("INCR n\r\n".repeat(5_000).as_bytes());
    assert_eq!(connection.read_reply(), Reply::Integer(1));
    server.stop().unwrap();
    let said = connection.read_to_end();
    // Each reply is the number of the one before and one more, and none is torn.
    let said = String::from_utf8(said).unwrap();
    let replies: Vec<u64> =
        said.lines().map(|line| line.strip_prefix(':').unwrap().parse().unwrap()).collect();
    assert!(replies.iter().copied().eq(2..2 + replies.len() as u64));
}

#[test]
fn a_save_is_a_checkpoint() {
    let server = Running::on_disk();
    let mut connection = server.connect();
    connection.call(&cmd!("SET", "a", 1));
    let before = server.engine.stats().checkpoints;
    assert_eq!(connection.call(&cmd!("SAVE")), Reply::OK);
    assert_eq!(server.engine.stats().checkpoints, before + 1);
    let Reply::Integer(last) = connection.call(&cmd!("LASTSAVE")) else { panic!("no time") };
    assert_eq!(u64::try_from(last).unwrap(), server.engine.stats().last_checkpoint_ms / 1000);
}
