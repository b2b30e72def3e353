//! `tuckbox check` on real directories, whole and damaged, run as a user would.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tuckbox_engine::{Engine, Options};
use tuckbox_resp::{Reply, cmd};

const KEYS: usize = 400;

fn value(number: usize) -> String {
    format!("value of {number}: {}", "v".repeat(100 + number % 50))
}

/// What the program said, and its exit code.
struct Checked {
    code: i32,
    said: String,
}

fn check(args: &[&str], dir: &Path) -> Checked {
    let mut process = Command::new(env!("CARGO_BIN_EXE_tuckbox"));
    let output = process.arg("check").args(args).arg(dir).output().unwrap();
    let code = output.status.code().expect("the program ends by itself");
    let mut said = String::from_utf8(output.stdout).unwrap();
    said.push_str(&String::from_utf8(output.stderr).unwrap());
    Checked { code, said }
}

#[track_caller]
fn assert_checked(args: &[&str], dir: &Path, code: i32, parts: &[&str]) -> String {
    let checked = check(args, dir);
    assert_eq!(checked.code, code, "{}", checked.said);
    for part in parts {
        assert!(checked.said.contains(part), "{part} is not in: {}", checked.said);
    }
    checked.said
}

/// A directory with keys in the store, and as many behind it in the log.
fn filled(dir: &Path) -> Engine {
    let engine = Engine::open(dir, Options::default()).unwrap();
    let mut connection = engine.connection();
    for n in 0..KEYS {
        if n == KEYS / 2 {
            engine.checkpoint().unwrap();
        }
        let executed = connection.execute(&cmd!("SET", format!("key:{n}"), value(n)));
        engine.wait_durable(executed.position).unwrap();
    }
    let executed = connection.execute(&cmd!("HSET", "hash", "field", "v"));
    engine.wait_durable(executed.position).unwrap();
    engine
}

/// The same, with a hash that is kept in parts.
fn closed_with_a_large_hash(dir: &Path) {
    let engine = filled(dir);
    let mut connection = engine.connection();
    for n in 0..2_000 {
        connection.execute(&cmd!("HSET", "large", format!("field:{n}"), "some text"));
    }
    engine.close().unwrap();
}

/// A directory of an engine that was closed.
fn closed(dir: &Path) {
    filled(dir).close().unwrap();
}

/// A directory as a process leaves it that is killed.
fn killed(dir: &Path) {
    let living = tempfile::tempdir().unwrap();
    let engine = filled(living.path());
    copy(living.path(), dir);
    engine.close().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Everything that matters, by file.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let logs = fs::read_dir(dir.join("log")).unwrap().map(|entry| entry.unwrap().path());
    let paths = logs.chain([dir.join("store/data.mdb")]);
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn newest_log(dir: &Path) -> PathBuf {
    let logs = fs::read_dir(dir.join("log")).unwrap().map(|entry| entry.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|ending| ending == "log")).max().unwrap()
}

fn assert_everything_is_there(dir: &Path) {
    let engine = Engine::open(dir, Options::default()).unwrap();
    let mut connection = engine.connection();
    for n in 0..KEYS {
        let reply = connection.execute(&cmd!("GET", format!("key:{n}"))).reply;
        assert_eq!(reply, Reply::bulk(value(n).as_bytes()));
    }
    engine.close().unwrap();
}

/// Changes every place in `file` where `needle` stands.
fn change(file: &Path, needle: &[u8], how: impl Fn(&mut [u8])) {
    let mut bytes = fs::read(file).unwrap();
    let windows = bytes.windows(needle.len()).enumerate();
    let places: Vec<_> = windows.filter(|(_, found)| *found == needle).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| how(&mut bytes[at..at + needle.len()]));
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_whole_directory_is_whole_whether_it_was_closed_or_killed() {
    let dir = tempfile::tempdir().unwrap();
    closed(&dir.path().join("closed"));
    killed(&dir.path().join("killed"));
    let closed = &dir.path().join("closed");
    assert_checked(&[], closed, 0, &["store: 401 keys", "0 frames", "closed in order", "whole"]);
    let killed = &dir.path().join("killed");
    let before = contents(killed);
    assert_checked(&[], killed, 0, &["store: 200 keys", "201 frames", "not closed", "whole"]);
    assert!(contents(killed) == before, "it was changed");
    assert_everything_is_there(killed);
}

#[test]
fn a_torn_end_is_noted_and_cut_only_when_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    killed(dir.path());
    let log = newest_log(dir.path());
    let mut bytes = fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1;
    bytes[end - 20..end].fill(0xee);
    fs::write(&log, bytes).unwrap();

    let before = contents(dir.path());
    assert_checked(&[], dir.path(), 0, &["note: ", "torn", "never acknowledged", "200 frames"]);
    assert!(contents(dir.path()) == before, "it was changed");
    assert_checked(&["--repair"], dir.path(), 1, &["repaired: ", "whole again"]);
    let said = assert_checked(&[], dir.path(), 0, &["200 frames", "closed in order"]);
    assert!(!said.contains("torn"), "{said}");
    assert_everything_is_there(dir.path());
}

#[test]
fn damage_in_the_log_is_told_with_its_place_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    killed(dir.path());
    let log = newest_log(dir.path());
    change(&log, value(KEYS - 100).as_bytes(), |found| found[30] ^= 4);
    let before = contents(dir.path());
    for args in [&[][..], &["--repair"]] {
        let name = log.file_name().unwrap().to_str().unwrap();
        assert_checked(args, dir.path(), 4, &["damage: ", name, "at byte", "backup"]);
        assert!(contents(dir.path()) == before, "it was changed");
    }
}

#[test]
fn a_damaged_record_is_told_with_its_place_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    let store = dir.path().join("store/data.mdb");
    change(&store, value(7).as_bytes(), |found| found[30] ^= 4);
    let before = contents(dir.path());
    for args in [&[][..], &["--repair"]] {
        let parts = ["damage: ", "data.mdb", "record 0:", "checksum", "401 keys"];
        let said = assert_checked(args, dir.path(), 4, &parts);
        assert!(!said.contains("value of") && !said.contains("key:7"), "{said}");
        assert!(contents(dir.path()) == before, "it was changed");
    }
}

#[test]
fn large_values_and_their_parts_are_counted_and_a_damaged_part_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    closed_with_a_large_hash(dir.path());
    assert_checked(&[], dir.path(), 0, &["402 keys", "1 large values in ", "whole"]);
    change(&dir.path().join("store/data.mdb"), b"field:77\x09some text", |found| found[0] ^= 1);
    for args in [&[][..], &["--repair"]] {
        let parts =
            ["damage: ", "part 0:1:", "checksum of the part", "items are in its parts, not 2000"];
        assert_checked(args, dir.path(), 4, &parts);
    }
}

#[test]
fn an_index_that_does_not_agree_is_made_anew_when_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let engine = filled(dir.path());
    let expires = 4_102_444_812_345_u64;
    let set = cmd!("SET", "expiring", "v", "PXAT", expires.to_string());
    engine.wait_durable(engine.connection().execute(&set).position).unwrap();
    engine.close().unwrap();
    drop(engine);
    // In the index the time stands as it is, in the record in another form.
    change(&dir.path().join("store/data.mdb"), &expires.to_be_bytes(), |found| found[7] ^= 1);
    let before = contents(dir.path());
    assert_checked(&[], dir.path(), 4, &["repairable: ", "expiry index", "--repair"]);
    assert!(contents(dir.path()) == before, "it was changed");
    assert_checked(&["--repair"], dir.path(), 1, &["repaired: ", "expiry index"]);
    assert_checked(&[], dir.path(), 0, &["402 keys, 1 of them expire", "whole"]);
    assert_everything_is_there(dir.path());
}

#[test]
fn a_store_that_ends_the_process_that_reads_it_is_told_to_be_damaged() {
    let dir = tempfile::tempdir().unwrap();
    closed(dir.path());
    let store = dir.path().join("store/data.mdb");
    let bytes = fs::read(&store).unwrap();
    // The roots are there, and what they lead to is not.
    fs::write(&store, &bytes[..8192]).unwrap();
    assert_checked(&[], dir.path(), 4, &["damage: ", "the tree of the store is damaged", "log: "]);
    // Nor does anything else about a missing end.
    for tenth in 1..10 {
        fs::write(&store, &bytes[..bytes.len() / 10 * tenth]).unwrap();
        let code = check(&[], dir.path()).code;
        assert!(code == 4 || code == 0, "{code} with {tenth} tenths");
    }
}

#[test]
fn whatever_bit_is_flipped_in_the_store_a_directory_said_to_be_whole_is_whole() {
    let original = tempfile::tempdir().unwrap();
    closed(original.path());
    let bytes = fs::read(original.path().join("store/data.mdb")).unwrap();
    let mut found = 0;
    for round in 0..60 {
        let dir = tempfile::tempdir().unwrap();
        copy(original.path(), dir.path());
        let mut bytes = bytes.clone();
        // Spread over the file, and in the heads of its pages.
        let place = if round % 2 == 0 { bytes.len() / 61 * (round + 1) } else { 4096 * round + 10 };
        let place = place % bytes.len();
        bytes[place] ^= 1 << (round % 8);
        fs::write(dir.path().join("store/data.mdb"), bytes).unwrap();
        let checked = check(&[], dir.path());
        match checked.code {
            0 => assert_everything_is_there(dir.path()),
            code => {
                assert_eq!(code, 4, "byte {place}: {}", checked.said);
                found += 1;
            }
        }
    }
    assert!(found > 0, "no flip was found");
}

#[test]
fn a_directory_in_use_or_not_there_is_not_checked() {
    let dir = tempfile::tempdir().unwrap();
    let engine = filled(dir.path());
    let held = format!("process {}", std::process::id());
    assert_checked(&[], dir.path(), 8, &["in use", &held]);
    assert_checked(&["--repair"], dir.path(), 8, &["in use", &held]);
    engine.close().unwrap();
    assert_checked(&[], &dir.path().join("nowhere"), 8, &["not a data directory"]);
    assert!(!dir.path().join("nowhere").exists());
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("letter.txt"), "hello").unwrap();
    assert_checked(&[], other.path(), 8, &["not a data directory"]);
}

#[test]
fn a_wrong_command_line_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(check(&["--fix"], dir.path()).code, 2);
    let output = Command::new(env!("CARGO_BIN_EXE_tuckbox")).arg("check").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let help = check(&["--help"], dir.path());
    assert!(help.code == 0 && help.said.contains("Exit codes"), "{}", help.said);
}
