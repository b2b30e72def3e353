//! A store on loopback that works until it is told to fail.

use std::{
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
}

/// A command by its name and the first letters of its key.
type Target = (&'static str, &'static str);

/// A store that speaks RESP and keeps its data in memory.
pub(crate) struct FakeStore {
    /// What it holds, without faults.
    pub(crate) db: Db,
    port: u16,
    fault: Arc<Mutex<Option<(Target, Fault)>>>,
}

impl FakeStore {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let db = Db::open("memory:").await.unwrap();
        let fault = Arc::new(Mutex::new(None));
        let store = Self { db: db.clone(), port, fault: Arc::clone(&fault) };
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(tcp, db.clone(), Arc::clone(&fault)));
            }
        });
        store
    }

    /// A client of it, for the app. It waits for a second where the fault is
    /// that it waits in vain, else for as long as a slow machine needs.
    pub(crate) async fn client(&self, fault: Fault) -> Db {
        let patience = Duration::from_secs(30);
        let deadline = if fault == Fault::Hangs { DEADLINE } else { patience };
        let options = Options { deadline, connect_timeout: patience, ..Options::default() };
        Db::open_with(&format!("redis://127.0.0.1:{}", self.port), options).await.unwrap()
    }

    /// From now on commands called `name` on keys that begin with `prefix` fail.
    pub(crate) fn fail(&self, name: &'static str, prefix: &'static str, fault: Fault) {
        *self.fault.lock().unwrap() = Some(((name, prefix), fault));
    }

    /// From now on all is well.
    pub(crate) fn recover(&self) {
        *self.fault.lock().unwrap() = None;
    }
}

async fn serve(mut tcp: TcpStream, db: Db, fault: Arc<Mutex<Option<(Target, Fault)>>>) {
    let (mut input, mut output) = (BytesMut::new(), BytesMut::new());
    let mut parser = RequestParser::new(Limits::REQUEST);
    loop {
        while let Some(command) = parser.parse(&mut input).unwrap() {
            let fault = fault.lock().unwrap().filter(|(target, _)| is_hit(&command, *target));
            let reply = match fault.map(|(_, fault)| fault) {
                None => execute(&db, command).await,
                Some(Fault::Refused(error)) => Reply::error(error),
                Some(Fault::Hangs) => std::future::pending().await,
                Some(Fault::Dropped) => return,
                Some(Fault::AppliedAndDropped) => {
                    execute(&db, command).await;
                    return;
                }
            };
            write_reply(&reply, Protocol::Resp3, &mut output);
        }
        // An error or nothing read means that the app hung up.
        if tcp.write_all_buf(&mut output).await.is_err()
            || tcp.read_buf(&mut input).await.unwrap_or(0) == 0
        {
            return;
        }
    }
}

fn is_hit(command: &Command, (name, prefix): Target) -> bool {
    command.name().eq_ignore_ascii_case(name.as_bytes())
        && command.get(1).is_some_and(|key| key.starts_with(prefix.as_bytes()))
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
