//! `CONFIG`: what can be changed while the server runs.

use tuckbox_resp::{Reply, cmd};
use tuckbox_test_redis::{Connection, until};

use crate::running::{Running, text};

/// The value of one parameter.
fn get(connection: &mut Connection, name: &str) -> Option<String> {
    let pair = connection.call(&cmd!("CONFIG", "GET", name)).into_array().unwrap();
    pair.get(1).map(|value| text(value.clone()))
}

#[test]
fn a_name_and_its_alias_are_one_parameter() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    assert_eq!(connection.call(&cmd!("CONFIG", "SET", "lua-time-limit", 70)), Reply::OK);
    assert_eq!(get(&mut connection, "busy-reply-threshold").as_deref(), Some("70"));
    let both = connection.call(&cmd!("CONFIG", "GET", "*of", "slaveof")).into_array().unwrap();
    assert_eq!(both.len(), 4, "{both:?}");
    let twice = cmd!("CONFIG", "SET", "lua-time-limit", 1, "Lua-Time-Limit", 2);
    assert_eq!(
        text(connection.call(&twice)),
        "ERR CONFIG SET failed (possibly related to argument 'lua-time-limit') - duplicate \
         parameter"
    );
    assert_eq!(get(&mut connection, "lua-time-limit").as_deref(), Some("70"));
    let all = connection.call(&cmd!("CONFIG", "GET", "*")).into_array().unwrap();
    assert!(!all.contains(&Reply::bulk(b"key-load-delay")));
    assert!(get(&mut connection, "key-load-delay").is_some());
}

#[test]
fn the_memory_limit_can_be_changed_and_holds() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    assert_eq!(get(&mut connection, "maxmemory").as_deref(), Some("268435456"));
    assert_eq!(connection.call(&cmd!("CONFIG", "SET", "maxmemory", "1")), Reply::OK);
    assert_eq!(server.engine.memory_limit(), 1);
    connection.call(&cmd!("SET", "a", 1));
    let refused = connection.call(&cmd!("SET", "b", 1));
    assert!(text(refused).starts_with("OOM "));
    let wrong = cmd!("CONFIG", "SET", "maxmemory", 0, "timeout", "x");
    assert!(matches!(connection.call(&wrong), Reply::Error(_)));
    assert_eq!(get(&mut connection, "maxmemory").as_deref(), Some("1"));
    assert_eq!(connection.call(&cmd!("CONFIG", "SET", "maxmemory", 0)), Reply::OK);
    assert_eq!(get(&mut connection, "maxmemory").as_deref(), Some("0"));
    assert_eq!(connection.call(&cmd!("SET", "b", 1)), Reply::OK);
}

#[test]
fn the_port_can_be_changed_and_is_not_taken_from_others() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let set = cmd!("CONFIG", "SET", "maxmemory", 7, "port", u32::from(port));
    assert_eq!(
        text(connection.call(&set)),
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this \
         port. Check server logs."
    );
    assert_eq!(get(&mut connection, "port"), Some(server.port.to_string()));
    assert_eq!(get(&mut connection, "maxmemory").as_deref(), Some("268435456"));
    drop(taken);
    assert_eq!(connection.call(&cmd!("CONFIG", "SET", "port", u32::from(port))), Reply::OK);
    let mut there = Connection::to(port);
    assert_eq!(there.call(&cmd!("PING")), Reply::Simple("PONG".into()));
    // Who was there stays.
    assert_eq!(get(&mut connection, "port"), Some(port.to_string()));
    until("the old port is closed", || {
        std::net::TcpStream::connect(("127.0.0.1", server.port)).is_err()
    });
}

#[test]
fn the_longest_argument_can_be_changed() {
    let server = Running::in_memory();
    let (mut one, mut two) = (server.connect(), server.connect());
    let long = vec![b'x'; (1 << 20) + 1];
    assert_eq!(two.call(&cmd!("SET", "a", long.as_slice())), Reply::OK);
    assert_eq!(one.call(&cmd!("CONFIG", "SET", "proto-max-bulk-len", "1mb")), Reply::OK);
    two.send(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048577\r\n");
    assert_eq!(text(two.read_reply()), "ERR Protocol error: invalid bulk length");
    assert!(two.read_to_end().is_empty());
    let mut three = server.connect();
    three.send(b"*2\r\n$3\r\nGET\r\n$1048577\r\n");
    assert_eq!(text(three.read_reply()), "ERR Protocol error: invalid bulk length");
}

#[test]
fn latency_is_sampled_where_it_is_asked_for() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    connection.call(&cmd!("HELLO", 3));
    connection.call(&cmd!("DEBUG", "SLEEP", "0.02"));
    assert_eq!(connection.call(&cmd!("LATENCY", "LATEST")), Reply::Array(Vec::new()));
    assert!(text(connection.call(&cmd!("LATENCY", "DOCTOR"))).contains("is off"));
    connection.call(&cmd!("CONFIG", "SET", "latency-monitor-threshold", 20));
    connection.call(&cmd!("DEBUG", "SLEEP", "0.02"));
    let latest = connection.call(&cmd!("LATENCY", "LATEST")).into_array().unwrap();
    let event = latest[0].clone().into_array().unwrap();
    assert_eq!(event[0], Reply::bulk(b"command"));
    assert!(event[3].clone().into_integer().unwrap() >= 20);
    let history = connection.call(&cmd!("LATENCY", "HISTORY", "command")).into_array().unwrap();
    assert!(!history.is_empty());
    assert!(text(connection.call(&cmd!("LATENCY", "GRAPH", "command"))).contains("ms ###"));
    assert_eq!(connection.call(&cmd!("LATENCY", "RESET")), Reply::Integer(1));
    let times = connection.call(&cmd!("LATENCY", "HISTOGRAM", "debug")).into_pairs().unwrap();
    let (name, times) = times[0].clone();
    assert_eq!(name, Reply::bulk(b"debug"));
    let times = times.into_pairs().unwrap();
    assert_eq!(times[0], (Reply::bulk(b"calls"), Reply::Integer(2)));
    let (_, last) = times[1].1.clone().into_pairs().unwrap().pop().unwrap();
    assert_eq!(last, Reply::Integer(2));
}
