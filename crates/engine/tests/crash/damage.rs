//! Torn, flipped, missing and foreign files.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command as Process,
};

use tuckbox_engine::{Engine, LogError, OpenError, Options};
use tuckbox_resp::{Reply, cmd};

use crate::{
    Rng,
    child::{Child, Settings, killed_after},
};

const WRITES: usize = 60;

fn value(number: usize) -> String {
    format!("value of {number}: {}", "v".repeat(100 + number))
}

/// A directory with writes in its log alone, of a process that was killed.
fn killed(dir: &Path) {
    killed_after(dir, (0..WRITES).map(|n| cmd!("SET", format!("key:{n}"), value(n))));
}

fn get(engine: &Engine, number: usize) -> Reply {
    engine.connection().execute(&cmd!("GET", format!("key:{number}"))).reply
}

fn open(dir: &Path) -> Result<Engine, OpenError> {
    Engine::open(dir, Options::default())
}

/// Files of `dir` whose names end so, in order.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> =
        entries.filter(|path| path.extension() == Some(OsStr::new(extension))).collect();
    found.sort();
    found
}

/// The contents of the log and of the store.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = files(&dir.join("log"), "log").into_iter();
    let paths = paths.chain(files(&dir.join("log"), "spare")).chain([dir.join("store/data.mdb")]);
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Where `needle` begins in `file`, wherever it does.
fn places_of(file: &[u8], needle: &str) -> Vec<usize> {
    let windows = file.windows(needle.len()).enumerate();
    windows.filter(|(_, window)| *window == needle.as_bytes()).map(|(place, _)| place).collect()
}

/// Where `needle` begins in `file`, in which it is once.
fn place_of(file: &[u8], needle: &str) -> usize {
    let places = places_of(file, needle);
    assert_eq!(places.len(), 1);
    places[0]
}

/// The byte after the last one that is not zero.
fn end_of_data(file: &[u8]) -> usize {
    file.iter().rposition(|&byte| byte != 0).unwrap() + 1
}

#[test]
fn a_torn_tail_costs_the_last_write_alone() {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("original");
    killed(&original);
    let mut rng = Rng(11);
    for round in 0..24 {
        let torn = dir.path().join(round.to_string());
        copy(&original, &torn);
        let file = files(&torn.join("log"), "log").pop().unwrap();
        let mut bytes = fs::read(&file).unwrap();
        let end = end_of_data(&bytes);
        // The last batch ends with the last value.
        let start = place_of(&bytes, &value(WRITES - 1));
        let cut = start + rng.below((end - start) as u64) as usize;
        match round % 3 {
            0 => bytes.truncate(cut),
            1 => bytes[cut..end].fill(0),
            _ => bytes[cut..end].iter_mut().for_each(|byte| *byte ^= 1 + rng.below(255) as u8),
        }
        fs::write(&file, bytes).unwrap();

        for reopened in [false, true] {
            let engine = open(&torn).unwrap();
            for n in 0..WRITES - 1 {
                assert_eq!(get(&engine, n), Reply::bulk(value(n).as_bytes()), "{round}");
            }
            assert_eq!(get(&engine, WRITES - 1), Reply::Null);
            let mut connection = engine.connection();
            let again = connection.execute(&cmd!("SET", "again", 1));
            engine.wait_durable(again.position).unwrap();
            let count = connection.execute(&cmd!("DBSIZE")).reply;
            assert_eq!(count, Reply::Integer(WRITES as i64), "reopened: {reopened}");
            engine.close().unwrap();
        }
    }
}

#[test]
fn a_flipped_bit_in_the_middle_of_the_log_refuses_to_open_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("original");
    killed(&original);
    let mut rng = Rng(12);
    for round in 0..24 {
        let flipped = dir.path().join(round.to_string());
        copy(&original, &flipped);
        let file = files(&flipped.join("log"), "log").pop().unwrap();
        let mut bytes = fs::read(&file).unwrap();
        // Two later batches prove that this one was complete.
        let (first, last) = (place_of(&bytes, &value(0)), place_of(&bytes, &value(WRITES - 3)));
        let place = first + rng.below((last - first) as u64) as usize;
        bytes[place] ^= 1 << rng.below(8);
        fs::write(&file, bytes).unwrap();

        let before = contents(&flipped);
        let error = open(&flipped).unwrap_err();
        let text = error.to_string();
        let OpenError::Log(LogError::Corrupt { file: named, offset, position, .. }) = error else {
            panic!("{text}");
        };
        assert_eq!(named, file);
        assert!(offset as usize <= place && place < offset as usize + 1000, "{offset}, {place}");
        assert!(position <= WRITES as u64);
        assert!(text.contains(&offset.to_string()) && text.contains(&*file.to_string_lossy()));
        assert!(contents(&flipped) == before, "refusing changed the files");
    }
}

#[test]
fn a_flipped_bit_in_a_record_of_the_store_is_an_error_and_never_another_value() {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("original");
    let engine = open(&original).unwrap();
    let mut connection = engine.connection();
    for n in 0..WRITES {
        connection.execute(&cmd!("SET", format!("key:{n}"), value(n)));
    }
    connection.execute(&cmd!("HSET", "hash", "field", value(1000)));
    engine.close().unwrap();
    let bytes = fs::read(original.join("store/data.mdb")).unwrap();
    let mut rng = Rng(13);
    for round in 0..40 {
        let flipped = dir.path().join(round.to_string());
        copy(&original, &flipped);
        let number = rng.below(WRITES as u64) as usize;
        let needle = if round % 8 == 0 { value(1000) } else { value(number) };
        let (place, bit) = (rng.below(needle.len() as u64) as usize, rng.below(8));
        let mut bytes = bytes.clone();
        // Pages that were split have remains of it that nobody reads.
        for copy in places_of(&bytes, &needle) {
            bytes[copy + place] ^= 1 << bit;
        }
        fs::write(flipped.join("store/data.mdb"), bytes).unwrap();

        let engine = open(&flipped).unwrap();
        let refused = Reply::error("ERR the key could not be read from disk; see the server's log");
        for n in 0..WRITES {
            let expected = match round % 8 != 0 && n == number {
                true => refused.clone(),
                false => Reply::bulk(value(n).as_bytes()),
            };
            assert_eq!(get(&engine, n), expected, "key {n}, byte {place}");
        }
        let mut connection = engine.connection();
        let hash = connection.execute(&cmd!("HGET", "hash", "field")).reply;
        assert_eq!(hash == refused, round % 8 == 0, "{hash:?}");
        // A write that does not need the old value does not find it either.
        let write = connection.execute(&cmd!("SET", format!("key:{number}"), 1)).reply;
        assert_eq!(write == refused, round % 8 != 0, "{write:?}");
    }
}

/// The tree around the records has no checksums: there a key can be hidden,
/// but what is read is what was written.
#[test]
fn a_flipped_bit_anywhere_in_the_store_never_gives_another_value() {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("original");
    let engine = open(&original).unwrap();
    let mut connection = engine.connection();
    for n in 0..WRITES {
        connection.execute(&cmd!("SET", format!("key:{n}"), value(n)));
    }
    engine.close().unwrap();
    drop((connection, engine));
    let bytes = fs::read(original.join("store/data.mdb")).unwrap();
    let rounds = std::env::var("TUCKBOX_FLIPS").map_or(40, |text| text.parse().unwrap());
    let seed = std::env::var("TUCKBOX_CRASH_SEED").map_or(14, |text| text.parse().unwrap());
    let mut rng = Rng(seed);
    let (mut refused_to_open, mut errors, mut hidden, mut died) = (0, 0, 0, 0);
    for _ in 0..rounds {
        let flipped = dir.path().join("flipped");
        copy(&original, &flipped);
        let mut bytes = bytes.clone();
        let place = rng.below(bytes.len() as u64) as usize;
        bytes[place] ^= 1 << rng.below(8);
        fs::write(flipped.join("store/data.mdb"), bytes).unwrap();
        // In another process: LMDB may take offence at its pages.
        let mut child = Child::start(&flipped, Settings::LOG_ONLY);
        if let Err(error) = child.wait_open() {
            assert!(error.contains("store"), "{error}");
            refused_to_open += 1;
        } else {
            let gets: Vec<_> = (0..WRITES).map(|n| cmd!("GET", format!("key:{n}"))).collect();
            match child.connect().ask(&gets) {
                None => died += 1,
                Some(replies) => {
                    for (n, reply) in replies.into_iter().enumerate() {
                        match reply {
                            Reply::Error(_) => errors += 1,
                            Reply::Null => hidden += 1,
                            reply => assert_eq!(reply, Reply::bulk(value(n).as_bytes()), "{place}"),
                        }
                    }
                }
            }
        }
        drop(child);
        fs::remove_dir_all(&flipped).unwrap();
    }
    println!(
        "of {rounds} flipped bits: {refused_to_open} refused to open, {died} ended the process; \
         keys that answered with an error: {errors}, that were not found: {hidden}"
    );
}

#[test]
fn a_missing_segment_of_the_log_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let original = dir.path().join("original");
    let big = "b".repeat(1 << 20);
    killed_after(
        &original,
        (0..52).map(|n| cmd!("SET", format!("big:{}", n % 5), format!("{n}{big}"))),
    );
    let segments = files(&original.join("log"), "log");
    assert!(segments.len() >= 3, "{segments:?}");
    for missing in [0, 1] {
        let damaged = dir.path().join(missing.to_string());
        copy(&original, &damaged);
        let name = segments[missing].file_name().unwrap();
        fs::remove_file(damaged.join("log").join(name)).unwrap();
        let before = contents(&damaged);
        let error = open(&damaged).unwrap_err();
        let text = error.to_string();
        let OpenError::Log(LogError::Missing { position, before: next, .. }) = error else {
            panic!("{text}");
        };
        assert_eq!(next.file_name(), segments[missing + 1].file_name());
        assert!(position >= 1 && text.contains(&*next.to_string_lossy()), "{text}");
        assert!(contents(&damaged) == before, "refusing changed the files");
    }
    open(&original).unwrap().close().unwrap();
}

#[test]
fn a_log_whose_store_is_missing_does_not_pass_for_a_whole_database() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path()).unwrap();
    let mut connection = engine.connection();
    let big = "b".repeat(1 << 20);
    for n in 0..20 {
        let executed = connection.execute(&cmd!("SET", format!("big:{n}"), &big));
        engine.wait_durable(executed.position).unwrap();
    }
    engine.checkpoint().unwrap();
    engine.close().unwrap();
    drop((connection, engine));
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Log(LogError::Missing { .. })), "{error}");
}

#[test]
fn a_second_process_is_told_the_process_that_holds_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Child::open(dir.path(), Settings::LOG_ONLY);
    let mut link = child.connect();
    assert_eq!(link.run(cmd!("SET", "k", "v")), Reply::OK);
    for _ in 0..3 {
        let text = open(dir.path()).unwrap_err().to_string();
        assert!(text.contains(&format!("process {}", child.id())), "{text}");
    }
    let mut second = Child::start(dir.path(), Settings::LOG_ONLY);
    let told = second.wait_open().unwrap_err();
    assert!(told.contains(&format!("process {}", child.id())), "{told}");
    assert_eq!(link.run(cmd!("GET", "k")), Reply::bulk(b"v"));

    // A process that is gone holds nothing, whatever it has left.
    child.kill();
    let left = fs::read_to_string(dir.path().join("LOCK")).unwrap();
    assert!(left.contains(&format!("process {}", child.id())), "{left}");
    let engine = open(dir.path()).unwrap();
    assert_eq!(engine.connection().execute(&cmd!("GET", "k")).reply, Reply::bulk(b"v"));
}

#[test]
fn a_directory_that_cannot_be_written_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    killed(&data);
    let Some(_mounted) = Mount::new(&data, &["--bind"]) else {
        println!("skipped: no right to mount");
        return;
    };
    assert!(mount(&["-o", "remount,bind,ro"], &data));
    let text = open(&data).unwrap_err().to_string();
    assert!(text.contains(&*data.to_string_lossy()) && text.contains("can write"), "{text}");
}

/// A directory that something is mounted on.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts `dir` on itself, or what `options` say on it; `None` without the
    /// right to.
    pub(crate) fn new(dir: &Path, options: &[&str]) -> Option<Self> {
        let source = if options.contains(&"--bind") { dir } else { Path::new("tmpfs") };
        let mut process = Process::new("mount");
        let output = process.args(options).arg(source).arg(dir).output().ok()?;
        output.status.success().then(|| Self(dir.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: an engine that a failed test left may still have files open.
        _ = Process::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(options: &[&str], dir: &Path) -> bool {
    Process::new("mount").args(options).arg(dir).status().is_ok_and(|status| status.success())
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
