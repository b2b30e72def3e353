//! As much of HTTP as a test's server needs.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

#[derive(Debug)]
pub(crate) struct Message {
    /// `GET /path`.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads one request; nothing if the client left.
pub(crate) fn read(tcp: &mut BufReader<TcpStream>) -> Option<Message> {
    let line = line(tcp)?;
    let line = line.rsplit_once(' ')?.0.to_owned();
    let mut headers = Vec::new();
    loop {
        let text = self::line(tcp)?;
        let Some((name, value)) = text.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut message = Message { line, headers, body: Vec::new() };
    if message.header("transfer-encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(&self::line(tcp)?, 16).ok()?;
            if size == 0 {
                while !self::line(tcp)?.is_empty() {}
                break;
            }
            let begin = message.body.len();
            message.body.resize(begin + size, 0);
            tcp.read_exact(&mut message.body[begin..]).ok()?;
            self::line(tcp)?;
        }
    } else {
        let length = message.header("content-length").map_or(0, |text| text.parse().unwrap());
        message.body.resize(length, 0);
        tcp.read_exact(&mut message.body).ok()?;
    }
    Some(message)
}

fn line(tcp: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    (tcp.read_line(&mut text).ok()? > 0).then(|| text.trim_end().to_owned())
}

/// Answers; `head` holds whole header lines. A client that has left is not told.
pub(crate) fn answer(mut tcp: &TcpStream, status: u16, head: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\n{head}content-length: {length}\r\n\r\n");
    let _ = tcp.write_all(head.as_bytes()).and_then(|()| tcp.write_all(body));
}
