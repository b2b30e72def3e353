//! An engine with nothing to do.

use std::{
    collections::BTreeMap,
    fs, thread,
    time::{Duration, Instant},
};

use tuckbox_resp::{Reply, cmd};

use crate::child::{Child, Settings};

/// How often each of the engine's threads in process `id` went to sleep so far.
fn sleeps(id: u32) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    let counts = tasks.filter_map(|task| {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).ok()?.trim().to_owned();
        let status = fs::read_to_string(task.join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
        let count = line.split_whitespace().last()?.parse().ok()?;
        name.starts_with("tuckbox").then_some((name, count))
    });
    counts.collect()
}

/// Waits for a second in which the threads wake up no more often than
/// `at_most` times each.
fn wait_for_a_quiet_second(id: u32, at_most: u64) {
    let started = Instant::now();
    loop {
        let before = sleeps(id);
        assert_eq!(before.len(), 3, "{before:?}");
        thread::sleep(Duration::from_secs(1));
        let after = sleeps(id);
        if before.iter().all(|(name, count)| after[name] - count <= at_most) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{before:?}, then {after:?}");
    }
}

#[test]
fn an_engine_with_nothing_to_do_sleeps() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        memory_limit: 100_000,
        checkpoint_log_bytes: 100_000,
        checkpoint_interval_ms: 50,
        ..Settings::LOG_ONLY
    };
    let child = Child::open(dir.path(), settings);
    let mut link = child.connect();
    for n in 0..300 {
        let key = format!("key:{}", n % 50);
        assert_eq!(link.run(cmd!("SET", &key, "v".repeat(1000))), Reply::OK);
    }
    link.run(cmd!("DEL", "key:1", "key:2"));
    link.run(cmd!("SET", "short", "lived", "PX", 20));
    link.run(cmd!("FLUSHDB"));
    assert_eq!(link.run(cmd!("SET", "last", 1)), Reply::OK);
    wait_for_a_quiet_second(child.id(), 0);

    // Reads wake nobody, and a key that expires some time costs a look a second.
    let before = sleeps(child.id());
    (0..100).for_each(|_| assert_eq!(link.run(cmd!("GET", "last")), Reply::bulk(b"1")));
    assert_eq!(sleeps(child.id()), before);
    assert_eq!(link.run(cmd!("SET", "session", 1, "EX", 3600)), Reply::OK);
    wait_for_a_quiet_second(child.id(), 2);
}
