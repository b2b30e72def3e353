//! One sync serves everybody.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::log::State;
use crate::log::waiters::block_on;

#[test]
fn frames_appended_during_a_sync_share_the_next_one() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    let before = disk.counts();
    disk.set_faults(|faults| faults.syncs_block = true);
    log.append(b"first");
    disk.wait_until(|counts| counts.syncs_begun == before.syncs_begun + 1);
    let last = (0..100).map(|_| log.append(b"meanwhile")).last().unwrap();
    assert_eq!((log.synced(), log.last()), (0, last));
    disk.set_faults(|faults| faults.syncs_block = false);
    log.wait(last).unwrap();
    let after = disk.counts();
    assert_eq!(after.syncs - before.syncs, 2);
    assert_eq!(after.writes - before.writes, 2);
    assert_eq!(log.synced(), 101);
}

#[test]
fn every_frame_of_many_threads_is_durable_when_it_says_so() {
    const THREADS: usize = 8;
    const FRAMES: usize = 100;
    let disk = FakeDisk::default();
    let log = Arc::new(open(&disk));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                for number in 0..FRAMES {
                    let position = write(&log, format!("{thread} {number}").as_bytes());
                    assert!(log.synced() >= position);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let after_cut = disk.cut_power(&mut Random(0));
    let mut found = frames(&after_cut, 0).unwrap();
    assert_eq!(found.len(), THREADS * FRAMES);
    assert!((1..).zip(&found).all(|(position, frame)| frame.0 == position));
    // Each thread's frames are there, in its order.
    found.sort_by_key(|(position, frame)| (frame[0], *position));
    let expected = (0..THREADS).flat_map(|thread| {
        (0..FRAMES).map(move |number| format!("{thread} {number}").into_bytes())
    });
    assert!(found.into_iter().map(|(_, frame)| frame).eq(expected));
}

#[test]
fn a_full_buffer_makes_writes_wait_until_it_was_taken() {
    let disk = FakeDisk::default();
    let small = LogOptions { pending_limit: 1000, ..options(Durability::Always) };
    let log = Recovery::on(Arc::new(disk.clone()), 0, small).unwrap().start().unwrap().0;
    let before = disk.counts();
    disk.set_faults(|faults| faults.syncs_block = true);
    log.append(b"first");
    disk.wait_until(|counts| counts.syncs_begun > before.syncs_begun);
    assert!(!log.pending_full());
    let last = log.append(&[0; 1000]);
    assert!(log.pending_full());
    let room = log.room();
    disk.set_faults(|faults| faults.syncs_block = false);
    block_on(room).unwrap();
    assert!(!log.pending_full());
    log.wait(last).unwrap();
}

#[test]
fn a_log_that_is_too_long_makes_writes_wait_until_it_is_trimmed() {
    let disk = FakeDisk::default();
    let short = LogOptions { length_limit: 10_000, ..options(Durability::Always) };
    let log = Recovery::on(Arc::new(disk.clone()), 0, short.clone()).unwrap();
    let log = log.start().unwrap().0;
    let mut frames = 0;
    while log.has_room() {
        write(&log, &[1; 100]);
        frames += 1;
    }
    // However little of it waits to be written.
    let bytes = log.bytes_since_trim();
    assert!((10_000..10_000 + 110).contains(&bytes), "{bytes}");
    assert!(frames > 90);

    let checkpoint = log.mark();
    let later = log.append(&[2; 1000]);
    assert!(!log.has_room());
    let room = log.room();
    log.trim(checkpoint).unwrap();
    block_on(room).unwrap();
    assert!(log.has_room());
    let left = log.bytes_since_trim();
    assert!((1000..1010).contains(&left), "{left}");
    log.wait(later).unwrap();
    log.close().unwrap();

    // A restart knows how long it is.
    let log = Recovery::on(Arc::new(disk), checkpoint, short).unwrap().start().unwrap().0;
    assert!((1000..1010).contains(&log.bytes_since_trim()));
    log.append(&[3; 9000]);
    assert!(!log.has_room());
}

#[test]
fn a_log_that_is_let_grow_makes_nobody_wait() {
    let disk = FakeDisk::default();
    let short = LogOptions { length_limit: 1000, ..options(Durability::Always) };
    let log = Recovery::on(Arc::new(disk), 0, short).unwrap().start().unwrap().0;
    log.append(&[1; 1000]);
    let room = log.room();
    assert!(!log.has_room());
    log.let_grow(true);
    block_on(room).unwrap();
    log.append(&[1; 1000]);
    assert!(log.has_room());
    log.let_grow(false);
    assert!(!log.has_room());
}

#[test]
fn everysec_acknowledges_at_once_and_syncs_later() {
    let disk = FakeDisk::default();
    let later =
        LogOptions { sync_interval: Duration::from_millis(1), ..options(Durability::EverySec) };
    let log = Recovery::on(Arc::new(disk.clone()), 0, later).unwrap().start().unwrap().0;
    let before = disk.counts();
    disk.set_faults(|faults| faults.syncs_block = true);
    let position = log.append(b"accepted");
    log.wait(position).unwrap();
    assert_eq!((log.synced(), log.state()), (0, State::Open));
    disk.wait_until(|counts| counts.syncs_begun > before.syncs_begun);
    disk.set_faults(|faults| faults.syncs_block = false);
    disk.wait_until(|counts| counts.syncs > before.syncs);
    let after_cut = disk.cut_power(&mut Random(0));
    assert_eq!(frames(&after_cut, 0).unwrap(), [(1, b"accepted".to_vec())]);
}

#[test]
fn closing_an_everysec_log_syncs_it() {
    let disk = FakeDisk::default();
    let everysec = options(Durability::EverySec);
    let log = Recovery::on(Arc::new(disk.clone()), 0, everysec).unwrap().start().unwrap().0;
    (0..10).for_each(|_| _ = log.append(b"accepted"));
    log.close().unwrap();
    assert_eq!(disk.unsynced_bytes(), 0);
    assert_eq!(frames(&disk, 0).unwrap().len(), 10);
}

#[test]
fn closing_twice_is_closing_once() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    let last = log.append(b"kept");
    log.close().unwrap();
    let writes = disk.counts().writes;
    log.close().unwrap();
    assert_eq!(disk.counts().writes, writes);
    log.wait(last).unwrap();
    assert_eq!(log.state(), State::Closed);
    let dropped = log.append(b"too late");
    assert!(matches!(log.wait(dropped), Err(LogError::Closed)));
    drop(log);
    assert_eq!(frames(&disk, 0).unwrap(), [(1, b"kept".to_vec())]);
}

#[test]
fn dropping_a_log_closes_it() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    log.append(b"kept");
    drop(log);
    assert_eq!(disk.unsynced_bytes(), 0);
    assert_eq!(frames(&disk, 0).unwrap(), [(1, b"kept".to_vec())]);
}
