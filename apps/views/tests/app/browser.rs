//! A browser as far as these tests need one: HTTP/1.1 and the session's cookie.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// Bounds every wait of a test: reached only when something is broken.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// One person's browser. A clone is another tab: it has the same cookie.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) port: u16,
    /// Name and value, once the app has set it.
    pub(crate) cookie: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new(port: u16) -> Self {
        Self { port, cookie: None }
    }

    /// One request on a connection of its own.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        let mut tcp = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        tcp.set_read_timeout(Some(SOON)).unwrap();
        let cookie =
            self.cookie.as_ref().map_or(String::new(), |pair| format!("cookie: {pair}\r\n"));
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{cookie}\r\n");
        tcp.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        tcp.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head[9..12].parse().unwrap();
        let answer = Answer { status, head: head.to_owned(), body: body.to_owned() };
        if let Some(set) = answer.header("set-cookie") {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        answer
    }

    /// Asserts which view of the page this one is.
    #[track_caller]
    pub(crate) fn assert_view(&mut self, page: &str, number: u32) {
        let answer = self.get(page);
        let text = format!("you viewed this page {number} times");
        assert_eq!((answer.status, answer.body.as_str()), (200, text.as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

impl Answer {
    /// The header's value; it must not have come twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = values.next();
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value.map(|(_, value)| value)
    }
}
