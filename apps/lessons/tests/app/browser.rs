//! A browser as far as these tests need one: HTTP/1.1 and a cookie jar.

use std::{collections::BTreeMap, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Bounds every wait of a test: reached only when something is broken.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// One person's browser. A clone starts with the same cookies.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) address: SocketAddr,
    pub(crate) cookies: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, cookies: BTreeMap::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.request(&format!("GET {path} HTTP/1.1\r\n"), "").await
    }

    pub(crate) async fn post(&mut self, path: &str, form: &str) -> Answer {
        let head =
            format!("POST {path} HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n");
        self.request(&head, form).await
    }

    /// Logs in as the tutorial does.
    pub(crate) async fn log_in(&mut self, user: &str) -> Answer {
        let answer = self.get(&format!("/login?userId={user}")).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer
    }

    pub(crate) async fn mark(&mut self, slug: &str) -> Answer {
        self.post(&format!("/lessons/{slug}/mark-complete"), "").await
    }

    /// The list of completed lessons as it came.
    pub(crate) async fn list(&mut self) -> String {
        let answer = self.get("/lessons/completed").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Asserts that the app takes this browser for a stranger.
    pub(crate) async fn assert_logged_out(&mut self) {
        self.get("/lessons/completed").await.assert(403, "{}");
    }

    /// Sends the request line and headers in `head`, with the cookies, on a
    /// connection of its own.
    pub(crate) async fn request(&mut self, head: &str, body: &str) -> Answer {
        let mut request = format!("{head}host: localhost\r\nconnection: close\r\n");
        if !self.cookies.is_empty() {
            let pairs: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request += &format!("cookie: {}\r\n", pairs.join("; "));
        }
        request += &format!("content-length: {}\r\n\r\n{body}", body.len());
        let answer = timeout(SOON, exchange(self.address, request.as_bytes()))
            .await
            .expect("the app is silent")
            .unwrap();
        self.keep_cookies(&answer);
        answer
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for cookie in answer.headers("set-cookie") {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

async fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(request).await?;
    let mut received = Vec::new();
    tcp.read_to_end(&mut received).await?;
    let text = String::from_utf8(received).map_err(io::Error::other)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.get(9..12).and_then(|digits| digits.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

impl Answer {
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// The header's value; it must have come once.
    pub(crate) fn header(&self, name: &str) -> &str {
        let values = self.headers(name);
        assert_eq!(values.len(), 1, "{name} in {self:?}");
        values[0]
    }

    /// Asserts a JSON answer, byte for byte.
    #[track_caller]
    pub(crate) fn assert(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body));
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("cache-control"), "no-store");
    }

    /// Asserts a redirect after a POST or a login.
    #[track_caller]
    pub(crate) fn assert_redirects_to(&self, place: &str) {
        assert_eq!((self.status, self.header("location")), (303, place));
    }

    /// Asserts that the page says `message` to people with and without sight.
    #[track_caller]
    pub(crate) fn assert_alert(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let alert = format!(r#"<p class="error" id="error" role="alert">{message}</p>"#);
        assert!(self.body.contains(&alert), "no {alert} in {}", self.body);
        assert!(self.body.contains("<title>Error: Lessons</title>"), "{}", self.body);
    }
}
