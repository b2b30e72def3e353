//! Lambda's side of the runtime interface.

use std::{
    collections::{HashMap, VecDeque},
    io::BufReader,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::http::{self, Message};

/// Bounds every wait of a test: reached only when something is broken.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

/// Ends with the test's process.
pub(crate) struct Runtime {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    events: VecDeque<(String, String, Duration)>,
    /// What came for each invocation: its path's last part, and the message.
    outcomes: HashMap<String, (String, Message)>,
    invocations: usize,
    /// Calls of `next` that wait.
    waiting: usize,
    init_error: Option<Message>,
    registered: Option<Message>,
    extension_ready: bool,
}

/// How an invocation ended.
pub(crate) struct Outcome {
    pub(crate) request_id: String,
    message: Message,
}

impl Runtime {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            for tcp in listener.incoming() {
                let shared = Arc::clone(&theirs);
                thread::spawn(move || shared.serve(tcp.unwrap()));
            }
        });
        Self { address, shared }
    }

    /// Queues an event; returns its request id.
    pub(crate) fn push(&self, event: &str) -> String {
        self.push_with_deadline(event, SOON)
    }

    pub(crate) fn push_with_deadline(&self, event: &str, deadline: Duration) -> String {
        let mut state = self.shared.lock();
        state.invocations += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", state.invocations);
        state.events.push_back((id.clone(), event.to_owned(), deadline));
        self.shared.changed.notify_all();
        id
    }

    pub(crate) fn outcome(&self, request_id: String) -> Outcome {
        let mut state = self.shared.wait(|state| state.outcomes.contains_key(&request_id));
        let (kind, message) = state.outcomes.remove(&request_id).unwrap();
        assert_eq!(kind, "response", "{}", String::from_utf8_lossy(&message.body));
        Outcome { request_id, message }
    }

    pub(crate) fn invoke(&self, event: &str) -> Outcome {
        self.outcome(self.push(event))
    }

    /// Waits until as many calls wait for an event.
    pub(crate) fn is_asked_by(&self, calls: usize) {
        drop(self.shared.wait(|state| state.waiting == calls && state.events.is_empty()));
    }

    pub(crate) fn init_error(&self) -> Value {
        let state = self.shared.wait(|state| state.init_error.is_some());
        serde_json::from_slice(&state.init_error.as_ref().unwrap().body).unwrap()
    }

    /// The name under which the function registered an extension that is ready.
    pub(crate) fn extension(&self) -> String {
        let state = self.shared.wait(|state| state.extension_ready);
        let message = state.registered.as_ref().unwrap();
        assert_eq!(message.body, br#"{"events":[]}"#);
        message.header("lambda-extension-name").unwrap().to_owned()
    }
}

impl Outcome {
    /// The response as JSON, if it is in one piece.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.message.header("lambda-runtime-function-response-mode"), None);
        serde_json::from_slice(&self.message.body).unwrap()
    }

    /// The head and the body of a streamed response.
    pub(crate) fn streamed(&self) -> (Value, Vec<u8>) {
        let mode = self.message.header("lambda-runtime-function-response-mode");
        assert_eq!(mode, Some("streaming"));
        let body = &self.message.body;
        let at = body.windows(8).position(|eight| eight == [0; 8]).unwrap();
        (serde_json::from_slice(&body[..at]).unwrap(), body[at + 8..].to_vec())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wait(&self, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let began = Instant::now();
        let mut state = self.lock();
        while !until(&state) {
            let left = SOON.checked_sub(began.elapsed()).expect("the function is silent");
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
        state
    }

    fn serve(&self, tcp: TcpStream) {
        let mut reader = BufReader::new(tcp.try_clone().unwrap());
        while let Some(message) = http::read(&mut reader) {
            let line = message.line.clone();
            match line.as_str() {
                "GET /2018-06-01/runtime/invocation/next" => self.next(&tcp),
                "POST /2018-06-01/runtime/init/error" => {
                    self.change(|state| state.init_error = Some(message));
                    http::answer(&tcp, 202, "", b"");
                }
                "POST /2020-01-01/extension/register" => {
                    self.change(|state| state.registered = Some(message));
                    http::answer(&tcp, 200, "lambda-extension-identifier: e-1\r\n", b"{}");
                }
                "GET /2020-01-01/extension/event/next" => {
                    assert_eq!(message.header("lambda-extension-identifier"), Some("e-1"));
                    self.change(|state| state.extension_ready = true);
                    // No event ever comes.
                }
                _ => {
                    let path = line.strip_prefix("POST /2018-06-01/runtime/invocation/").unwrap();
                    let (id, kind) = path.split_once('/').unwrap();
                    let outcome = (kind.to_owned(), message);
                    self.change(|state| state.outcomes.insert(id.to_owned(), outcome));
                    http::answer(&tcp, 202, "", b"");
                }
            }
        }
    }

    fn next(&self, tcp: &TcpStream) {
        self.change(|state| state.waiting += 1);
        let mut state = self.lock();
        let (id, event, deadline) = loop {
            match state.events.pop_front() {
                Some(event) => break event,
                // Until the test's process ends.
                None => state = self.changed.wait(state).unwrap(),
            }
        };
        state.waiting -= 1;
        drop(state);
        self.changed.notify_all();
        let head = format!(
            "content-type: application/json\r\nlambda-runtime-aws-request-id: {id}\r\n\
             lambda-runtime-deadline-ms: {}\r\nlambda-runtime-invoked-function-arn: arn:x\r\n\
             lambda-runtime-trace-id: Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=0\r\n",
            since_1970().saturating_add(deadline).as_millis()
        );
        http::answer(tcp, 200, &head, event.as_bytes());
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

#[expect(clippy::disallowed_methods, reason = "deadlines of Lambda are times of day")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
