//! A store on loopback that works until it is told to fail.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tuckbox::{Command, Db, Error, Options, Reply};
use tuckbox_resp::{Limits, Protocol, RequestParser, write_reply};

use crate::{
    browser::SOON,
    harness::{patient, start_with_sessions},
};

/// How long the app waits for a store that hangs.
const DEADLINE: Duration = Duration::from_secs(1);

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused with this error.
    Refused(&'static str),
    /// It is never answered.
    Hangs,
    /// The connection drops.
    Dropped,
    /// It is executed, and the connection drops before the reply.
    AppliedAndDropped,
    /// The same, and then all is well.
    AppliedAndDroppedOnce,
}

/// What a command of the app is for. The session layer's are scripts, which
/// their key and their arguments tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    ReadSession,
    /// To begin or change a session; to log in.
    SaveSession,
    EndSession,
    /// To add a login to its user's sessions.
    ListSession,
    ReadLessons,
    SaveLesson,
}

impl Purpose {
    /// All that works on one session.
    pub(crate) const SESSION: [Self; 3] = [Self::ReadSession, Self::SaveSession, Self::EndSession];

    fn of(command: &Command) -> Option<Self> {
        let word = |index| std::str::from_utf8(command.get(index).unwrap_or_default()).unwrap();
        let is_of = |index, prefix| word(index).starts_with(prefix);
        Some(match word(0) {
            "HGETALL" if is_of(1, "lessons:") => Self::ReadLessons,
            "HSET" if is_of(1, "lessons:") => Self::SaveLesson,
            // The script, the number of keys, the key, its arguments.
            "EVAL" | "EVALSHA" if is_of(3, "sessions:") => Self::ListSession,
            "EVAL" | "EVALSHA" if is_of(3, "session:") => match (word(4), word(5)) {
                ("new" | "use" | "renew" | "login", _) => Self::SaveSession,
                (_, "token" | "user" | "reuse") => Self::EndSession,
                _ => Self::ReadSession,
            },
            _ => return None,
        })
    }
}

/// A store that speaks RESP and keeps its data in memory.
pub(crate) struct FakeStore {
    /// What it holds, without faults.
    pub(crate) db: Db,
    port: u16,
    trouble: Arc<Mutex<Trouble>>,
}

/// What is wrong with the store.
#[derive(Default)]
struct Trouble {
    fault: Option<(Vec<Purpose>, Fault)>,
    /// How many commands the fault met.
    met: usize,
    /// How many bytes still pass, in both directions together.
    passing: Option<usize>,
}

impl Trouble {
    fn meets(&mut self, command: &Command) -> Option<Fault> {
        let purpose = Purpose::of(command)?;
        let (_, fault) = self.fault.as_ref().filter(|(all, _)| all.contains(&purpose))?;
        self.met += 1;
        Some(*fault)
    }

    /// How many of so many bytes still pass.
    fn pass(&mut self, bytes: usize) -> usize {
        let Some(left) = &mut self.passing else { return bytes };
        let passing = bytes.min(*left);
        *left -= passing;
        passing
    }
}

impl FakeStore {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let db = Db::open("memory:").await.unwrap();
        let trouble = Arc::<Mutex<Trouble>>::default();
        let store = Self { db: db.clone(), port, trouble: Arc::clone(&trouble) };
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tcp.set_nodelay(true).unwrap();
                tokio::spawn(serve(tcp, db.clone(), Arc::clone(&trouble)));
            }
        });
        store
    }

    /// A client of it, for the app.
    pub(crate) async fn client(&self, deadline: Duration) -> Db {
        let options = Options { deadline, connect_timeout: SOON, ..Options::default() };
        Db::open_with(&format!("redis://127.0.0.1:{}", self.port), options).await.unwrap()
    }

    /// Starts the app on it. The app waits for a second where the fault is that
    /// it waits in vain, else for as long as a slow machine needs.
    pub(crate) async fn app(&self, fault: Fault) -> SocketAddr {
        let deadline = if fault == Fault::Hangs { DEADLINE } else { SOON };
        let sessions = patient().deadline(deadline);
        start_with_sessions(self.client(deadline).await, sessions).await
    }

    /// From now on commands for one of these purposes fail.
    pub(crate) fn fail(&self, purposes: impl Into<Vec<Purpose>>, fault: Fault) {
        self.trouble.lock().unwrap().fault = Some((purposes.into(), fault));
    }

    /// So many bytes pass from now on, in both directions together. Then all
    /// connections are cut, and new ones at once.
    pub(crate) fn cut_after(&self, bytes: usize) {
        self.trouble.lock().unwrap().passing = Some(bytes);
    }

    /// How many commands met the fault since the last recovery.
    pub(crate) fn met(&self) -> usize {
        self.trouble.lock().unwrap().met
    }

    /// From now on all is well.
    pub(crate) fn recover(&self) {
        *self.trouble.lock().unwrap() = Trouble::default();
    }
}

async fn serve(mut tcp: TcpStream, db: Db, trouble: Arc<Mutex<Trouble>>) {
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut parser = RequestParser::new(Limits::REQUEST);
    loop {
        let before = input.len();
        // An error or nothing read means that the app hung up.
        if tcp.read_buf(&mut input).await.unwrap_or(0) == 0 {
            return;
        }
        let came = input.len() - before;
        let passed = trouble.lock().unwrap().pass(came);
        input.truncate(before + passed);
        while let Some(command) = parser.parse(&mut input).unwrap() {
            let fault = trouble.lock().unwrap().meets(&command);
            let reply = match fault {
                None => execute(&db, command).await,
                Some(Fault::Refused(error)) => Reply::error(error),
                Some(Fault::Hangs) => std::future::pending().await,
                Some(Fault::Dropped) => return,
                Some(Fault::AppliedAndDropped) => {
                    execute(&db, command).await;
                    return;
                }
                Some(Fault::AppliedAndDroppedOnce) => {
                    trouble.lock().unwrap().fault = None;
                    execute(&db, command).await;
                    return;
                }
            };
            write_reply(&reply, Protocol::Resp3, &mut output);
        }
        let leaves = output.len();
        output.truncate(trouble.lock().unwrap().pass(leaves));
        let cut = passed < came || output.len() < leaves;
        if tcp.write_all_buf(&mut output).await.is_err() || cut {
            return;
        }
    }
}

async fn execute(db: &Db, command: Command) -> Reply {
    if command.name() == b"HELLO" {
        return Reply::Map(vec![(Reply::bulk(b"proto"), Reply::Integer(3))]);
    }
    match db.call(command).await {
        Ok(reply) => reply,
        Err(Error::Reply(error)) => Reply::Error(error),
        Err(error) => panic!("{error}"),
    }
}
