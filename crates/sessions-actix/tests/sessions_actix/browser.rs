//! A browser that visits a server over its socket.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::app::Server;

/// Keeps the cookie that the application sets, as a browser does.
#[derive(Clone)]
pub(crate) struct Browser {
    address: SocketAddr,
    pub(crate) cookie: Option<String>,
    /// Further headers, each with its line end.
    pub(crate) headers: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Visit {
    /// The values of all headers called `name`.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(at, _)| at.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The only `Set-Cookie` header, if there is one.
    pub(crate) fn set_cookie(&self) -> Option<&str> {
        let all = self.headers("set-cookie");
        assert!(all.len() < 2, "several cookies");
        all.first().copied()
    }
}

impl Browser {
    pub(crate) fn new(server: &Server) -> Self {
        Self { address: server.address, cookie: None, headers: String::new() }
    }

    /// A browser with a session in which `user` is logged in.
    pub(crate) async fn logged_in(server: &Server, user: &str) -> Self {
        let mut browser = Self::new(server);
        assert_eq!(browser.body(&format!("/login/{user}")).await, format!("welcome, {user}"));
        assert!(browser.cookie.is_some());
        browser
    }

    pub(crate) async fn visit(&mut self, path: &str) -> Visit {
        let visit = self.begin(path).await.end().await;
        if let Some(cookie) = visit.set_cookie() {
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let removed = attributes.contains("Max-Age=0;");
            self.cookie = (!removed).then(|| pair.to_owned());
        }
        visit
    }

    pub(crate) async fn body(&mut self, path: &str) -> String {
        let visit = self.visit(path).await;
        assert_eq!(visit.status, 200, "{path}");
        visit.body
    }

    /// Sends a request and waits until the response's head is there.
    pub(crate) async fn begin(&self, path: &str) -> Begun {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: {cookie}\r\n"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{}{}\r\n",
            cookie.unwrap_or_default(),
            self.headers
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut received = Vec::new();
        loop {
            if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                let body = received.split_off(at + 4);
                return Begun { socket, head: String::from_utf8(received).unwrap(), body };
            }
            assert_ne!(socket.read_buf(&mut received).await.unwrap(), 0, "no response");
        }
    }
}

/// A response whose body may not have come yet.
pub(crate) struct Begun {
    socket: TcpStream,
    head: String,
    body: Vec<u8>,
}

impl Begun {
    /// Waits for the rest of it. A chunked body is left in its chunks.
    pub(crate) async fn end(mut self) -> Visit {
        self.socket.read_to_end(&mut self.body).await.unwrap();
        let status = self.head.split(' ').nth(1).unwrap().parse().unwrap();
        Visit { status, head: self.head, body: String::from_utf8(self.body).unwrap() }
    }
}
