//! `tuckbox serve` under the load of clients: killed, killed again while it
//! starts, and on a disk that fails.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]
#![cfg(target_os = "linux")]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command as Process, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use tuckbox_resp::{Command, Limits, Reply, ReplyParser, cmd, write_command};

use crate::disk::{Action, Disk, Kind, Place};

#[expect(dead_code, reason = "the engine's tests use the rest")]
#[path = "../../engine/tests/crash/disk.rs"]
mod disk;

const CLIENTS: usize = 6;
const ROUNDS: usize = 10;
const SOON: Duration = Duration::from_secs(60);

/// A `tuckbox serve` that is killed with this value.
struct Served {
    process: Child,
    port: u16,
}

impl Served {
    fn start(dir: &Path, disk: Option<&Disk>) -> Self {
        let mut served = Self { process: spawn(dir, disk), port: 0 };
        let mut line = String::new();
        BufReader::new(served.process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim_end().strip_prefix("listening on 127.0.0.1:");
        served.port = port.unwrap_or_else(|| panic!("it said {line:?}")).parse().unwrap();
        served
    }

    fn connect(&self) -> Client {
        Client::connect(self.port).unwrap()
    }
}

fn spawn(dir: &Path, disk: Option<&Disk>) -> Child {
    let mut process = Process::new(env!("CARGO_BIN_EXE_tuckbox"));
    process.args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(dir);
    process.stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(disk) = disk {
        disk.slip_under(&mut process);
    }
    process.spawn().unwrap()
}

impl Drop for Served {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// A connection whose server may end at any moment.
struct Client {
    stream: TcpStream,
    parser: ReplyParser,
    received: BytesMut,
}

impl Client {
    fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(SOON))?;
        Ok(Self { stream, parser: ReplyParser::new(Limits::REPLY), received: BytesMut::new() })
    }

    fn send(&mut self, commands: &[Command]) -> io::Result<()> {
        let mut bytes = BytesMut::new();
        commands.iter().for_each(|command| write_command(command, &mut bytes));
        self.stream.write_all(&bytes)
    }

    /// `None` when the server is gone.
    fn receive(&mut self) -> Option<Reply> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(reply) = self.parser.parse(&mut self.received).unwrap() {
                return Some(reply);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
            }
        }
    }

    fn ask(&mut self, command: Command) -> Reply {
        self.send(&[command]).unwrap();
        self.receive().expect("a server that lives")
    }

    fn text(&mut self, command: Command) -> String {
        let text = self.ask(command).into_bytes().unwrap().unwrap_or_default();
        String::from_utf8(text.to_vec()).unwrap()
    }

    fn number(&mut self, key: String) -> u64 {
        self.text(cmd!("GET", key)).parse().unwrap_or(0)
    }

    /// What `INFO persistence` says of `name`.
    fn info(&mut self, name: &str) -> String {
        let info = self.text(cmd!("INFO", "persistence"));
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("{name} is not in {info}")).to_owned()
    }
}

/// What one client has sent and was told, over all rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    sent: u64,
    acknowledged: u64,
}

/// Counts in pipelines of changing length: each number by a transaction of several
/// keys, a large hash among them.
fn count(port: u16, client: usize, told: &mut Told, stop: &AtomicBool) {
    let Ok(mut link) = Client::connect(port) else { return };
    while !stop.load(Ordering::Relaxed) {
        let window = 1 + told.acknowledged % 16;
        let mut commands = Vec::new();
        for _ in 0..window {
            told.sent += 1;
            let number = told.sent;
            commands.extend([
                cmd!("MULTI"),
                cmd!("SET", format!("one:{client}"), number),
                cmd!("HSET", format!("many:{client}"), number, "v".repeat(50)),
                cmd!("SET", format!("two:{client}"), number),
                cmd!("EXEC"),
            ]);
        }
        if link.send(&commands).is_err() {
            return;
        }
        for _ in 0..window {
            for part in 0..5 {
                match link.receive() {
                    Some(Reply::Array(replies)) if part == 4 => assert_eq!(replies.len(), 3),
                    Some(Reply::Simple(_)) if part < 4 => {}
                    None => return,
                    reply => panic!("{reply:?}"),
                }
            }
            told.acknowledged += 1;
        }
    }
}

/// What was acknowledged is there, and transactions are whole. What was in doubt
/// has been decided by now.
fn check(link: &mut Client, told: &mut [Told]) {
    for (client, told) in told.iter_mut().enumerate() {
        let (one, two) =
            (link.number(format!("one:{client}")), link.number(format!("two:{client}")));
        assert_eq!(one, two, "a transaction of client {client} is there in part");
        let Told { sent, acknowledged } = *told;
        assert!((acknowledged..=sent).contains(&one), "client {client}: {one} is there, {told:?}");
        let fields = link.ask(cmd!("HLEN", format!("many:{client}")));
        assert_eq!(fields, Reply::Integer(one as i64), "client {client}");
        *told = Told { sent: one, acknowledged: one };
    }
}

#[test]
fn what_clients_were_told_outlives_kills_under_load_and_kills_while_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = [Told::default(); CLIENTS];
    for round in 0..ROUNDS as u64 {
        {
            let served = Served::start(dir.path(), None);
            check(&mut served.connect(), &mut told);
            let (stop, port) = (AtomicBool::new(false), served.port);
            thread::scope(|scope| {
                for (client, told) in told.iter_mut().enumerate() {
                    let stop = &stop;
                    scope.spawn(move || count(port, client, told, stop));
                }
                thread::sleep(Duration::from_millis(30 + round * 37 % 100));
                drop(served);
                stop.store(true, Ordering::Relaxed);
            });
        }
        // Twice in a row: while it reads the log; then right behind the first reply,
        // when the rest of what the log says may not have been done again yet.
        let mut starting = spawn(dir.path(), None);
        thread::sleep(Duration::from_micros(round * 1_700 % 12_000));
        starting.kill().unwrap();
        starting.wait().unwrap();
        let served = Served::start(dir.path(), None);
        let mut link = served.connect();
        assert_eq!(link.ask(cmd!("PING")), Reply::Simple("PONG".into()));
        if round % 2 == 0 {
            // A change on top of what is still to be done again.
            link.ask(cmd!("INCR", "starts"));
        }
    }
    let served = Served::start(dir.path(), None);
    let mut link = served.connect();
    check(&mut link, &mut told);
    assert_eq!(link.number("starts".to_owned()), ROUNDS as u64 / 2);
    assert!(told.iter().map(|told| told.acknowledged).sum::<u64>() > 100, "{told:?}");
}

/// Writes until one is refused, or the connection ends.
fn write_until_refused(link: &mut Client) {
    for number in 0..100_000 {
        link.send(&[cmd!("SET", format!("key:{number}"), "v".repeat(2_000))]).unwrap();
        match link.receive() {
            Some(Reply::Simple(_)) => {}
            Some(Reply::Error(_)) | None => return,
            reply => panic!("{reply:?}"),
        }
    }
    panic!("the disk takes everything");
}

#[test]
fn a_sync_that_failed_is_seen_in_info_until_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let data = dir.path().join("data");
    let served = Served::start(&data, Some(&disk));
    let mut link = served.connect();
    assert_eq!(link.ask(cmd!("SET", "before", "kept")), Reply::OK);
    assert_eq!(link.info("aof_last_write_status"), "ok");
    disk.once(Place::Log, Kind::Sync, 0, Action::FailIo);
    write_until_refused(&mut link);
    let mut link = served.connect();
    assert_eq!(link.info("aof_last_write_status"), "err");
    let refused = link.ask(cmd!("SET", "after", 1));
    assert!(matches!(&refused, Reply::Error(error) if error.code() == "MISCONF"), "{refused:?}");
    assert_eq!(link.text(cmd!("GET", "before")), "kept");
    drop(served);

    let served = Served::start(&data, Some(&disk));
    let mut link = served.connect();
    assert_eq!(link.info("aof_last_write_status"), "ok");
    assert_eq!(link.text(cmd!("GET", "before")), "kept");
    assert_eq!(link.ask(cmd!("SET", "after", 1)), Reply::OK);
}

#[test]
fn a_full_disk_is_seen_in_info_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let served = Served::start(&dir.path().join("data"), Some(&disk));
    let mut link = served.connect();
    assert_eq!(link.ask(cmd!("SET", "before", "kept")), Reply::OK);
    for kind in [Kind::Fill, Kind::Create] {
        disk.always(Place::Log, kind, Action::FailSpace);
    }
    // The write that meets it keeps its place, and is answered when there is room.
    let mut other = served.connect();
    let filling = thread::spawn(move || {
        for number in 0..20_000 {
            let sent = other.send(&[cmd!("SET", format!("key:{number}"), "v".repeat(2_000))]);
            if sent.is_err() || !matches!(other.receive(), Some(Reply::Simple(_))) {
                return;
            }
        }
    });
    wait_for(&mut link, "err");
    assert_eq!(link.text(cmd!("GET", "before")), "kept");
    disk.heal();
    wait_for(&mut link, "ok");
    let until = Instant::now() + SOON;
    while link.ask(cmd!("SET", "after", 1)) != Reply::OK {
        assert!(Instant::now() < until, "writes are still refused");
        thread::sleep(Duration::from_millis(10));
    }
    drop(served);
    filling.join().unwrap();
}

fn wait_for(link: &mut Client, status: &str) {
    let until = Instant::now() + SOON;
    while link.info("aof_last_write_status") != status {
        assert!(Instant::now() < until, "the status does not become {status}");
        thread::sleep(Duration::from_millis(10));
    }
}
