//! Requests of any kind, run by an engine in memory: arguments, patterns,
//! cursors and dumped values of every shape.

#![no_main]

use std::sync::LazyLock;

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tuckbox_engine::{Engine, Options};
use tuckbox_resp::{Limits, Protocol, RequestParser, cmd, write_reply};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let options = Options { memory_limit: 64 << 20, random_seed: Some(1), ..Options::default() };
    Engine::in_memory(options).expect("an engine")
});

fuzz_target!(|input: &[u8]| {
    let mut connection = ENGINE.connection();
    connection.execute(&cmd!("FLUSHALL"));
    let mut parser = RequestParser::new(Limits::REQUEST);
    let mut buf = BytesMut::from(input);
    let mut written = BytesMut::new();
    while let Ok(Some(command)) = parser.parse(&mut buf) {
        let reply = connection.execute(&command).reply;
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            written.clear();
            write_reply(&reply, protocol, &mut written);
        }
    }
    drop(connection);
    // Whatever was asked, what is there can be listed and counted.
    let mut connection = ENGINE.connection();
    let keys = connection.execute(&cmd!("KEYS", "*")).reply.into_array().expect("an array");
    let size = connection.execute(&cmd!("DBSIZE")).reply.into_integer().expect("an integer");
    assert!(keys.len() as i64 <= size);
});
