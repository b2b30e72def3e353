//! Nothing that a client does is unbounded.

use std::{io::Write as _, net::TcpStream, time::Duration};

use tuckbox_resp::{Reply, cmd};
use tuckbox_server::Config;
use tuckbox_test_redis::{Connection, until};

use crate::running::{Running, field, text};

fn told(connection: &mut Connection, name: &str) -> u64 {
    let info = text(connection.call(&cmd!("INFO")));
    field(&info, name).unwrap().parse().unwrap()
}

#[test]
fn one_client_too_many_is_told_and_closed() {
    let mut config = Config::default();
    config.max_clients = 2;
    let server = Running::with(config);
    let mut one = server.connect();
    let mut two = server.connect();
    one.call(&cmd!("PING"));
    two.call(&cmd!("PING"));
    let mut three = server.connect();
    assert_eq!(three.read_reply(), Reply::error("ERR max number of clients reached"));
    assert!(three.read_to_end().is_empty());
    assert_eq!(told(&mut one, "rejected_connections"), 1);
    drop(two);
    until("there is room", || told(&mut one, "connected_clients") == 1);
    assert_eq!(server.connect().call(&cmd!("PING")), Reply::Simple("PONG".into()));
}

#[test]
fn a_client_that_reads_nothing_has_little_kept_for_it() {
    let server = Running::in_memory();
    let mut watcher = server.connect();
    watcher.call(&cmd!("SET", "large", vec![b'x'; 1 << 20]));
    let mut deaf = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // 200 MB of replies are asked for; sending stops when nothing is read any more.
    _ = deaf.write_all("GET large\r\n".repeat(200).as_bytes());
    until("some replies wait", || told(&mut watcher, "client_recent_max_output_buffer") > 0);
    for _ in 0..50 {
        // What is over a MiB is one reply.
        assert!(told(&mut watcher, "client_recent_max_output_buffer") < 3 << 20);
    }
}

#[test]
fn a_slow_client_is_cut_when_its_replies_pass_the_limit() {
    let server = Running::in_memory();
    let mut watcher = server.connect();
    watcher.call(&cmd!("SET", "large", vec![b'x'; 32 << 20]));
    let limit = "normal 1mb 0 0";
    watcher.call(&cmd!("CONFIG", "SET", "client-output-buffer-limit", limit));
    let mut deaf = server.connect();
    deaf.send(b"GET large\r\n");
    until("it is cut", || {
        told(&mut watcher, "client_output_buffer_limit_disconnections") == 1
            && told(&mut watcher, "connected_clients") == 1
    });
}

#[test]
fn an_idle_client_is_closed_when_a_timeout_says_so() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    let idle = server.connect();
    assert_eq!(connection.call(&cmd!("CONFIG", "SET", "timeout", 1)), Reply::OK);
    assert!(idle.read_to_end().is_empty());
}

#[test]
fn a_request_larger_than_may_wait_ends_the_connection() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    let set = cmd!("CONFIG", "SET", "client-query-buffer-limit", "1mb");
    assert_eq!(connection.call(&set), Reply::OK);
    let mut other = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    _ = other.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4000000\r\n");
    // The server may close while this is sent.
    _ = other.write_all(&vec![b'x'; 4_000_000]);
    until("it is cut", || told(&mut connection, "client_query_buffer_limit_disconnections") == 1);
    assert_eq!(connection.call(&cmd!("EXISTS", "a")), Reply::Integer(0));
}

#[test]
fn many_clients_are_served_at_one_time() {
    let server = Running::on_disk();
    let mut clients: Vec<_> = (0..400).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"INCR n\r\nPING\r\n");
    }
    let mut seen: Vec<i64> =
        clients.iter_mut().map(|client| client.read_reply().into_integer().unwrap()).collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(1..=400));
    for client in &mut clients {
        assert_eq!(client.read_reply(), Reply::Simple("PONG".into()));
    }
}

#[test]
fn others_have_their_turn_amid_a_long_pipeline() {
    const SCRIPTS: i64 = 60;
    let server = Running::in_memory();
    let script = "for _ = 1, 3e6 do end return redis.call('INCR', KEYS[1])";
    let mut busy = server.connect();
    busy.send(&format!("EVAL \"{script}\" 1 n\r\n").repeat(SCRIPTS as usize).into_bytes());
    let mut other = server.connect();
    until("the other sees it amid the pipeline", || {
        let seen = other.call(&cmd!("GET", "n"));
        let seen = seen
            .into_bytes()
            .unwrap()
            .map_or(0, |n| String::from_utf8_lossy(&n).parse::<i64>().unwrap());
        (1..SCRIPTS).contains(&seen)
    });
    for n in 1..=SCRIPTS {
        assert_eq!(busy.read_reply(), Reply::Integer(n));
    }
}

#[test]
fn clients_that_left_during_a_pause_are_let_go() {
    let server = Running::in_memory();
    let mut one = server.connect();
    assert_eq!(one.call(&cmd!("CLIENT", "PAUSE", 1_000_000, "WRITE")), Reply::OK);
    for _ in 0..20 {
        server.connect().send(b"SET a 1\r\n");
    }
    until("they are gone", || told(&mut one, "connected_clients") == 1);
    assert_eq!(one.call(&cmd!("CLIENT", "UNPAUSE")), Reply::OK);
}
