//! AWS's extension, as far as a program sees it.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use tuckbox_serve::secret::Secret;

pub(crate) const TOKEN: &str = "session-token-of-the-sandbox";

/// Answers every question with what the test has set. Ends with the test's process.
pub(crate) struct Extension {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    /// Nothing: it does not answer.
    answer: Option<(u16, String)>,
    questions: Vec<String>,
    /// Connections that get no answer stay open.
    _held: Vec<TcpStream>,
}

impl Extension {
    pub(crate) fn start(value: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared { answer: None, questions: Vec::new(), _held: Vec::new() };
        let shared = Arc::new(Mutex::new(shared));
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for tcp in listener.incoming() {
                serve(tcp.unwrap(), &theirs);
            }
        });
        let extension = Self { port, shared };
        extension.set_value(value);
        extension
    }

    pub(crate) fn set_value(&self, value: &str) {
        let answer = serde_json::json!({
            "Parameter": {"Name": "/lessons/redis-url", "Type": "SecureString", "Value": value,
                "Version": 1},
            "ResultMetadata": {},
        });
        self.set(200, &answer.to_string());
    }

    pub(crate) fn set(&self, status: u16, body: &str) {
        self.shared.lock().unwrap().answer = Some((status, body.to_owned()));
    }

    pub(crate) fn be_silent(&self) {
        self.shared.lock().unwrap().answer = None;
    }

    pub(crate) fn questions(&self) -> Vec<String> {
        self.shared.lock().unwrap().questions.clone()
    }

    /// The secret that this extension holds.
    pub(crate) fn secret(&self) -> Secret {
        let port = self.port.to_string();
        let lookup = |name: &str| match name {
            "REDIS_URL_SSM_PARAMETER" => Some("/lessons/redis-url".to_owned()),
            "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT" => Some(port.clone()),
            "AWS_SESSION_TOKEN" => Some(TOKEN.to_owned()),
            _ => None,
        };
        Secret::from_lookup("REDIS_URL", lookup).unwrap().unwrap()
    }
}

fn serve(mut tcp: TcpStream, shared: &Mutex<Shared>) {
    let mut question = String::new();
    let mut reader = BufReader::new(tcp.try_clone().unwrap());
    while !question.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut question).unwrap(), 0, "{question}");
    }
    let mut shared = shared.lock().unwrap();
    shared.questions.push(question);
    match shared.answer.clone() {
        Some((status, body)) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n");
            tcp.write_all((head + &body).as_bytes()).unwrap();
        }
        None => shared._held.push(tcp),
    }
}
