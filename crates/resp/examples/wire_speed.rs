//! Times the hot paths: parsing requests and replies, looking up commands,
//! writing replies.
//!
//! `cargo run --release -p tuckbox-resp --example wire_speed`

use std::{hint::black_box, time::Instant};

use bytes::{Bytes, BytesMut};
use tuckbox_resp::{
    Command, Limits, Protocol, Reply, ReplyParser, RequestParser, cmd, table, write_command,
    write_reply,
};

/// As many bytes as a server reads at once.
const READ_LEN: usize = 16 << 10;

/// The best of so many runs is shown: the rest is noise from the machine.
const RUNS: usize = 200;

const ROUNDS: usize = 10;

fn main() {
    requests("parse GET", &cmd!("GET", "session:0123456789"));
    requests("parse HSET of 4 fields", &{
        cmd!("HSET", "session:0123456789", "a", "1", "b", "22", "c", "333", "d", "a longer value")
    });
    requests("parse SET of 1 KiB", &cmd!("SET", "key", vec![b'x'; 1024]));
    lookups();
    let session: Vec<(Reply, Reply)> = (0..8)
        .map(|i| (Reply::bulk(&[b'a' + i]), Reply::bulk(b"a value of 22 bytes ok")))
        .collect();
    for (name, reply) in [
        ("status", Reply::OK),
        ("integer", Reply::Integer(123_456)),
        ("bulk of 64 bytes", Reply::Bulk(Bytes::from(vec![b'x'; 64]))),
        ("double", Reply::Double(0.1)),
        ("map of 8 pairs", Reply::Map(session)),
    ] {
        replies(name, &reply);
    }
}

fn requests(name: &str, command: &Command) {
    let mut one = BytesMut::new();
    write_command(command, &mut one);
    let count = READ_LEN / one.len();
    let bytes = one.repeat(count);
    let mut parser = RequestParser::new(Limits::REQUEST);
    let mut buf = BytesMut::with_capacity(READ_LEN);
    report(name, count, || {
        buf.reserve(bytes.len());
        buf.extend_from_slice(&bytes);
        while let Ok(Some(command)) = parser.parse(&mut buf) {
            black_box(&command);
        }
        assert!(buf.is_empty());
    });
}

fn lookups() {
    let names = ["GET", "hset", "HGETALL", "EXPIRE", "hincrbyfloat", "nothing", "Client", "DEL"];
    report("look up a command", names.len() * 100, || {
        for _ in 0..100 {
            for name in names {
                black_box(table::lookup(black_box(name.as_bytes())));
            }
        }
    });
}

fn replies(name: &str, reply: &Reply) {
    let mut one = BytesMut::new();
    write_reply(reply, Protocol::Resp3, &mut one);
    let count = READ_LEN / one.len();
    let bytes = one.repeat(count);
    let mut buf = BytesMut::with_capacity(READ_LEN);
    report(&format!("write {name}"), count, || {
        buf.clear();
        for _ in 0..count {
            write_reply(black_box(reply), Protocol::Resp3, &mut buf);
        }
    });
    let mut parser = ReplyParser::new(Limits::REPLY);
    let mut buf = BytesMut::with_capacity(READ_LEN);
    report(&format!("parse {name}"), count, || {
        buf.reserve(bytes.len());
        buf.extend_from_slice(&bytes);
        while let Ok(Some(reply)) = parser.parse(&mut buf) {
            black_box(&reply);
        }
        assert!(buf.is_empty());
    });
}

/// Prints the nanoseconds that one of `count` items takes in `run`.
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn report(name: &str, count: usize, mut run: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            run();
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:<24} {:>8.1} ns", best * 1e9 / (ROUNDS * count) as f64);
}
