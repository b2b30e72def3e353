//! Values of `CONFIG SET`, by a client of a server: what is accepted is shown in a
//! form that is accepted again and shown the same.

#![no_main]

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{LazyLock, Mutex},
    thread,
};

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tuckbox_engine::{Engine, Options};
use tuckbox_resp::{Command, Limits, Reply, ReplyParser, cmd, write_command};
use tuckbox_server::{Config, Server};

/// Parameters whose values are parsed, and none that would end the connection.
const NAMES: [&str; 7] = [
    "client-output-buffer-limit",
    "maxmemory",
    "proto-max-bulk-len",
    "client-query-buffer-limit",
    "slowlog-log-slower-than",
    "latency-monitor-threshold",
    "slowlog-max-len",
];

static SERVER: LazyLock<Mutex<TcpStream>> = LazyLock::new(|| {
    let engine = Engine::in_memory(Options::default()).expect("an engine");
    let mut config = Config::default();
    config.listen = "127.0.0.1:0".parse().expect("an address");
    let server = Server::bind(engine, config).expect("a port");
    let address = server.local_addr();
    thread::spawn(move || server.run());
    Mutex::new(TcpStream::connect(address).expect("a server"))
});

fn ask(stream: &mut TcpStream, command: &Command) -> Reply {
    let mut bytes = BytesMut::new();
    write_command(command, &mut bytes);
    stream.write_all(&bytes).expect("a server that lives");
    let mut parser = ReplyParser::new(Limits::REPLY);
    let mut received = BytesMut::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(reply) = parser.parse(&mut received).expect("a reply") {
            return reply;
        }
        let count = match stream.read(&mut chunk) {
            // By the fuzzer's own clock.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.expect("a server that lives"),
        };
        assert_ne!(count, 0, "the server has cut its client");
        received.extend_from_slice(&chunk[..count]);
    }
}

fn shown(stream: &mut TcpStream, name: &str) -> Reply {
    let pair = ask(stream, &cmd!("CONFIG", "GET", name)).into_array().expect("a pair");
    pair.into_iter().nth(1).expect("a value")
}

fuzz_target!(|input: (u8, &[u8])| {
    let (number, value) = input;
    // For its own clients no limit: this is one.
    let name = NAMES[usize::from(number) % NAMES.len()];
    let own =
        name == NAMES[0] && value.to_ascii_lowercase().windows(6).any(|word| word == b"normal");
    if own {
        return;
    }
    let mut stream = SERVER.lock().expect("one at a time");
    let stream = &mut *stream;
    let before = shown(stream, name);
    match ask(stream, &cmd!("CONFIG", "SET", name, value)) {
        Reply::Error(_) => assert_eq!(shown(stream, name), before),
        reply => {
            assert_eq!(reply, Reply::OK);
            let after = shown(stream, name);
            let text = after.clone().into_bytes().expect("text").expect("text");
            let again = ask(stream, &cmd!("CONFIG", "SET", name, text));
            assert_eq!(again, Reply::OK, "{name} {after:?}");
            assert_eq!(shown(stream, name), after);
        }
    }
    for name in ["proto-max-bulk-len", "client-query-buffer-limit"] {
        assert_eq!(ask(stream, &cmd!("CONFIG", "SET", name, "1gb")), Reply::OK);
    }
    assert_eq!(ask(stream, &cmd!("CONFIG", "SET", "maxmemory", "0")), Reply::OK);
});
