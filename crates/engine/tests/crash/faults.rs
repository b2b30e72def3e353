//! Disks that fail: each fault under the log and under the store, in the engine
//! as it runs. What is promised then stands in `docs/durability.md`.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tuckbox_resp::{Reply, cmd};

use crate::{
    child::{Child, Settings},
    disk::{Action, Disk, Kind, Place},
    link::Link,
};

/// A child on a disk that can fail.
struct Rig {
    dir: tempfile::TempDir,
    disk: Disk,
    child: Child,
    link: Link,
    /// Keys 0.. that were acknowledged.
    acknowledged: usize,
}

/// Small segments; checkpoints when they are asked for.
const SETTINGS: Settings =
    Settings { memory_limit: 20_000, log_segment_bytes: 64 << 10, ..Settings::LOG_ONLY };

fn value(number: usize) -> String {
    format!("value of {number}: {}", "v".repeat(500))
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path());
        let child = Child::open_on(Some(&disk), &dir.path().join("data"), SETTINGS);
        let link = child.connect();
        let mut rig = Self { dir, disk, child, link, acknowledged: 0 };
        rig.write(50);
        rig
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Writes that must be taken.
    fn write(&mut self, count: usize) {
        for _ in 0..count {
            let reply = self.try_write();
            assert_eq!(reply, Reply::OK);
        }
    }

    fn try_write(&mut self) -> Reply {
        let key = format!("key:{}", self.acknowledged);
        let reply = self.link.run(cmd!("SET", key, value(self.acknowledged)));
        self.acknowledged += usize::from(reply == Reply::OK);
        reply
    }

    /// Writes until one is not durable; its text.
    fn write_until_refused(&mut self) -> String {
        for _ in 0..10_000 {
            match self.try_write() {
                Reply::Error(error) => return error.text().to_owned(),
                reply => assert_eq!(reply, Reply::OK),
            }
        }
        panic!("the disk takes everything")
    }

    fn checkpoint(&mut self) -> Result<(), String> {
        match self.link.run(cmd!("TEST.CHECKPOINT")) {
            Reply::Error(error) => Err(error.text().to_owned()),
            reply => {
                assert_eq!(reply, Reply::OK);
                Ok(())
            }
        }
    }

    fn health(&mut self) -> String {
        let health = self.link.run(cmd!("TEST.HEALTH")).into_bytes().unwrap().unwrap();
        String::from_utf8(health.to_vec()).unwrap()
    }

    fn wait_until_well(&mut self) {
        let started = Instant::now();
        while self.health() != "ok" {
            assert!(started.elapsed() < Duration::from_secs(20), "{}", self.health());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything that was acknowledged is read.
    fn check(&mut self) {
        for number in 0..self.acknowledged {
            let reply = self.link.run(cmd!("GET", format!("key:{number}")));
            assert_eq!(reply, Reply::bulk(value(number).as_bytes()), "key {number}");
        }
    }

    /// A process that is killed, and another one on a disk that is well.
    fn restart(&mut self) {
        self.child.kill();
        self.disk.heal();
        self.child = Child::open_on(Some(&self.disk), &self.data(), SETTINGS);
        self.link = self.child.connect();
    }

    /// After a restart all is well, and stays so.
    fn recovers_by_a_restart(&mut self) {
        self.restart();
        assert_eq!(self.health(), "ok");
        self.check();
        // The one that was refused may have come to the disk or not.
        self.write(20);
        self.checkpoint().unwrap();
        self.restart();
        self.check();
    }
}

#[test]
fn short_writes_of_the_log_are_gone_on_with() {
    let mut rig = Rig::new();
    rig.disk.always(Place::Log, Kind::Write, Action::Shorten);
    rig.disk.always(Place::Log, Kind::Fill, Action::Shorten);
    rig.write(100);
    assert!(rig.disk.hits(Place::Log, Kind::Write) >= 100, "writes were not short");
    assert_eq!(rig.health(), "ok");
    rig.recovers_by_a_restart();
}

#[test]
fn a_failed_write_or_sync_of_the_log_ends_writes_and_is_not_tried_again() {
    let faults = [
        (Kind::Write, Action::FailIo, "write a batch"),
        // In the middle of a batch: what was promised before is not touched.
        (Kind::Write, Action::FailSpace, "write a batch"),
        (Kind::Sync, Action::FailIo, "sync a batch"),
        (Kind::Sync, Action::FailSpace, "sync a batch"),
    ];
    for (kind, action, doing) in faults {
        let mut rig = Rig::new();
        rig.disk.once(Place::Log, kind, 0, action);
        let refused = rig.write_until_refused();
        assert!(refused.starts_with("NOTDURABLE") && refused.contains(doing), "{refused}");
        assert!(rig.health().contains(doing), "{}", rig.health());

        // The disk is well again, and still nothing is tried.
        let calls = |rig: &Rig| {
            (rig.disk.calls(Place::Log, Kind::Write), rig.disk.calls(Place::Log, Kind::Sync))
        };
        let before = calls(&rig);
        for _ in 0..5 {
            let reply = rig.try_write();
            let Reply::Error(error) = reply else { panic!("{reply:?}") };
            assert_eq!(error.code(), "MISCONF");
            assert!(error.text().contains("restart"), "{error}");
        }
        rig.check();
        // The store must not get ahead of what the log could replay.
        let untaken = rig.checkpoint().unwrap_err();
        assert!(untaken.contains(doing), "{untaken}");
        assert_eq!(calls(&rig), before, "{kind:?}: the log was written after {action:?}");
        rig.recovers_by_a_restart();
    }
}

#[test]
fn a_log_without_room_refuses_writes_until_there_is_some() {
    for kind in [Kind::Fill, Kind::Create, Kind::Header] {
        let mut rig = Rig::new();
        rig.disk.always(Place::Log, kind, Action::FailSpace);
        let refused = rig.write_until_refused();
        assert!(refused.starts_with("NOTDURABLE") && refused.contains("no space"), "{refused}");
        // That one waits in memory, in its place.
        let waiting = rig.acknowledged;
        assert!(rig.health().contains("no space"), "{}", rig.health());
        let reply = rig.link.run(cmd!("SET", "another", 1));
        assert!(matches!(&reply, Reply::Error(error) if error.code() == "MISCONF"), "{reply:?}");
        rig.check();

        rig.disk.heal();
        let started = Instant::now();
        while rig.link.run(cmd!("SET", "another", 1)) != Reply::OK {
            assert!(started.elapsed() < Duration::from_secs(20), "writes are still refused");
            std::thread::sleep(Duration::from_millis(10));
        }
        rig.acknowledged = waiting + 1;
        // A checkpoint that found the log full is tried again within a second.
        rig.wait_until_well();
        rig.recovers_by_a_restart();
    }
}

/// Has the child open no more files than it has; returns what it could before.
fn take_descriptors(rig: &Rig) -> Rlimit {
    let process = Pid::from_raw(rig.child.id() as i32);
    let before = getrlimit(Resource::Nofile);
    prlimit(process, Resource::Nofile, Rlimit { current: Some(3), ..before }).unwrap();
    before
}

#[test]
fn without_file_descriptors_writes_are_refused_until_there_are_some() {
    let mut rig = Rig::new();
    let before = take_descriptors(&rig);
    // The first checkpoint opens the store's file, the next file of the log is due.
    let untaken = rig.checkpoint().unwrap_err();
    assert!(untaken.contains("open files"), "{untaken}");
    let refused = rig.write_until_refused();
    assert!(refused.starts_with("NOTDURABLE") && refused.contains("ulimit -n"), "{refused}");
    let waiting = rig.acknowledged;
    assert!(rig.health().contains("ulimit -n"), "{}", rig.health());
    let reply = rig.link.run(cmd!("SET", "another", 1));
    let Reply::Error(error) = reply else { panic!("{reply:?}") };
    assert_eq!(error.code(), "MISCONF");
    assert!(error.text().contains("too many are open"), "{error}");
    rig.check();

    prlimit(Pid::from_raw(rig.child.id() as i32), Resource::Nofile, before).unwrap();
    let started = Instant::now();
    while rig.link.run(cmd!("SET", "another", 1)) != Reply::OK {
        assert!(started.elapsed() < Duration::from_secs(20), "writes are still refused");
        std::thread::sleep(Duration::from_millis(10));
    }
    rig.acknowledged = waiting + 1;
    rig.checkpoint().unwrap();
    assert_eq!(rig.health(), "ok");
    rig.recovers_by_a_restart();
}

#[test]
fn one_slow_sync_serves_all_who_wait() {
    let mut rig = Rig::new();
    let before = rig.disk.calls(Place::Log, Kind::Sync);
    rig.disk.always(Place::Log, Kind::Sync, Action::Delay(300));
    let mut links: Vec<_> = (0..50).map(|_| rig.child.connect()).collect();
    for (number, link) in links.iter_mut().enumerate() {
        link.send(&[cmd!("SET", format!("slow:{number}"), 1)]).unwrap();
    }
    // Reads of what is durable wait for no sync.
    rig.check();
    links.iter_mut().for_each(|link| assert_eq!(link.receive(), Some(Reply::OK)));
    let syncs = rig.disk.calls(Place::Log, Kind::Sync) - before;
    assert!(syncs <= 10, "{syncs} syncs for 50 writes");
    assert_eq!(rig.health(), "ok");
    rig.recovers_by_a_restart();
}

#[test]
fn a_failed_checkpoint_leaves_the_log_whole_and_the_engine_at_work() {
    let faults = [
        (Kind::Write, Action::FailIo),
        (Kind::Write, Action::Shorten),
        (Kind::Sync, Action::FailIo),
        (Kind::Root, Action::FailIo),
        (Kind::Root, Action::FailSpace),
    ];
    for (kind, action) in faults {
        let mut rig = Rig::new();
        rig.checkpoint().unwrap();
        rig.write(200);
        rig.disk.once(Place::Store, kind, 0, action);
        let failed = rig.checkpoint().unwrap_err();
        assert!(failed.contains("store"), "{failed}");
        assert_eq!(rig.disk.hits(Place::Store, kind), 1);
        assert!(rig.health().starts_with("no checkpoint"), "{}", rig.health());
        let removed = rig.disk.calls(Place::Log, Kind::Remove);
        let renamed = rig.disk.calls(Place::Log, Kind::Rename);

        // The disk is well again; but what it did is not known, so the store is
        // left alone until it is opened again.
        let syncs = rig.disk.calls(Place::Store, Kind::Sync);
        for _ in 0..3 {
            rig.write(10);
            let refused = rig.checkpoint().unwrap_err();
            assert!(refused.contains("open the engine again"), "{refused}");
        }
        assert_eq!(
            rig.disk.calls(Place::Store, Kind::Sync),
            syncs,
            "{kind:?}: a sync was tried again"
        );
        assert_eq!(rig.disk.calls(Place::Log, Kind::Remove), removed, "the log was trimmed");
        let made = rig.disk.calls(Place::Log, Kind::Create);
        assert!(rig.disk.calls(Place::Log, Kind::Rename) - renamed <= made, "the log was trimmed");
        rig.check();
        rig.recovers_by_a_restart();
    }
}

#[test]
fn a_store_without_room_is_tried_again() {
    for kind in [Kind::Write, Kind::Sync] {
        let mut rig = Rig::new();
        rig.checkpoint().unwrap();
        rig.write(200);
        rig.disk.once(Place::Store, kind, 0, Action::FailSpace);
        let failed = rig.checkpoint().unwrap_err();
        assert!(failed.contains("no room"), "{failed}");
        assert!(rig.health().contains("no room"), "{}", rig.health());
        rig.write(10);
        rig.checkpoint().unwrap();
        assert_eq!(rig.health(), "ok");
        rig.check();
        rig.recovers_by_a_restart();
    }
}

#[test]
fn a_slow_checkpoint_holds_up_no_command() {
    let mut rig = Rig::new();
    rig.disk.once(Place::Store, Kind::Sync, 0, Action::Delay(1500));
    let mut other = rig.child.connect();
    other.send(&[cmd!("TEST.CHECKPOINT")]).unwrap();
    rig.write(200);
    rig.check();
    assert_eq!(other.receive(), Some(Reply::OK));
    rig.recovers_by_a_restart();
}
