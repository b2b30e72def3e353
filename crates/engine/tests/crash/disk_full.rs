//! A disk without room.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use tuckbox_resp::{Reply, cmd};

use crate::{
    child::{Child, Settings},
    damage::Mount,
    link::Link,
};

/// A small file system with a data directory and a file that fills it.
struct SmallDisk {
    // The mount goes before the directory it is on.
    _mount: Mount,
    dir: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, with a line that says so, without the right to mount.
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Mount::new(dir.path(), &["-t", "tmpfs", "-o", size]);
        if mount.is_none() {
            println!("skipped: no right to mount a small file system");
        }
        Some(Self { _mount: mount?, dir })
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn ballast(&self) -> PathBuf {
        self.dir.path().join("ballast")
    }

    /// Uses up all room but `left` bytes.
    fn fill(&self, left: usize) {
        use std::io::Write;
        let mut file = fs::File::create(self.ballast()).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        let len = file.metadata().unwrap().len();
        file.set_len(len.saturating_sub(left as u64)).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

/// Writes until a write is refused; returns how many were acknowledged.
fn write_until_full(link: &mut Link, from: usize) -> usize {
    let value = "x".repeat(20_000);
    for n in from.. {
        match link.run(cmd!("SET", format!("key:{n}"), format!("{n}{value}"))) {
            reply if reply == Reply::OK => {}
            // The one that met the full disk: it waits in memory.
            Reply::Error(error) if error.text().starts_with("NOTDURABLE") => {
                assert!(error.text().contains("no space"), "{error}");
                return n;
            }
            Reply::Error(error) => panic!("{error}"),
            other => panic!("{other:?}"),
        }
    }
    unreachable!("the disk takes everything")
}

fn check(link: &mut Link, acknowledged: usize) {
    let value = "x".repeat(20_000);
    for n in 0..acknowledged {
        let reply = link.run(cmd!("GET", format!("key:{n}")));
        assert_eq!(reply, Reply::bulk(format!("{n}{value}").as_bytes()), "key {n}");
    }
}

/// Tries a write until it is taken.
fn wait_for_writes(link: &mut Link, key: &str) {
    let started = Instant::now();
    loop {
        match link.run(cmd!("SET", key, "after")) {
            reply if reply == Reply::OK => return,
            Reply::Error(error) => {
                assert!(started.elapsed() < Duration::from_secs(20), "{error}");
                std::thread::sleep(Duration::from_millis(20));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn is_misconf(reply: &Reply) -> bool {
    matches!(reply, Reply::Error(error) if error.code() == "MISCONF")
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room_and_loses_nothing() {
    let Some(disk) = SmallDisk::new("size=12m") else { return };
    let mut child = Child::open(&disk.data(), Settings::LOG_ONLY);
    let mut link = child.connect();
    disk.fill(3 << 20);
    let acknowledged = write_until_full(&mut link, 0);
    assert!(acknowledged > 20, "{acknowledged}");

    // Writes are refused in Redis' way, reads go on.
    let refused = link.run(cmd!("SET", "refused", 1));
    assert!(is_misconf(&refused), "{refused:?}");
    assert!(is_misconf(&link.run(cmd!("DEL", "key:0"))));
    check(&mut link, acknowledged);
    assert_eq!(link.run(cmd!("GET", "refused")), Reply::Null);

    // With room, writes go on by themselves, and what waited is there.
    disk.free();
    wait_for_writes(&mut link, "after:1");
    check(&mut link, acknowledged + 1);

    // Full again, killed, and opened when there is room.
    disk.fill(1 << 20);
    let acknowledged = write_until_full(&mut link, acknowledged + 1);
    child.kill();
    let text = match Child::start(&disk.data(), Settings::LOG_ONLY).wait_open() {
        Ok(()) => String::from("no space"),
        Err(text) => text,
    };
    assert!(text.to_lowercase().contains("no space"), "{text}");
    disk.free();
    child = Child::open(&disk.data(), Settings::LOG_ONLY);
    let mut link = child.connect();
    check(&mut link, acknowledged);
    assert_eq!(link.run(cmd!("GET", "after:1")), Reply::bulk(b"after"));
    assert_eq!(link.run(cmd!("GET", "refused")), Reply::Null);
    wait_for_writes(&mut link, "after:2");
}

#[test]
fn a_checkpoint_without_room_fails_alone_and_is_made_up_for() {
    for killed in [false, true] {
        let Some(disk) = SmallDisk::new("size=16m") else { return };
        let mut child = Child::open(&disk.data(), Settings::LOG_ONLY);
        let mut link = child.connect();
        let value = "x".repeat(20_000);
        for n in 0..100 {
            let reply = link.run(cmd!("SET", format!("key:{n}"), format!("{n}{value}")));
            assert_eq!(reply, Reply::OK);
        }
        // The log has room for small writes, the store has none for 2 MB.
        disk.fill(100_000);
        let reply = link.run(cmd!("TEST.CHECKPOINT"));
        let told = matches!(&reply, Reply::Error(error) if error.text().contains("no room"));
        assert!(told, "{reply:?}");
        assert_eq!(link.run(cmd!("SET", "after:1", "after")), Reply::OK);
        check(&mut link, 100);

        if killed {
            // The log has everything.
            child.kill();
            disk.free();
            child = Child::open(&disk.data(), Settings::LOG_ONLY);
            link = child.connect();
            check(&mut link, 100);
        } else {
            disk.free();
        }
        assert_eq!(link.run(cmd!("TEST.CHECKPOINT")), Reply::OK);
        child.kill();
        child = Child::open(&disk.data(), Settings::LOG_ONLY);
        link = child.connect();
        check(&mut link, 100);
        assert_eq!(link.run(cmd!("GET", "after:1")), Reply::bulk(b"after"));
        assert_eq!(link.run(cmd!("DBSIZE")), Reply::Integer(101));
    }
}

/// By itself, with the checkpoints of the background, again and again.
#[test]
fn a_disk_that_fills_up_and_empties_under_load_loses_nothing() {
    let Some(disk) = SmallDisk::new("size=24m") else { return };
    let settings = Settings {
        memory_limit: 1 << 20,
        checkpoint_log_bytes: 300_000,
        checkpoint_interval_ms: 10,
        ..Settings::LOG_ONLY
    };
    let mut child = Child::open(&disk.data(), settings);
    let mut acknowledged = 0;
    for round in 0..4 {
        let mut link = child.connect();
        disk.fill(2_000_000);
        acknowledged = write_until_full(&mut link, acknowledged);
        if round % 2 == 0 {
            disk.free();
            wait_for_writes(&mut link, "after");
            // The one that met the full disk was made up for.
            acknowledged += 1;
        } else {
            child.kill();
            disk.free();
            child = Child::open(&disk.data(), settings);
            link = child.connect();
        }
        check(&mut link, acknowledged);
    }
}
