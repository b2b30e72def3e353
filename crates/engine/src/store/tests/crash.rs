//! Killed processes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use super::*;

/// Tells the test that it is its own child, and where.
pub(super) const CHILD_DIR: &str = "TUCKBOX_STORE_CHILD_DIR";
const KEYS: u64 = 2000;

/// This test binary, to run a test of a module beside this one alone and as a child.
pub(super) fn child(module: &str, test: &str, dir: &Path) -> Command {
    let (_, tests) = module_path!().split_once("::").unwrap();
    let tests = tests.strip_suffix("crash").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("{tests}{module}::{test}"), "--nocapture", "--test-threads=1"])
        .env(CHILD_DIR, dir);
    command
}

/// Runs a child after the shell has run `setup` in the same process.
#[cfg(unix)]
pub(super) fn under_shell(setup: &str, child: &Command, dir: &Path) -> Output {
    Command::new("sh")
        .args(["-c", &format!("{setup} && exec \"$0\" \"$@\"")])
        .arg(child.get_program())
        .args(child.get_args())
        .env(CHILD_DIR, dir)
        .output()
        .unwrap()
}

#[test]
fn a_commit_killed_midway_is_there_in_full_or_not_at_all() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        commit_until_killed(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut past_the_told = 0;
    for rounds in 1..=8 {
        let mut child =
            child("crash", "a_commit_killed_midway_is_there_in_full_or_not_at_all", dir.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let told = lines
            .filter_map(|line| line.strip_prefix("committed ")?.parse::<u64>().ok())
            .nth(rounds)
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let store = open(dir.path());
        let position = store.meta().unwrap()[0].position;
        assert!(position >= told, "{told} was committed, {position} is there");
        past_the_told += position - told;
        for number in 0..KEYS {
            let record = get(&store, 1, hash(number), &key(number)).unwrap().unwrap();
            assert_eq!(
                record.payload,
                payload(number, position),
                "one record of a commit without the rest"
            );
            assert_eq!(record.expire_at, position + 1);
        }
        assert_eq!(assert_whole(&store).records, KEYS);
    }
    println!("commits that were complete though not yet told: {past_the_told}");
}

fn payload(number: u64, round: u64) -> Vec<u8> {
    // Some fit in the tree's pages, some have pages of their own.
    round.to_le_bytes().repeat(if number.is_multiple_of(50) { 1000 } else { 20 })
}

fn commit_until_killed(dir: &Path) -> ! {
    let store = open(dir);
    let first = store.meta().unwrap().first().map_or(0, |meta| meta.position + 1);
    for round in first.. {
        let mut checkpoint = store.checkpoint().unwrap();
        for number in 0..KEYS {
            checkpoint
                .put(1, hash(number), &key(number), round + 1, 1, &payload(number, round))
                .unwrap();
        }
        checkpoint.set_meta(&DatabaseMeta { position: round, ..meta(0, 1, KEYS) }).unwrap();
        checkpoint.commit().unwrap();
        // Not println: a test's output may be held back.
        writeln!(std::io::stdout(), "committed {round}").unwrap();
    }
    unreachable!("rounds do not end")
}

#[cfg(target_os = "linux")]
#[test]
fn a_small_address_space_gives_a_smaller_store() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        let store = open(Path::new(&dir));
        fill(&store, 1, 0..1000, |_| 0);
        println!("map of {} bytes", store.env.info().map_size);
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let child = child("crash", "a_small_address_space_gives_a_smaller_store", dir.path());
    let limited = under_shell("ulimit -v 4000000", &child, dir.path());
    let told = String::from_utf8_lossy(&limited.stdout);
    assert!(limited.status.success(), "{told}{}", String::from_utf8_lossy(&limited.stderr));
    assert!(told.contains(&format!("map of {} bytes", 2_u64 << 30)), "{told}");
    assert_eq!(open(dir.path()).scan(1, 0, 2000).unwrap().len(), 1000);
}

#[test]
fn a_million_records_open_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = Instant::now();
    for thousands in 0..10 {
        fill(&store, 1, thousands * 100_000..(thousands + 1) * 100_000, |number| number % 4);
    }
    println!("1,000,000 records written: {:?}", before.elapsed());
    drop(store);
    let before = Instant::now();
    let store = open(dir.path());
    let opened = before.elapsed();
    assert!(get(&store, 1, hash(123_456), &key(123_456)).unwrap().is_some());
    println!("opened: {opened:?}, first record: {:?}", before.elapsed());
    let before = Instant::now();
    for number in 0..100_000 {
        assert!(get(&store, 1, hash(number * 7), &key(number * 7)).unwrap().is_some());
    }
    println!("100,000 reads: {:?}", before.elapsed());
    assert_eq!(store.tables.records.len(&store.read_txn().unwrap()).unwrap(), 1_000_000);
}
