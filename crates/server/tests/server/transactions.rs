//! Commands of the server within transactions.

use tuckbox_resp::{Reply, cmd};
use tuckbox_test_redis::until;

use crate::running::{Running, text};

#[test]
fn commands_of_the_server_wait_for_exec_with_the_others() {
    let server = Running::on_disk();
    let mut connection = server.connect();
    connection.call(&cmd!("MULTI"));
    for command in [
        cmd!("SET", "a", 1),
        cmd!("CONFIG", "SET", "timeout", 77),
        cmd!("CONFIG", "GET", "timeout"),
        cmd!("INFO", "keyspace"),
        cmd!("CONFIG", "SET", "nonsense", 1),
        cmd!("INCR", "a"),
    ] {
        assert_eq!(connection.call(&command), Reply::QUEUED);
    }
    let timeout = || server.ask(&cmd!("CONFIG", "GET", "timeout")).into_array().unwrap();
    assert_eq!(timeout()[1], Reply::bulk(b"0"));
    let replies = connection.call(&cmd!("EXEC")).into_array().unwrap();
    assert_eq!(replies[0], Reply::OK);
    assert_eq!(replies[1], Reply::OK);
    assert_eq!(replies[2].clone().into_array().unwrap()[1], Reply::bulk(b"77"));
    assert!(text(replies[3].clone()).contains("db0:keys=1"));
    assert!(text(replies[4].clone()).starts_with("ERR Unknown option"));
    assert_eq!(replies[5], Reply::Integer(2));
    assert_eq!(timeout()[1], Reply::bulk(b"77"));
}

#[test]
fn a_watched_key_that_changed_keeps_the_servers_commands_from_running_too() {
    let server = Running::in_memory();
    let (mut one, mut two) = (server.connect(), server.connect());
    one.call(&cmd!("WATCH", "a"));
    two.call(&cmd!("SET", "a", 1));
    one.call(&cmd!("MULTI"));
    one.call(&cmd!("CONFIG", "SET", "timeout", 5));
    assert_eq!(one.call(&cmd!("EXEC")), Reply::NullArray);
    let timeout = two.call(&cmd!("CONFIG", "GET", "timeout")).into_array().unwrap();
    assert_eq!(timeout[1], Reply::bulk(b"0"));
}

#[test]
fn what_may_not_wait_dooms_the_transaction() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    connection.call(&cmd!("MULTI"));
    assert!(matches!(connection.call(&cmd!("SAVE")), Reply::Error(_)));
    assert!(text(connection.call(&cmd!("EXEC"))).starts_with("EXECABORT"));
}

#[test]
fn a_key_that_has_expired_where_it_is_swapped_in_fails_no_transaction() {
    let server = Running::in_memory();
    let (mut one, mut two) = (server.connect(), server.connect());
    two.call(&cmd!("DEBUG", "SET-ACTIVE-EXPIRE", 0));
    two.call(&cmd!("SELECT", 1));
    two.call(&cmd!("SET", "k", 1, "PX", 1));
    two.call(&cmd!("SET", "later", 1, "PX", 1));
    until("it has expired", || two.call(&cmd!("GET", "later")) == Reply::Null);
    one.call(&cmd!("WATCH", "k"));
    two.call(&cmd!("SWAPDB", 0, 1));
    one.call(&cmd!("MULTI"));
    one.call(&cmd!("PING"));
    let done = one.call(&cmd!("EXEC"));
    assert_eq!(done, Reply::Array(vec![Reply::Simple("PONG".into())]));
    // One that is there does.
    two.call(&cmd!("SET", "k", 2));
    one.call(&cmd!("WATCH", "k"));
    two.call(&cmd!("SWAPDB", 0, 1));
    one.call(&cmd!("MULTI"));
    assert_eq!(one.call(&cmd!("EXEC")), Reply::NullArray);
}
