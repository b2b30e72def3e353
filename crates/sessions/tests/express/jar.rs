//! A cookie jar, and the services that it is carried to.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use http::{
    Request,
    header::{COOKIE, SET_COOKIE},
};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tower::ServiceExt as _;
use tuckbox_sessions::{SessionError, express::SidSecrets};

/// Bounds every wait of a test: reached only when something is broken.
const SOON: Duration = Duration::from_secs(30);

/// Where a request goes.
#[derive(Clone)]
pub(crate) enum Service {
    /// To the process that listens on this port.
    Express(u16),
    Ours(Router),
}

/// The session's cookie, as one browser keeps it. A clone is another tab.
#[derive(Clone, Default)]
pub(crate) struct Jar {
    /// Name and value.
    pub(crate) cookie: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The `Set-Cookie` header.
    pub(crate) set_cookie: Option<String>,
    /// The body, if it is JSON.
    pub(crate) body: Value,
    /// Why ours answered with an error.
    pub(crate) error: Option<SessionError>,
}

impl Service {
    /// A request with this `Cookie` header.
    pub(crate) async fn send(&self, path: &str, cookie: Option<&str>) -> Answer {
        match self {
            Self::Express(port) => {
                let (port, path, cookie) = (*port, path.to_owned(), cookie.map(str::to_owned));
                spawn_blocking(move || over_tcp(port, &path, cookie)).await.unwrap()
            }
            Self::Ours(router) => in_process(router.clone(), path, cookie).await,
        }
    }

    /// Waits until Express holds a request that gave this name.
    pub(crate) async fn holds(&self, name: &str) {
        let end = Instant::now() + SOON;
        while self.send(&format!("/held?hold={name}"), None).await.body != true {
            assert!(Instant::now() < end, "Express never held {name}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(crate) async fn release(&self, name: &str) {
        assert_eq!(self.send(&format!("/release?hold={name}"), None).await.status, 200);
    }
}

impl Jar {
    pub(crate) async fn get(&mut self, service: &Service, path: &str) -> Answer {
        let answer = service.send(path, self.cookie.as_deref()).await;
        if let Some(set) = &answer.set_cookie {
            let removed = set.contains("Max-Age=0") || set.contains("Expires=Thu, 01 Jan 1970");
            self.cookie = (!removed).then(|| set.split(';').next().unwrap().to_owned());
        }
        answer
    }

    /// The body of an answer that must be a success.
    pub(crate) async fn ok(&mut self, service: &Service, path: &str) -> Value {
        let answer = self.get(service, path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// All values of the session, as the service sees them.
    pub(crate) async fn read(&mut self, service: &Service) -> Value {
        self.ok(service, "/read").await
    }

    pub(crate) async fn set(&mut self, service: &Service, key: &str, value: &Value) {
        self.ok(service, &set(key, value)).await;
    }

    /// Who is logged in, as ours sees it.
    pub(crate) async fn user(&mut self, ours: &Service) -> Value {
        self.ok(ours, "/user").await
    }

    /// The key of the cookie's session at Redis. For cookies signed by "new",
    /// "old" or the usual secret.
    pub(crate) fn key(&self) -> String {
        let secrets = SidSecrets::new([crate::services::SECRET, "new", "old"]).unwrap();
        let value = self.cookie.as_deref().unwrap().strip_prefix("connect.sid=").unwrap();
        let sid = secrets.read(value.as_bytes()).unwrap();
        format!("sess:{}", std::str::from_utf8(sid.as_bytes()).unwrap())
    }
}

/// The path that sets a value.
pub(crate) fn set(key: &str, value: &Value) -> String {
    format!("/set?key={}&value={}", encoded(key), encoded(&value.to_string()))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn in_process(router: Router, path: &str, cookie: Option<&str>) -> Answer {
    let mut request = Request::builder().uri(path);
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, cookie);
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut cookies = parts.headers.get_all(SET_COOKIE).iter();
    let set_cookie = cookies.next().map(|cookie| cookie.to_str().unwrap().to_owned());
    assert!(cookies.next().is_none(), "several cookies");
    Answer {
        status: parts.status.as_u16(),
        set_cookie,
        body: serde_json::from_slice(&body).unwrap_or_default(),
        error: parts.extensions.get().cloned(),
    }
}

fn over_tcp(port: u16, path: &str, cookie: Option<String>) -> Answer {
    let mut tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    tcp.set_read_timeout(Some(SOON)).unwrap();
    let cookie = cookie.map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n{cookie}\r\n"
    );
    tcp.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    let mut cookies = headers.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let set_cookie = cookies.next().map(|(_, value)| value.to_owned());
    assert!(cookies.next().is_none(), "several cookies: {head}");
    Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        set_cookie,
        body: serde_json::from_str(body).unwrap_or_default(),
        error: None,
    }
}
