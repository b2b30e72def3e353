//! Disks that fail or run full.

use super::*;
use crate::log::State;
use crate::log::waiters::block_on;

#[test]
fn short_writes_and_reads_are_continued() {
    let disk = FakeDisk::default();
    disk.set_faults(|faults| faults.short = Some(1000));
    let log = open(&disk);
    let frame = vec![7; 5000];
    write(&log, &frame);
    log.close().unwrap();
    assert_eq!(frames(&disk, 0).unwrap(), [(1, frame)]);
}

#[test]
fn a_failed_write_poisons_the_log_for_good() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    write(&log, b"safe");
    disk.set_faults(|faults| (faults.failing_writes, faults.failing_after) = (true, 20));
    let lost = log.append(b"lost");
    assert!(matches!(log.wait(lost), Err(LogError::Poisoned { doing: "write a batch", .. })));
    // Neither a healthy disk nor time changes that.
    disk.set_faults(|faults| faults.failing_writes = false);
    let before = disk.counts();
    let later = log.append(b"later");
    assert!(matches!(log.wait(later), Err(LogError::Poisoned { .. })));
    assert!(matches!(block_on(log.room()), Err(LogError::Poisoned { .. })));
    assert_eq!(log.state(), State::Poisoned);
    log.wait(1).unwrap();
    assert!(matches!(log.close(), Err(LogError::Poisoned { .. })));
    assert!(matches!(log.close(), Err(LogError::Poisoned { .. })));
    assert_eq!(disk.counts(), before);
    let recovered = reopen(&disk).unwrap();
    assert_eq!(recovered.last, 1);
    assert_eq!(recovered.cut.map(|cut| cut.position), Some(2));
}

#[test]
fn a_failed_sync_poisons_the_log_and_is_not_tried_again() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    write(&log, b"safe");
    disk.set_faults(|faults| (faults.syncs_block, faults.failing_syncs) = (true, true));
    let begun = disk.counts().syncs_begun;
    let (lost, also_lost) = (log.append(b"lost"), log.append(b"also lost"));
    disk.wait_until(|counts| counts.syncs_begun > begun);
    disk.set_faults(|faults| faults.syncs_block = false);
    for position in [lost, also_lost] {
        let error = log.wait(position).unwrap_err();
        assert!(matches!(error, LogError::Poisoned { doing: "sync a batch", .. }), "{error}");
        assert!(error.to_string().contains("restart the process"), "{error}");
    }
    disk.set_faults(|faults| faults.failing_syncs = false);
    assert!(log.close().is_err());
    assert_eq!(disk.counts().syncs_begun, begun + 1);
}

#[test]
fn what_a_failed_sync_left_in_the_cache_is_written_again() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    write(&log, b"safe");
    disk.set_faults(|faults| faults.failing_syncs = true);
    let unsafe_yet = log.append(b"only in the cache");
    assert!(log.wait(unsafe_yet).is_err());
    drop(log);
    disk.set_faults(|faults| faults.failing_syncs = false);
    // The process restarts, the machine does not: the frame is read from the
    // cache. Once replayed it must not be lost.
    let log = open(&disk);
    assert_eq!(log.last(), 2);
    write(&log, b"new");
    let after_cut = disk.cut_power(&mut Random(0));
    let found: Vec<_> =
        frames(&after_cut, 0).unwrap().into_iter().map(|(_, frame)| frame).collect();
    assert_eq!(found, [&b"safe"[..], b"only in the cache", b"new"]);
}

/// A log on a disk that is full, and the position that waits for space.
fn full_log() -> (FakeDisk, Log, Position) {
    let disk = FakeDisk::default();
    let log = open(&disk);
    write(&log, b"fits");
    disk.set_faults(|faults| faults.space = Some(0));
    let waiting = log.append(&vec![1; 200_000]);
    assert!(matches!(log.wait(waiting), Err(LogError::Full { .. })));
    assert_eq!(log.state(), State::Full);
    (disk, log, waiting)
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_space() {
    let (disk, log, waiting) = full_log();
    assert!(matches!(block_on(log.room()), Err(LogError::Full { .. })));
    let behind = log.append(b"behind");
    assert!(matches!(log.wait(behind), Err(LogError::Full { .. })));
    // It is tried again by itself.
    let refused = disk.counts().refused_for_space;
    disk.wait_until(|counts| counts.refused_for_space > refused + 2);
    let before = disk.counts();
    disk.set_faults(|faults| faults.space = None);
    disk.wait_until(|counts| counts.syncs > before.syncs + 2);
    block_on(log.room()).unwrap();
    log.wait(waiting).unwrap();
    log.wait(behind).unwrap();
    log.close().unwrap();
    let found = frames(&disk, 0).unwrap();
    let expected = [(1, b"fits".to_vec()), (2, vec![1; 200_000]), (3, b"behind".to_vec())];
    assert!(found == expected);
}

#[test]
fn closing_on_a_full_disk_says_what_is_lost() {
    let (disk, log, waiting) = full_log();
    assert!(matches!(log.close(), Err(LogError::Full { .. })));
    assert!(matches!(log.wait(waiting), Err(LogError::Full { .. })));
    log.wait(1).unwrap();
    disk.set_faults(|faults| faults.space = None);
    assert_eq!(frames(&disk, 0).unwrap(), [(1, b"fits".to_vec())]);
}

#[test]
fn closing_after_space_was_freed_loses_nothing() {
    let (disk, log, waiting) = full_log();
    disk.set_faults(|faults| faults.space = None);
    log.close().unwrap();
    log.wait(waiting).unwrap();
    assert_eq!(frames(&disk, 0).unwrap().len(), 2);
}

#[test]
fn a_full_disk_does_not_keep_a_trimmed_log_from_going_on() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    let mut last = 0;
    while disk.names().len() < 3 {
        last = write(&log, &[2; 5000]);
    }
    log.trim(last).unwrap();
    disk.set_faults(|faults| faults.space = Some(0));
    // The trimmed segments are spares: two more need no space.
    (0..10).for_each(|_| last = write(&log, &[3; 5000]));
    assert_eq!(log.synced(), last);
}

#[test]
fn opening_on_a_full_disk_says_so_and_works_later() {
    let disk = FakeDisk::default();
    disk.set_faults(|faults| faults.space = Some(0));
    assert!(matches!(reopen(&disk), Err(LogError::Full { .. })));
    disk.set_faults(|faults| faults.space = None);
    assert_eq!(reopen(&disk).unwrap().last, 0);
}

#[test]
fn a_log_that_cannot_open_its_next_file_goes_on_once_it_can() {
    for spares in [false, true] {
        let disk = FakeDisk::default();
        let log = open(&disk);
        let mut last = write(&log, &[1; 20_000]);
        if spares {
            while disk.names().len() < 3 {
                last = write(&log, &[1; 20_000]);
            }
            log.trim(last).unwrap();
        }
        disk.set_faults(|faults| faults.no_files = true);
        let waiting = log.append(&[2; 30_000]);
        let error = log.wait(waiting).unwrap_err();
        assert!(matches!(error, LogError::NoFiles { .. }), "{error}");
        assert!(error.to_string().contains("ulimit -n"), "{error}");
        assert_eq!(log.state(), State::Full);
        assert!(log.has_room(), "the write is to find out why");
        // It is tried again by itself.
        let refused = disk.counts().refused_for_files;
        disk.wait_until(|counts| counts.refused_for_files > refused + 2);
        let before = disk.counts();
        disk.set_faults(|faults| faults.no_files = false);
        // That of the new file, and that of the batch.
        disk.wait_until(|counts| counts.syncs > before.syncs + 1);
        log.wait(waiting).unwrap();
        log.close().unwrap();
        let found = frames(&disk, last).unwrap();
        assert!(found == [(waiting, vec![2; 30_000])]);
    }
}
