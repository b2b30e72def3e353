//! What comes in, in which order the answers leave, and what ends a connection.

use tuckbox_resp::{Reply, cmd};

use crate::running::Running;

#[test]
fn a_pipeline_is_answered_in_order_however_it_is_cut() {
    let server = Running::in_memory();
    let mut request = Vec::new();
    let mut wanted = Vec::new();
    for n in 0..500 {
        let value = format!("value-{n}");
        request.extend_from_slice(
            format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\nGET k\r\n", value.len())
                .as_bytes(),
        );
        wanted.extend_from_slice(format!("+OK\r\n${}\r\n{value}\r\n", value.len()).as_bytes());
    }
    for size in [request.len(), 4096, 7] {
        let mut connection = server.connect();
        for part in request.chunks(size) {
            connection.send(part);
        }
        assert!(connection.read_to_end() == wanted, "in parts of {size}");
    }
}

#[test]
fn what_was_sent_before_the_client_closed_its_side_is_answered() {
    let server = Running::on_disk();
    let mut connection = server.connect();
    connection.send(b"SET a 1\r\nINCR a\r\nGET a\r\n");
    assert_eq!(connection.read_to_end(), b"+OK\r\n:2\r\n$1\r\n2\r\n");
}

#[test]
fn what_is_no_request_is_answered_as_by_redis_and_ends_the_connection() {
    let server = Running::in_memory();
    for (request, answer) in [
        (&b"*1\r\n+4\r\nPING\r\n"[..], "-ERR Protocol error: expected '$', got '+'\r\n"),
        (b"PING\r\n*-x\r\nPING\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        (b"GET \"a\r\nPING\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"),
    ] {
        let mut connection = server.connect();
        connection.send(request);
        assert_eq!(String::from_utf8_lossy(&connection.read_to_end()), answer);
    }
}

#[test]
fn a_browser_that_is_made_to_send_http_gets_nothing() {
    let server = Running::in_memory();
    for request in [
        "POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\nSET stolen yes\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET stolen yes\r\n",
    ] {
        let mut connection = server.connect();
        connection.send(request.as_bytes());
        let said = connection.read_to_end();
        assert!(!String::from_utf8_lossy(&said).contains("OK"), "{request}");
    }
    assert_eq!(server.ask(&cmd!("EXISTS", "stolen")), Reply::Integer(0));
}

#[test]
fn quit_answers_and_ends_the_connection() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    connection.send(b"SET a 1\r\nQUIT\r\nSET a 2\r\n");
    assert_eq!(connection.read_to_end(), b"+OK\r\n+OK\r\n");
    assert_eq!(server.ask(&cmd!("GET", "a")), Reply::bulk(b"1"));
}

#[test]
fn values_larger_than_any_buffer_go_in_and_out() {
    let server = Running::on_disk();
    let value: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut connection = server.connect();
    assert_eq!(connection.call(&cmd!("SET", "large", &value)), Reply::OK);
    assert!(connection.call(&cmd!("GET", "large")) == Reply::bulk(&value));
    assert_eq!(connection.call(&cmd!("PING")), Reply::Simple("PONG".into()));
}

#[test]
fn each_connection_has_its_own_protocol_and_database() {
    let server = Running::in_memory();
    let (mut two, mut three) = (server.connect(), server.connect());
    let Reply::Map(hello) = three.call(&cmd!("HELLO", 3)) else { panic!("not RESP3") };
    assert!(hello.contains(&(Reply::bulk(b"proto"), Reply::Integer(3))));
    two.call(&cmd!("HSET", "h", "f", "v"));
    let pair = [Reply::bulk(b"f"), Reply::bulk(b"v")];
    assert_eq!(two.call(&cmd!("HGETALL", "h")), Reply::Array(pair.to_vec()));
    let [field, value] = pair;
    assert_eq!(three.call(&cmd!("HGETALL", "h")), Reply::Map(vec![(field, value)]));
    assert_eq!(three.call(&cmd!("SELECT", 15)), Reply::OK);
    assert_eq!(three.call(&cmd!("GET", "h")), Reply::Null);
    assert_eq!(three.call(&cmd!("SELECT", 16)), Reply::error("ERR DB index is out of range"));
}

#[test]
fn an_attribute_comes_before_the_reply_where_there_are_attributes() {
    let server = Running::in_memory();
    let mut connection = server.connect();
    connection.send(b"DEBUG PROTOCOL ATTRIB\r\nHELLO 3\r\nDEBUG PROTOCOL ATTRIB\r\n");
    let all = String::from_utf8(connection.read_to_end()).unwrap();
    let reply = "$39\r\nSome real reply following the attribute\r\n";
    let attribute = "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n";
    assert!(all.starts_with(&format!("{reply}%")), "{all}");
    assert!(all.ends_with(&format!("{attribute}{reply}")), "{all}");
}
