//! `CLIENT`: what it tells of other clients and does to them.

use tuckbox_resp::{Reply, cmd};
use tuckbox_test_redis::{Connection, until};

use crate::running::{Running, field, text};

fn id(connection: &mut Connection) -> i64 {
    connection.call(&cmd!("CLIENT", "ID")).into_integer().unwrap()
}

/// The line of `CLIENT LIST` about the client called `name`.
fn line(connection: &mut Connection, name: &str) -> Option<String> {
    let list = text(connection.call(&cmd!("CLIENT", "LIST")));
    list.lines().find(|line| field(line, "name") == Some(name)).map(str::to_owned)
}

#[test]
fn the_list_tells_what_is_true_of_each_client() {
    let server = Running::in_memory();
    let (mut one, mut two) = (server.connect(), server.connect());
    one.call(&cmd!("HELLO", 3, "SETNAME", "one"));
    one.call(&cmd!("SELECT", 7));
    one.call(&cmd!("CLIENT", "SETINFO", "LIB-NAME", "tests"));
    one.call(&cmd!("MULTI"));
    one.call(&cmd!("SET", "a", 1));
    one.call(&cmd!("SET", "b", 1));
    let line = line(&mut two, "one").unwrap();
    for (name, value) in [
        ("db", "7"),
        ("multi", "2"),
        ("resp", "3"),
        ("flags", "x"),
        ("lib-name", "tests"),
        ("user", "default"),
        ("sub", "0"),
        ("cmd", "multi"),
    ] {
        assert_eq!(field(&line, name), Some(value), "{name} in {line}");
    }
    assert!(field(&line, "laddr").unwrap().ends_with(&format!(":{}", server.port)));
    let info = text(two.call(&cmd!("CLIENT", "INFO")));
    assert_eq!(field(&info, "cmd"), Some("client|info"));
    assert_eq!(field(&info, "id").unwrap().parse::<i64>().unwrap(), id(&mut two));
    let (mine, none) = (id(&mut two), cmd!("CLIENT", "LIST", "TYPE", "pubsub"));
    assert_eq!(text(two.call(&cmd!("CLIENT", "LIST", "ID", mine))).lines().count(), 1);
    assert_eq!(text(two.call(&none)), "");
}

#[test]
fn kill_ends_those_that_all_filters_take() {
    let server = Running::in_memory();
    let mut me = server.connect();
    let mut others: Vec<_> = (0..3).map(|_| server.connect()).collect();
    let ids: Vec<i64> = others.iter_mut().map(id).collect();
    let killed = |me: &mut Connection, command| me.call(&command).into_integer().unwrap();
    assert_eq!(killed(&mut me, cmd!("CLIENT", "KILL", "ID", ids[0])), 1);
    assert_eq!(killed(&mut me, cmd!("CLIENT", "KILL", "ID", ids[0])), 0);
    assert_eq!(killed(&mut me, cmd!("CLIENT", "KILL", "ID", ids[1], "TYPE", "pubsub")), 0);
    assert_eq!(killed(&mut me, cmd!("CLIENT", "KILL", "TYPE", "normal", "USER", "default")), 2);
    for other in others {
        assert!(other.read_to_end().is_empty());
    }
    assert_eq!(me.call(&cmd!("CLIENT", "KILL", "1.1.1.1:1")), Reply::error("ERR No such client"));
    // The one that kills itself has its answer.
    assert_eq!(killed(&mut me, cmd!("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")), 1);
    assert!(me.read_to_end().is_empty());
    until("nobody is left", || {
        server.engine.stats().keys == 0 && {
            let list = text(server.ask(&cmd!("CLIENT", "LIST")));
            list.lines().count() == 1
        }
    });
}

#[test]
fn replies_can_be_turned_off_and_skipped() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    connection.send(
        b"CLIENT REPLY OFF\r\nSET a 1\r\nGET a\r\nCLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\n\
          SET a 2\r\nGET a\r\n",
    );
    assert_eq!(connection.read_to_end(), b"+OK\r\n$1\r\n2\r\n");
}

#[test]
fn a_pause_holds_writes_back_and_lets_reads_through() {
    let server = Running::in_memory();
    let (mut one, mut two) = (server.connect(), server.connect());
    assert_eq!(one.call(&cmd!("CLIENT", "PAUSE", 100_000, "WRITE")), Reply::OK);
    two.send(b"SET a 1\r\nGET a\r\n");
    assert_eq!(one.call(&cmd!("GET", "a")), Reply::Null);
    assert_eq!(one.call(&cmd!("EXISTS", "a")), Reply::Integer(0));
    assert_eq!(one.call(&cmd!("CLIENT", "UNPAUSE")), Reply::OK);
    assert_eq!(two.read_reply(), Reply::OK);
    assert_eq!(two.read_reply(), Reply::bulk(b"1"));
}

#[test]
fn a_pause_of_writes_knows_scripts_and_transactions_that_only_read() {
    let server = Running::in_memory();
    let (mut one, mut two) = (server.connect(), server.connect());
    let reads = "#!lua flags=no-writes\nreturn 7";
    let sha = text(one.call(&cmd!("SCRIPT", "LOAD", reads)));
    one.call(&cmd!("CLIENT", "PAUSE", 100_000, "WRITE"));
    assert_eq!(one.call(&cmd!("EVAL", reads, 0)), Reply::Integer(7));
    assert_eq!(one.call(&cmd!("EVALSHA", sha.as_str(), 0)), Reply::Integer(7));
    assert_eq!(one.call(&cmd!("EVAL_RO", "return 8", 0)), Reply::Integer(8));
    one.call(&cmd!("MULTI"));
    one.call(&cmd!("GET", "a"));
    one.call(&cmd!("EVAL", reads, 0));
    let seen = one.call(&cmd!("EXEC"));
    assert_eq!(seen, Reply::Array(vec![Reply::Null, Reply::Integer(7)]));
    // What is wrong is told at once.
    assert!(matches!(one.call(&cmd!("SET", "a")), Reply::Error(_)));
    assert!(matches!(one.call(&cmd!("NONSENSE")), Reply::Error(_)));
    two.send(b"EVAL \"return 9\" 0\r\n");
    until("it waits", || {
        field(&text(one.call(&cmd!("INFO", "clients"))), "blocked_clients") == Some("1")
    });
    one.call(&cmd!("CLIENT", "UNPAUSE"));
    assert_eq!(two.read_reply(), Reply::Integer(9));
}

#[test]
fn a_pause_ends_by_itself() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    assert_eq!(connection.call(&cmd!("CLIENT", "PAUSE", 30)), Reply::OK);
    assert_eq!(connection.call(&cmd!("PING")), Reply::Simple("PONG".into()));
}

#[test]
fn tracking_is_refused_and_not_pretended() {
    let server = Running::in_memory();
    assert!(matches!(server.ask(&cmd!("CLIENT", "TRACKING", "ON")), Reply::Error(_)));
    assert_eq!(server.ask(&cmd!("CLIENT", "TRACKING", "OFF")), Reply::OK);
}
