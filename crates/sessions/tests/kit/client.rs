//! A browser as far as these tests need one: HTTP/1.1 and the session's cookie.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// Bounds every wait of a test: reached only when something is broken.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// One person's browser. A clone is another tab: it has the same cookie.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    /// Host and port.
    server: String,
    /// Name and value, once the server has set it.
    pub(crate) cookie: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new(server: impl Into<String>) -> Self {
        Self { server: server.into(), cookie: None }
    }

    /// The same browser before another instance of the server.
    pub(crate) fn before(&self, server: impl Into<String>) -> Self {
        Self { server: server.into(), cookie: self.cookie.clone() }
    }

    /// One request on a connection of its own; takes the cookie that comes back.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    /// [`get`](Self::get) with more header lines, each with its line end.
    pub(crate) fn get_with(&mut self, path: &str, headers: &str) -> Answer {
        let cookie =
            self.cookie.as_ref().map_or(String::new(), |pair| format!("cookie: {pair}\r\n"));
        let answer = self.send(path, format!("{cookie}{headers}").as_bytes()).unwrap();
        if let Some(set) = answer.set_cookie() {
            let pair = set.split(';').next().unwrap();
            let removed = pair.ends_with('=') || set.to_lowercase().contains("max-age=0");
            self.cookie = (!removed).then(|| pair.to_owned());
        }
        answer
    }

    /// Sends these header lines and takes no cookie.
    pub(crate) fn send(&self, path: &str, headers: &[u8]) -> io::Result<Answer> {
        let mut tcp = TcpStream::connect(&self.server)?;
        tcp.set_read_timeout(Some(SOON))?;
        let host = &self.server;
        let mut head =
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n").into_bytes();
        head.extend_from_slice(headers);
        head.extend_from_slice(b"\r\n");
        tcp.write_all(&head)?;
        let mut text = Vec::new();
        tcp.read_to_end(&mut text)?;
        Answer::parse(&String::from_utf8_lossy(&text)).ok_or(io::ErrorKind::InvalidData.into())
    }

    /// The body of an answer that must be a success.
    #[track_caller]
    pub(crate) fn text(&mut self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// What `/read` shows.
    #[track_caller]
    pub(crate) fn values(&mut self) -> Value {
        serde_json::from_str(&self.text("/read")).unwrap()
    }

    /// A browser that has logged in.
    #[track_caller]
    pub(crate) fn logged_in(server: impl Into<String>, user: &str) -> Self {
        let mut browser = Self::new(server);
        assert_eq!(browser.text(&format!("/login?user={user}")), user);
        assert!(browser.cookie.is_some());
        browser
    }
}

impl Answer {
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.get(9..12)?.parse().ok()?;
        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { dechunked(body)? } else { body.to_owned() };
        Some(Self { status, head: head.to_owned(), body })
    }

    /// The header's value; it must not have come twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = values.next();
        assert!(values.next().is_none(), "{name} twice in {self:?}");
        value.map(|(_, value)| value)
    }

    pub(crate) fn set_cookie(&self) -> Option<&str> {
        self.header("set-cookie")
    }

    /// Asserts what a client gets while the store is in trouble.
    #[track_caller]
    pub(crate) fn assert_unavailable(&self) {
        assert_eq!(self.status, 503, "{self:?}");
        assert_eq!(self.header("retry-after"), Some("1"), "{self:?}");
        assert_eq!(self.set_cookie(), None, "{self:?}");
    }
}

fn dechunked(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(after.get(..size)?);
        rest = after.get(size + 2..)?;
    }
}
