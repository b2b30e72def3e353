//! A server on a free port, and a client that speaks bytes.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::Router;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tracing::subscriber::DefaultGuard;
use tuckbox_serve::{Config, Log, Server, Stopped};

/// Bounds every wait of a test: reached only when something is broken.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Stopped>,
    log: Log,
    written: Written,
    _events: DefaultGuard,
}

/// Starts a server with an access log, and sends this thread's events to the same log.
pub(crate) async fn start(router: Router, config: Config) -> Running {
    start_server(Server::new(router, config.clone()), config).await
}

pub(crate) async fn start_server(server: Server, config: Config) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let written = Written::default();
    let log = Log::to(written.clone(), &config).unwrap();
    let events = tracing::subscriber::set_default(log.subscriber());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = server.log(log.clone());
    let task = tokio::spawn(async move {
        server
            .run(listener, async {
                let _ = stopped.await;
            })
            .await
    });
    Running { address, stop: Some(stop), task, log, written, _events: events }
}

impl Running {
    pub(crate) async fn connect(&self) -> Client {
        let tcp = timeout(SOON, TcpStream::connect(self.address)).await.unwrap().unwrap();
        Client { tcp, received: Vec::new() }
    }

    /// Sends one request on a connection of its own.
    pub(crate) async fn request(&self, text: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(text).await;
        client.answer().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await
    }

    pub(crate) fn begin_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits until no more connections are accepted.
    pub(crate) async fn refuses_connections(&self) {
        let refused = async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, refused).await.expect("connections are still accepted");
    }

    pub(crate) async fn stopped(self) -> Stopped {
        timeout(SOON, self.task).await.unwrap().unwrap()
    }

    /// The log's lines so far.
    pub(crate) fn text(&self) -> String {
        assert!(self.log.flush(SOON));
        String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap()
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Lines whose field `name` is `value`, as soon as there is one. An access line is written
    /// when its response has been handed to the system, which the client may see before.
    pub(crate) async fn lines_with(&self, name: &str, value: &str) -> Vec<Value> {
        for _ in 0..2000 {
            let found: Vec<Value> =
                self.lines().into_iter().filter(|line| line[name] == value).collect();
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no line has {name}={value}:\n{}", self.text());
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut *self.0.lock().unwrap(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) struct Client {
    tcp: TcpStream,
    received: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn id(&self) -> &str {
        self.header("x-request-id").expect("every answer has an id")
    }

    /// Asserts that this is an error in the common form, with the answer's own id.
    pub(crate) fn assert_problem(&self, status: u16, message: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let expected = format!("{{\"Message\":\"{message}\",\"RequestId\":\"{}\"}}", self.id());
        assert_eq!(self.body, expected);
        assert_eq!(self.header("content-type"), Some("application/json"));
    }
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        timeout(SOON, self.tcp.write_all(text.as_bytes())).await.unwrap().unwrap();
    }

    /// Sends what may be refused midway.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(SOON, self.tcp.write_all(bytes)).await.unwrap()
    }

    /// Reads one answer with a content-length.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = loop {
            if let Some(at) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.received.split_off(at + 4);
                let head = std::mem::replace(&mut self.received, rest);
                break String::from_utf8(head).unwrap();
            }
            assert!(self.read().await, "closed before an answer");
        };
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        let length: usize = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
        while self.received.len() < length {
            assert!(self.read().await, "closed within an answer");
        }
        let rest = self.received.split_off(length);
        let body = std::mem::replace(&mut self.received, rest);
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    /// Reads until the server closes; returns what came.
    pub(crate) async fn until_closed(&mut self) -> Vec<u8> {
        while self.read().await {}
        std::mem::take(&mut self.received)
    }

    async fn read(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match timeout(SOON, self.tcp.read(&mut buffer)).await.expect("the server is silent") {
            Ok(0) => false,
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                true
            }
            // A connection that is cut may end so.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Client {
    /// The status of an answer that may have no length.
    pub(crate) async fn answer_status(&mut self) -> u16 {
        while self.received.len() < 12 {
            assert!(self.read().await, "closed before an answer");
        }
        std::str::from_utf8(&self.received[9..12]).unwrap().parse().unwrap()
    }
}
