//! Who waits for what, and who does not: on a disk that takes its time.

use std::{
    io::Read as _,
    path::Path,
    process::Command,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tuckbox_resp::{Reply, cmd};
use tuckbox_test_redis::Connection;

use self::disk::{Action, Disk, Kind, Place};
use crate::{
    program::Served,
    running::{Running, field, text},
};

/// The disk of the engine's own tests.
#[path = "../../../engine/tests/crash/disk.rs"]
#[expect(dead_code, clippy::expect_used, reason = "other tests need more of it")]
mod disk;

/// Longer than any test.
const FOR_EVER: Action = Action::Delay(600_000);

fn serve_on(disk: &Disk, dir: &Path, arguments: &[&str]) -> Served {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuckbox"));
    disk.slip_under(&mut command);
    let data = dir.join("data");
    Served::by(command, &[&["--dir", data.to_str().unwrap()], arguments].concat(), &[])
}

/// How much is written.
#[derive(Clone, Copy)]
struct Load {
    count: usize,
    value_bytes: usize,
}

/// A client that sends pairs of `SET` and `INCR`, many at once, and reads the replies
/// in their order.
fn writer(served: &Served, Load { count, value_bytes }: Load) -> JoinHandle<()> {
    let mut connection = served.connect();
    let value = "v".repeat(value_bytes);
    thread::spawn(move || {
        for begin in (0..count).step_by(200) {
            let numbers = begin..count.min(begin + 200);
            let pair = |n| format!("SET key:{n} {value}\r\nINCR n\r\n");
            connection.send(numbers.clone().map(pair).collect::<String>().as_bytes());
            for number in numbers {
                assert_eq!(connection.read_reply(), Reply::OK);
                assert_eq!(connection.read_reply(), Reply::Integer(number as i64 + 1));
            }
        }
    })
}

fn number(info: &str, name: &str) -> u64 {
    field(info, name).unwrap_or_else(|| panic!("no {name} in {info}")).parse().unwrap()
}

/// Reads until a reader was answered while the writer was held; `look` sees `INFO`
/// each time.
fn read_beside_a_held_writer(reader: &mut Connection, look: impl Fn(&str)) {
    let started = Instant::now();
    loop {
        // In one piece: what holds for the second held for the first.
        reader.send(b"GET greeting\r\nINFO everything\r\n");
        assert_eq!(reader.read_reply(), Reply::bulk(b"hello"));
        let info = text(reader.read_reply());
        look(&info);
        if number(&info, "blocked_clients") == 1 {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the writer is never held");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Everything is there after a kill.
fn check_after_a_kill(mut served: Served, disk: &Disk, dir: &Path, load: Load) {
    let Load { count, value_bytes } = load;
    served.process.kill().unwrap();
    served.process.wait().unwrap();
    let mut reader = serve_on_again(disk, dir);
    assert_eq!(reader.1.call(&cmd!("DBSIZE")), Reply::Integer(count as i64 + 2));
    assert_eq!(reader.1.call(&cmd!("GET", "n")), Reply::bulk(count.to_string().as_bytes()));
    let last = format!("key:{}", count - 1);
    assert_eq!(reader.1.call(&cmd!("STRLEN", last)), Reply::Integer(value_bytes as i64));
}

fn serve_on_again(disk: &Disk, dir: &Path) -> (Served, Connection) {
    let served = serve_on(disk, dir, &[]);
    let connection = served.connect();
    (served, connection)
}

#[test]
fn a_stalled_checkpoint_holds_writers_and_no_reader() {
    const LOAD: Load = Load { count: 4000, value_bytes: 1000 };
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let served = serve_on(&disk, dir.path(), &["--checkpoint-log", "600kb"]);
    let mut reader = served.connect();
    reader.call(&cmd!("SET", "greeting", "hello"));
    disk.always(Place::Store, Kind::Sync, Action::Delay(3000));
    let writer = writer(&served, LOAD);
    read_beside_a_held_writer(&mut reader, |info| {
        let bytes = number(info, "tuckbox_log_bytes");
        // The command that passed the limit was the last.
        assert!(bytes < 1200 * 1024 + 1100, "{bytes}");
    });
    let list = text(reader.call(&cmd!("CLIENT", "LIST")));
    assert_eq!(list.lines().count(), 2, "{list}");
    disk.heal();
    writer.join().unwrap();
    let info = text(reader.call(&cmd!("INFO", "clients")));
    assert_eq!(number(&info, "blocked_clients"), 0);
    check_after_a_kill(served, &disk, dir.path(), LOAD);
}

#[test]
fn full_memory_holds_writers_and_no_reader() {
    const LOAD: Load = Load { count: 2000, value_bytes: 10_000 };
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let arguments = ["--checkpoint-log", "1gb", "--memory-limit", "8mb"];
    let served = serve_on(&disk, dir.path(), &arguments);
    let mut reader = served.connect();
    reader.call(&cmd!("SET", "greeting", "hello"));
    disk.always(Place::Store, Kind::Sync, Action::Delay(3000));
    let writer = writer(&served, LOAD);
    read_beside_a_held_writer(&mut reader, |_| ());
    disk.heal();
    writer.join().unwrap();
    check_after_a_kill(served, &disk, dir.path(), LOAD);
}

#[test]
fn a_disk_that_hangs_does_not_keep_the_server_from_ending() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(dir.path());
    let mut served = serve_on(&disk, dir.path(), &[]);
    let mut reader = served.connect();
    assert_eq!(reader.call(&cmd!("SET", "kept", 1)), Reply::OK);
    disk.always(Place::Log, Kind::Sync, FOR_EVER);
    let mut writer = served.connect();
    writer.send(b"SET doubtful 1\r\n");
    let started = Instant::now();
    while !text(reader.call(&cmd!("INFO", "keyspace"))).contains("db0:keys=2") {
        assert!(started.elapsed() < Duration::from_secs(60));
        thread::sleep(Duration::from_millis(1));
    }
    served.signal("-TERM");
    let status = loop {
        if let Some(status) = served.process.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < Duration::from_secs(300), "it hangs");
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(1));
    assert_eq!(writer.read_to_end(), b"", "a reply to what is not known to be on disk");
    let mut log = String::new();
    served.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("replies are withheld") && log.contains("clients=1"), "{log}");
    assert!(log.contains("could not be closed within"), "{log}");

    disk.heal();
    let (_served, mut reader) = serve_on_again(&disk, dir.path());
    assert_eq!(reader.call(&cmd!("GET", "kept")), Reply::bulk(b"1"));
}

#[test]
fn a_pipeline_of_slow_scripts_leaves_others_their_turns() {
    const SCRIPTS: usize = 60;
    // Longer than a turn.
    const SCRIPT: &str = "local begun = os.clock() \
         repeat until os.clock() - begun > 0.02 \
         return redis.call('INCR', 'n')";
    let server = Running::in_memory();
    let mut other = server.connect();
    other.call(&cmd!("SET", "n", 0));
    let mut busy = server.connect();
    busy.send(format!("EVAL \"{SCRIPT}\" 0\r\n").repeat(SCRIPTS).as_bytes());
    let mut done = move || text(other.call(&cmd!("GET", "n"))).parse::<usize>().unwrap();
    let mut passed = Vec::new();
    let mut before = done();
    while before < SCRIPTS {
        let now = done();
        passed.push(now - before);
        before = now;
    }
    // What a test's own thread is late for is no fault of the server.
    passed.sort_unstable();
    let usual = passed[passed.len() / 2];
    assert!(usual <= 2, "scripts between two requests of somebody else: {passed:?}");
    for number in 1..=SCRIPTS {
        assert_eq!(busy.read_reply(), Reply::Integer(number as i64));
    }
}
