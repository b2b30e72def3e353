//! The log on the file system.

use std::fs;

use super::*;

#[test]
fn frames_survive_closing_and_opening_on_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new").join("log");
    let mut expected = Vec::new();
    for life in 0..3u8 {
        let mut recovery = Log::open(&path, 0, options(Durability::Always)).unwrap();
        let mut found = Vec::new();
        while let Some(frame) = recovery.next().unwrap() {
            found.push(frame.bytes.to_vec());
        }
        assert_eq!(found, expected);
        let log = recovery.start().unwrap().0;
        for number in 0..20u8 {
            let frame = vec![life ^ number; 3000];
            log.append(&frame);
            expected.push(frame);
        }
        log.close().unwrap();
    }
}

#[test]
fn trimmed_files_are_kept_as_spares_and_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::open(directory.path(), 0, options(Durability::Always)).unwrap();
    let log = log.start().unwrap().0;
    for _ in 0..10 {
        let last = (0..10).map(|_| write(&log, &[5; 6000])).last().unwrap();
        log.trim(last).unwrap();
    }
    let names = || {
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let spares = names().iter().filter(|name| name.ends_with(".spare")).count();
    assert!((1..=2).contains(&spares), "{:?}", names());
    let last = log.last();
    write(&log, b"kept");
    drop(log);
    let mut recovery = Log::open(directory.path(), last, options(Durability::Always)).unwrap();
    let frame = recovery.next().unwrap().unwrap();
    assert_eq!((frame.position, frame.bytes), (last + 1, &b"kept"[..]));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Log::open(&file.join("log"), 0, options(Durability::Always)).err().unwrap();
    assert!(error.to_string().contains("create the log's directory"), "{error}");
}
