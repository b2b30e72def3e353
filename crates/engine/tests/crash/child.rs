//! An engine in a process of its own that can be killed.
//!
//! The child is this test binary again, running [`serve_as_the_child`] alone. It
//! opens the engine and serves RESP on a socket, each connection in a thread:
//! whatever came in at once is executed, then made durable, then answered.

use std::{
    io::{Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tuckbox_engine::{Clock, Connection, Engine, Options, Position, SystemClock};
use tuckbox_resp::{Command, Limits, Protocol, Reply, RequestParser, cmd, write_reply};

use crate::{disk::Disk, link::Link, trace::Marks, writer::is_refusal};

/// How the child's engine is to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) memory_limit: usize,
    /// Of values that are too large to be kept as one.
    pub(crate) part_bytes: usize,
    pub(crate) log_segment_bytes: u64,
    pub(crate) checkpoint_log_bytes: u64,
    pub(crate) checkpoint_interval_ms: u64,
}

impl Settings {
    /// No checkpoint by itself, everything in memory.
    pub(crate) const LOG_ONLY: Self = Self {
        memory_limit: usize::MAX,
        part_bytes: 1920,
        log_segment_bytes: 16 << 20,
        checkpoint_log_bytes: u64::MAX,
        checkpoint_interval_ms: 3_600_000,
    };

    fn to_text(self) -> String {
        let numbers = [
            self.memory_limit as u64,
            self.part_bytes as u64,
            self.log_segment_bytes,
            self.checkpoint_log_bytes,
            self.checkpoint_interval_ms,
        ];
        numbers.map(|number| number.to_string()).join(" ")
    }

    fn from_text(text: &str) -> Self {
        let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
        Self {
            memory_limit: numbers[0] as usize,
            part_bytes: numbers[1] as usize,
            log_segment_bytes: numbers[2],
            checkpoint_log_bytes: numbers[3],
            checkpoint_interval_ms: numbers[4],
        }
    }

    fn options(self, clock: Arc<dyn Clock>) -> Options {
        Options {
            memory_limit: self.memory_limit,
            part_bytes: self.part_bytes,
            log_segment_bytes: self.log_segment_bytes,
            checkpoint_log_bytes: self.checkpoint_log_bytes,
            checkpoint_interval_ms: self.checkpoint_interval_ms,
            clock,
            ..Options::default()
        }
    }
}

/// The child as its parent sees it. Dropping it kills it.
pub(crate) struct Child {
    process: std::process::Child,
    control: UnixStream,
    socket: PathBuf,
    _sockets: tempfile::TempDir,
}

impl Child {
    /// Starts a child that opens `dir`, and does not wait for it.
    pub(crate) fn start(dir: &Path, settings: Settings) -> Self {
        Self::start_on(None, dir, settings)
    }

    /// The same, on a disk that is watched.
    pub(crate) fn start_on(disk: Option<&Disk>, dir: &Path, settings: Settings) -> Self {
        let sockets = tempfile::tempdir().unwrap();
        let socket = sockets.path().join("socket");
        let (control, theirs) = UnixStream::pair().unwrap();
        let mut process = Process::new(std::env::current_exe().unwrap());
        if let Some(disk) = disk {
            disk.slip_under(&mut process);
        }
        let process = process
            .args(["--exact", "child::serve_as_the_child", "--ignored", "--nocapture", "-q"])
            .env("TUCKBOX_CRASH_DIR", dir)
            .env("TUCKBOX_CRASH_SOCKET", &socket)
            .env("TUCKBOX_CRASH_SETTINGS", settings.to_text())
            .stdin(OwnedFd::from(theirs))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, control, socket, _sockets: sockets }
    }

    /// Starts a child and waits until its engine is open.
    pub(crate) fn open(dir: &Path, settings: Settings) -> Self {
        Self::open_on(None, dir, settings)
    }

    /// The same, on a disk that is watched.
    pub(crate) fn open_on(disk: Option<&Disk>, dir: &Path, settings: Settings) -> Self {
        let mut child = Self::start_on(disk, dir, settings);
        child.wait_open().unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        child
    }

    /// Waits until the engine is open, or says why it did not open.
    pub(crate) fn wait_open(&mut self) -> Result<(), String> {
        let mut told = [0; 1];
        match self.control.read_exact(&mut told) {
            Ok(()) if told == *b"+" => Ok(()),
            _ => {
                let mut error = String::new();
                _ = self.control.read_to_string(&mut error);
                Err(format!("the child did not open its engine: {error}"))
            }
        }
    }

    /// A connection to the open engine.
    pub(crate) fn connect(&self) -> Link {
        self.connector().connect().expect("the child listens")
    }

    /// What makes connections while the child may be dying.
    pub(crate) fn connector(&self) -> Connector {
        Connector(self.socket.clone())
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(&mut self) {
        // One that is gone already cannot be killed, and need not be.
        _ = self.process.kill();
        self.process.wait().unwrap();
    }

    /// Waits until the process is gone, at most for `patience`; returns whether
    /// it is.
    pub(crate) fn wait_dead(&mut self, patience: Duration) -> bool {
        let started = Instant::now();
        while self.process.try_wait().unwrap().is_none() {
            if started.elapsed() > patience {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn wait(&mut self) {
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Makes connections to a child.
pub(crate) struct Connector(PathBuf);

impl Connector {
    /// `None` when the child is gone.
    pub(crate) fn connect(&self) -> Option<Link> {
        UnixStream::connect(&self.0).ok().map(Link::new)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// The system's clock, which can be stopped.
#[derive(Debug, Default)]
struct Stopwatch {
    clock: SystemClock,
    stopped_at: AtomicU64,
}

impl Clock for Stopwatch {
    fn now_ms(&self) -> u64 {
        match self.stopped_at.load(Ordering::SeqCst) {
            0 => self.clock.now_ms(),
            at => at,
        }
    }
}

#[test]
#[ignore = "the other tests start it as their child process"]
fn serve_as_the_child() {
    let Some(dir) = std::env::var_os("TUCKBOX_CRASH_DIR") else { return };
    let socket = std::env::var_os("TUCKBOX_CRASH_SOCKET").unwrap();
    let settings = Settings::from_text(&std::env::var("TUCKBOX_CRASH_SETTINGS").unwrap());
    let listener = UnixListener::bind(socket).unwrap();
    let control = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let mut control = UnixStream::from(control);
    let clock = Arc::new(Stopwatch::default());
    let engine = match Engine::open(dir, settings.options(clock.clone())) {
        Ok(engine) => engine,
        Err(error) => {
            write!(control, "-{error}").unwrap();
            return;
        }
    };
    control.write_all(b"+").unwrap();
    // The parent's death ends the child.
    thread::spawn(move || {
        _ = control.read(&mut [0]);
        std::process::exit(1);
    });
    for stream in listener.incoming() {
        let (engine, clock) = (engine.clone(), clock.clone());
        thread::spawn(move || serve(stream.unwrap(), &engine, &clock));
    }
}

/// Commands to be executed until the process ends, before or behind the last one.
static DIE_BEFORE: AtomicI64 = AtomicI64::new(i64::MAX);
static DIE_AFTER: AtomicI64 = AtomicI64::new(i64::MAX);

/// Ends the process without a trace of order.
fn die_when_due(left: &AtomicI64) {
    if left.fetch_sub(1, Ordering::SeqCst) <= 0 {
        std::process::abort();
    }
}

fn serve(mut stream: UnixStream, engine: &Engine, clock: &Stopwatch) {
    let mut connection = engine.connection();
    let mut marks = Marks::from_environment();
    let mut parser = RequestParser::new(Limits::REQUEST);
    let mut received = BytesMut::new();
    let mut chunk = [0; 64 * 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(count) => received.extend_from_slice(&chunk[..count]),
        }
        let mut replies = Vec::new();
        let mut upto = Position::NONE;
        while let Some(command) = parser.parse(&mut received).unwrap() {
            if command.name() == b"TEST.WRITER" {
                marks.begin(&command);
            }
            let (reply, position) = answer(&command, &mut connection, engine, clock);
            upto = upto.max(position);
            replies.push(reply);
        }
        if let Err(error) = engine.wait_durable(upto) {
            let lost = Reply::error(format!("NOTDURABLE {error}"));
            replies.iter_mut().for_each(|reply| *reply = lost.clone());
        }
        if replies.iter().any(|reply| matches!(reply, Reply::Error(error) if is_refusal(error))) {
            marks.end();
        }
        // From here on they may be seen.
        marks.answered(replies.len());
        let mut bytes = BytesMut::new();
        for reply in &replies {
            write_reply(reply, Protocol::Resp3, &mut bytes);
        }
        if stream.write_all(&bytes).is_err() {
            return;
        }
    }
}

/// Runs a command of Redis, or one of the tests' own.
fn answer(
    command: &Command,
    connection: &mut Connection,
    engine: &Engine,
    clock: &Stopwatch,
) -> (Reply, Position) {
    let told = |result: Result<(), _>| match result {
        Ok(()) => Reply::OK,
        Err(error) => Reply::error(format!("ERR {error}")),
    };
    let reply = match command.name() {
        b"TEST.STOPCLOCK" => {
            let now = clock.clock.now_ms();
            clock.stopped_at.store(now, Ordering::SeqCst);
            Reply::Integer(now as i64)
        }
        b"TEST.STARTCLOCK" => {
            clock.stopped_at.store(0, Ordering::SeqCst);
            Reply::OK
        }
        b"TEST.WRITER" => Reply::OK,
        b"TEST.DIE" => {
            let pass = std::str::from_utf8(&command[2]).unwrap().parse().unwrap();
            let left = if &command[1] == b"before" { &DIE_BEFORE } else { &DIE_AFTER };
            left.store(pass, Ordering::SeqCst);
            Reply::OK
        }
        b"TEST.HEALTH" => Reply::bulk(engine.health().to_string().as_bytes()),
        b"TEST.CHECKPOINT" => told(engine.checkpoint()),
        b"TEST.CLOSE" => match engine.close() {
            Ok(()) => std::process::exit(0),
            Err(error) => Reply::error(format!("ERR {error}")),
        },
        _ => {
            die_when_due(&DIE_BEFORE);
            let executed = connection.execute(command);
            die_when_due(&DIE_AFTER);
            return (executed.reply, executed.position);
        }
    };
    (reply, Position::NONE)
}

/// A directory as a kill leaves it after `commands`, each acknowledged before
/// the next.
pub(crate) fn killed_after(dir: &Path, commands: impl IntoIterator<Item = Command>) {
    let mut child = Child::open(dir, Settings::LOG_ONLY);
    let mut link = child.connect();
    for command in commands {
        let reply = link.run(command);
        assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
    }
    assert_eq!(link.run(cmd!("PING")), Reply::Simple("PONG".into()));
    child.kill();
}
