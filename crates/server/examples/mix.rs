//! Four reads to one write from 50 connections, each of which waits for its
//! reply before it asks again: `mix PORT SECONDS`. Prints how long they waited, in
//! microseconds, as JSON. For bench/run.

use std::{
    collections::VecDeque,
    io::{Error, ErrorKind, Read, Result, Write},
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

const CONNECTIONS: usize = 50;
const KEYS: u64 = 100_000;
const VALUE: [u8; 100] = [b'v'; 100];

/// One of the connections.
struct Client {
    stream: TcpStream,
    asked: Instant,
    writes: bool,
    reply: VecDeque<u8>,
}

/// The waiting times of both kinds of requests.
#[derive(Default)]
struct Waits {
    reads: Vec<u32>,
    writes: Vec<u32>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let (Some(Ok(port)), Some(Ok(seconds))) = (arguments.next(), arguments.next()) else {
        return Err(Error::new(ErrorKind::InvalidInput, "usage: mix PORT SECONDS"));
    };
    let port = u16::try_from(port).map_err(Error::other)?;
    let mut waits = run(port, Duration::from_secs(seconds))?;
    let total = waits.reads.len() + waits.writes.len();
    let [read_p50, read_p99] = [50, 99].map(|percent| percentile(&mut waits.reads, percent));
    let [write_p50, write_p99] = [50, 99].map(|percent| percentile(&mut waits.writes, percent));
    let figures = format!(
        "{{\"requests\": {total}, \"seconds\": {seconds}, \"get_p50\": {read_p50}, \"get_p99\": \
         {read_p99}, \"set_p50\": {write_p50}, \"set_p99\": {write_p99}}}\n"
    );
    std::io::stdout().write_all(figures.as_bytes())
}

fn run(port: u16, duration: Duration) -> Result<Waits> {
    let mut poll = Poll::new()?;
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut clients = Vec::new();
    for index in 0..CONNECTIONS {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
        let mut client =
            Client { stream, asked: Instant::now(), writes: false, reply: VecDeque::new() };
        client.ask(&mut random)?;
        clients.push(client);
    }
    let mut waits = Waits::default();
    let mut events = Events::with_capacity(CONNECTIONS);
    let until = Instant::now() + duration;
    while Instant::now() < until {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        for event in &events {
            let Token(index) = event.token();
            if clients[index].is_answered()? {
                let client = &mut clients[index];
                let waited = u32::try_from(client.asked.elapsed().as_micros()).unwrap_or(u32::MAX);
                if client.writes { &mut waits.writes } else { &mut waits.reads }.push(waited);
                client.ask(&mut random)?;
            }
        }
    }
    Ok(waits)
}

impl Client {
    fn ask(&mut self, random: &mut u64) -> Result<()> {
        // Xorshift: what it is, is of no consequence here.
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let key = format!("key:{:016}", (*random >> 8) % KEYS);
        self.writes = (*random).is_multiple_of(5);
        let mut request = Vec::with_capacity(200);
        if self.writes {
            write!(request, "*3\r\n$3\r\nSET\r\n$20\r\n{key}\r\n$100\r\n")?;
            request.extend_from_slice(&VALUE);
            request.extend_from_slice(b"\r\n");
        } else {
            write!(request, "*2\r\n$3\r\nGET\r\n$20\r\n{key}\r\n")?;
        }
        self.asked = Instant::now();
        self.stream.write_all(&request)
    }

    /// Whether the whole reply has come: `+OK`, `$-1`, or a value.
    fn is_answered(&mut self) -> Result<bool> {
        let mut chunk = [0; 512];
        match self.stream.read(&mut chunk) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => self.reply.extend(&chunk[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        let length = match self.reply.make_contiguous() {
            [b'+' | b'$', b'O' | b'-', _, b'\r', b'\n'] => 5,
            [b'$', b'1', b'0', b'0', b'\r', b'\n', ..] => 108,
            [b'-', ..] => return Err(Error::other("the server answered an error")),
            _ => usize::MAX,
        };
        let whole = self.reply.len() == length;
        if whole {
            self.reply.clear();
        }
        Ok(whole)
    }
}

fn percentile(waits: &mut [u32], percent: usize) -> u32 {
    waits.sort_unstable();
    waits.get(waits.len() * percent / 100).or(waits.last()).copied().unwrap_or(0)
}
