//! Torn tails are cut, damage is refused, old bytes do not come back.

use super::*;
use crate::log::batch::{BatchHeader, HEADER_BYTES, Kind, put_frame};
use crate::log::disk::Disk;
use crate::log::inspect;
use crate::log::segment::{FIRST_BATCH, PAGE_BYTES, log_name, spare_name};

/// A disk with a log of `count` batches of one frame each, as a killed process
/// leaves it, and where each batch starts.
fn killed(count: u64) -> (FakeDisk, Vec<usize>) {
    let disk = FakeDisk::default();
    let log = open(&disk);
    let mut starts = vec![FIRST_BATCH as usize];
    let mut end = FIRST_BATCH as usize + HEADER_BYTES;
    for number in 0..count {
        starts.push(end);
        let frame = format!("frame {number}");
        write(&log, frame.as_bytes());
        end += HEADER_BYTES + 1 + frame.len();
    }
    starts.push(end);
    // The copy is what a kill leaves; the log itself is closed behind it.
    (disk.copy(), starts)
}

fn flip(disk: &FakeDisk, offset: usize, bit: usize) -> FakeDisk {
    let damaged = disk.copy();
    damaged.edit(&log_name(1), |bytes| bytes[offset] ^= 1 << bit);
    damaged
}

#[test]
fn a_new_log_is_empty_and_small() {
    let disk = FakeDisk::default();
    let recovered = reopen(&disk).unwrap();
    assert_eq!(recovered, Recovered { last: 0, frames: 0, bytes: 0, cut: None });
    assert_eq!(disk.names(), [log_name(1)]);
    disk.edit(&log_name(1), |bytes| assert_eq!(bytes.len(), 64 * 1024));
}

#[test]
fn frames_come_back_in_order_after_the_checkpoint() {
    let (disk, _) = killed(5);
    let found = frames(&disk, 2).unwrap();
    let expected = [2, 3, 4].map(|number| (number + 1, format!("frame {number}").into_bytes()));
    assert_eq!(found, expected);
    assert_eq!(frames(&disk, 5).unwrap(), []);
    let recovered = reopen(&disk).unwrap();
    assert_eq!(recovered, Recovered { last: 5, frames: 5, bytes: 35, cut: None });
}

#[test]
fn a_torn_tail_is_cut_and_reported() {
    let (disk, starts) = killed(3);
    let (start, end) = (starts[3], starts[4]);
    for kept in 1..end - start {
        let torn = disk.copy();
        torn.edit(&log_name(1), |bytes| bytes[start + kept..end].fill(0));
        let recovered = reopen(&torn).unwrap();
        assert_eq!(recovered.last, 2, "{kept} bytes kept");
        let cut = recovered.cut.unwrap();
        assert_eq!((cut.position, cut.offset), (3, start as u64));
        assert!(cut.bytes <= (end - start) as u64 && cut.bytes > 0);
        // It was cut once and for all.
        let again = reopen(&torn).unwrap();
        assert_eq!((again.last, again.cut), (2, None));
    }
}

#[test]
fn a_file_that_ends_early_has_a_torn_tail() {
    let (disk, starts) = killed(3);
    for length in starts[3]..starts[4] {
        let torn = disk.copy();
        torn.edit(&log_name(1), |bytes| bytes.truncate(length));
        assert_eq!(reopen(&torn).unwrap().last, 2, "{length} bytes long");
    }
}

#[test]
fn a_flipped_bit_before_the_last_batch_is_found() {
    let (disk, starts) = killed(4);
    let mut random = Random(1);
    for offset in 0..starts[4] {
        if (48..FIRST_BATCH as usize).contains(&offset) {
            continue; // not used
        }
        let damaged = flip(&disk, offset, random.below(8) as usize);
        match frames(&damaged, 0) {
            Err(LogError::Segment { .. }) => assert!(offset < FIRST_BATCH as usize),
            Err(LogError::Corrupt { offset: at, position, .. }) => {
                let batch = starts.iter().rposition(|start| *start <= offset).unwrap();
                assert_eq!((at, position), (starts[batch] as u64, batch.max(1) as u64));
            }
            other => panic!("byte {offset}: {other:?}"),
        }
    }
    // The last batch is a torn one as far as anybody can tell.
    for offset in starts[4]..starts[5] {
        let damaged = flip(&disk, offset, random.below(8) as usize);
        assert_eq!(frames(&damaged, 0).unwrap().len(), 3, "byte {offset}");
    }
}

#[test]
fn a_flipped_bit_in_a_closed_log_is_found_in_the_last_batch_too() {
    let (disk, starts) = killed(4);
    reopen(&disk).unwrap();
    // Behind the frames: the batches "open" and "close" of the second opening.
    let (open, end) = (starts[5], starts[5] + 2 * HEADER_BYTES);
    let mut random = Random(2);
    for offset in FIRST_BATCH as usize..open {
        let damaged = flip(&disk, offset, random.below(8) as usize);
        let error = frames(&damaged, 0).unwrap_err();
        assert!(matches!(error, LogError::Corrupt { .. }), "byte {offset}: {error}");
        assert!(error.to_string().contains("truncate this one"), "{error}");
    }
    for offset in end - HEADER_BYTES..end {
        let recovered = reopen(&flip(&disk, offset, random.below(8) as usize)).unwrap();
        assert_eq!(recovered.last, 4);
        assert_eq!(recovered.cut.unwrap().offset, (end - HEADER_BYTES) as u64);
    }
}

#[test]
fn what_is_left_of_a_cut_tail_does_not_come_back() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    write(&log, b"kept");
    let written = disk.copy();
    for frame in [b"old 2", b"old 3", b"old 4"] {
        write(&log, frame);
    }
    log.close().unwrap();
    let old_start = FIRST_BATCH as usize + 2 * HEADER_BYTES + 5;
    let batch = HEADER_BYTES + 6;
    let mut old = Vec::new();
    disk.edit(&log_name(1), |bytes| old = bytes[old_start..old_start + 3 * batch].to_vec());
    // The power cut kept batches 3 and 4 but not 2; they claim nothing synced.
    for number in 0..3 {
        let claimed = number * batch;
        let mut header = BatchHeader::decode(IDENTITY, &old[claimed..]).unwrap().0;
        header.synced_upto = 1;
        header.seal(IDENTITY, &mut old[claimed..claimed + batch]);
    }
    written.edit(&log_name(1), |bytes| {
        bytes[old_start + batch..old_start + 3 * batch].copy_from_slice(&old[batch..]);
    });
    let log = open(&written);
    assert_eq!(log.last(), 1);
    write(&log, b"new 2");
    let killed = written.copy();
    let found: Vec<_> = frames(&killed, 0).unwrap().into_iter().map(|(_, frame)| frame).collect();
    assert_eq!(found, [&b"kept"[..], b"new 2"]);
}

#[test]
fn a_batch_counts_only_with_the_next_position_and_the_generation_in_force() {
    // At the end of the log, exactly where the next batch belongs, lies a valid
    // one, as the earlier life of a file can leave it there.
    let (disk, starts) = killed(2);
    reopen(&disk).unwrap(); // generation 2: open, close
    let log = open(&disk); // generation 3: open
    write(&log, b"frame 2");
    let end = starts[3] + 4 * HEADER_BYTES + 8;
    for (generation, first, counts) in
        [(3, 4, true), (2, 4, false), (3, 3, false), (3, 1, false), (3, 5, false)]
    {
        let planted = disk.copy();
        let mut batch = vec![0; HEADER_BYTES];
        put_frame(&mut batch, b"planted");
        let header = BatchHeader {
            kind: Kind::Data,
            payload_bytes: 8,
            frames: 1,
            generation,
            first,
            synced_upto: 3,
        };
        header.seal(IDENTITY, &mut batch);
        planted.edit(&log_name(1), |bytes| {
            bytes[end..end + batch.len()].copy_from_slice(&batch);
        });
        let found = frames(&planted, 0).unwrap().len();
        assert_eq!(found, 3 + usize::from(counts), "generation {generation}, position {first}");
    }
}

#[test]
fn a_value_that_looks_like_a_batch_is_only_a_value() {
    // Made by a client that knows everything but the identity.
    let mut forged = vec![0; HEADER_BYTES];
    put_frame(&mut forged, b"forged");
    let header = BatchHeader {
        kind: Kind::Data,
        payload_bytes: 7,
        frames: 1,
        generation: u64::MAX,
        first: 3,
        synced_upto: u64::MAX,
    };
    header.seal(IDENTITY + 1, &mut forged);
    let disk = FakeDisk::default();
    let log = open(&disk);
    write(&log, b"first");
    write(&log, &forged.repeat(50));
    let torn = disk.copy();
    let start = FIRST_BATCH as usize + 2 * HEADER_BYTES + 6;
    torn.edit(&log_name(1), |bytes| bytes[start + HEADER_BYTES] ^= 1);
    assert_eq!(frames(&torn, 0).unwrap(), [(1, b"first".to_vec())]);
}

/// Several segments, each full.
fn long_log() -> (FakeDisk, Position) {
    let disk = FakeDisk::default();
    let log = open(&disk);
    let mut last = 0;
    while disk.names().len() < 4 {
        last = write(&log, &[1; 6000]);
    }
    log.close().unwrap();
    (disk, last)
}

#[test]
fn a_missing_segment_is_refused() {
    let (disk, last) = long_log();
    assert_eq!(frames(&disk, 0).unwrap().len() as u64, last);
    for missing in 1..=3 {
        let damaged = disk.copy();
        damaged.remove(&log_name(missing)).unwrap();
        let error = frames(&damaged, 0).unwrap_err();
        assert!(matches!(error, LogError::Missing { .. }), "segment {missing}: {error}");
    }
}

#[test]
fn a_batch_damaged_at_the_end_of_a_segment_is_refused() {
    let (disk, _) = long_log();
    let damaged = disk.copy();
    let mut last_byte = 0;
    damaged.edit(&log_name(2), |bytes| {
        last_byte = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[last_byte] = 0;
    });
    match frames(&damaged, 0).unwrap_err() {
        LogError::Corrupt { file, offset, .. } => {
            assert!(file.ends_with(log_name(2)));
            assert!((offset as usize) < last_byte);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_advice_for_a_damaged_log_works() {
    let (disk, _) = long_log();
    disk.edit(&log_name(2), |bytes| bytes[7000] ^= 1);
    let LogError::Corrupt { offset, position, .. } = frames(&disk, 0).unwrap_err() else {
        panic!("not found")
    };
    disk.edit(&log_name(2), |bytes| bytes.truncate(offset as usize));
    disk.remove(&log_name(3)).unwrap();
    disk.remove(&log_name(4)).unwrap();
    let log = open(&disk);
    assert_eq!(log.last(), position - 1);
    write(&log, b"goes on");
    log.close().unwrap();
    assert_eq!(frames(&disk, position - 1).unwrap(), [(position, b"goes on".to_vec())]);
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let (disk, _) = long_log();
    disk.edit(&log_name(2), |bytes| {
        bytes[16] ^= 1;
        let crc = crc32fast::hash(&bytes[16..48]).to_le_bytes();
        bytes[12..16].copy_from_slice(&crc);
    });
    let error = frames(&disk, 0).unwrap_err();
    assert!(matches!(error, LogError::Segment { found: "belongs to another log", .. }), "{error}");
}

#[test]
fn trimmed_segments_are_written_over() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    let mut last = 0;
    for round in 0..20u8 {
        (0..8).for_each(|_| last = write(&log, &[round; 6000]));
        log.trim(last).unwrap();
        assert!(disk.names().len() <= 5, "{:?}", disk.names());
        assert_eq!(log.bytes_since_trim(), 0);
    }
    let kept: Vec<_> = (0..3u8).map(|number| (write(&log, &[number]), vec![number])).collect();
    let killed = disk.copy();
    assert_eq!(frames(&killed, last).unwrap(), kept);
    assert!(matches!(frames(&killed, 0), Err(LogError::Missing { position: 1, .. })));
    log.close().unwrap();
    assert_eq!(frames(&disk, last).unwrap(), kept);
}

#[test]
fn what_an_interrupted_start_of_a_segment_left_is_no_spare() {
    let (disk, last) = long_log();
    // Its number is that of a live segment, which will want the name.
    disk.create(&spare_name(1)).unwrap();
    let (log, _) = recover(&disk, 0).unwrap().start().unwrap();
    log.trim(last).unwrap();
    let mut last = last;
    (0..30).for_each(|_| last = write(&log, &[4; 6000]));
    assert_eq!(log.synced(), last);
}

#[test]
fn behind_the_last_batch_the_file_is_blank() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    let identity = IDENTITY.to_le_bytes();
    // Fill spares with something else than zeros, then write over them.
    for length in 5000..5100 {
        let last = write(&log, &vec![0xff; length]);
        log.trim(last).unwrap();
        let names = disk.names();
        let name = names.iter().rfind(|name| name.ends_with(".log")).unwrap();
        disk.edit(name, |bytes| {
            let starts = memchr::memmem::rfind_iter(bytes, &identity);
            let ends = starts.filter_map(|start| {
                let header = BatchHeader::decode(IDENTITY, &bytes[start..])?.0;
                let end = start + header.total_bytes() as usize;
                (header.last() == last).then_some(end)
            });
            let end = ends.max().unwrap();
            let page_end = end.next_multiple_of(PAGE_BYTES as usize);
            let blank = &bytes[end..page_end.max(end + HEADER_BYTES)];
            assert!(blank.iter().all(|byte| *byte == 0), "frame of {length} bytes");
        });
    }
}

#[test]
fn segments_that_a_checkpoint_holds_are_tidied_up_at_open() {
    let (disk, last) = long_log();
    let (log, recovered) = recover(&disk, last).unwrap().start().unwrap();
    assert_eq!((recovered.last, recovered.frames), (last, 0));
    let names = disk.names();
    let live = names.iter().filter(|name| name.ends_with(".log")).count();
    assert_eq!((live, names.len()), (1, 3));
    assert_eq!(write(&log, b"next"), last + 1);
}

#[test]
fn a_checkpoint_ahead_of_the_log_is_where_it_goes_on() {
    let (disk, _) = killed(3);
    let (log, recovered) = recover(&disk, 10).unwrap().start().unwrap();
    assert_eq!((recovered.last, recovered.frames), (10, 0));
    assert_eq!(write(&log, b"eleven"), 11);
    log.close().unwrap();
    assert_eq!(frames(&disk, 10).unwrap(), [(11, b"eleven".to_vec())]);
}

#[test]
fn a_frame_longer_than_a_segment_and_any_buffer_comes_back() {
    let disk = FakeDisk::default();
    let log = open(&disk);
    let huge: Vec<u8> = (0..2_000_000u32).map(|number| (number / 251) as u8).collect();
    for frame in [&b"before"[..], &huge, b"", b"after"] {
        write(&log, frame);
    }
    log.close().unwrap();
    let found = frames(&disk, 0).unwrap();
    assert!(found[1].1 == huge);
    assert_eq!(found.len(), 4);
    assert_eq!((found[2].1.len(), &*found[3].1), (0, &b"after"[..]));
}

#[test]
fn inspecting_any_bytes_ends_without_a_panic() {
    let (disk, starts) = killed(4);
    let mut good = Vec::new();
    disk.edit(&log_name(1), |bytes| good = bytes[..starts[5] + 100].to_vec());
    let whole = inspect(&good);
    assert_eq!((whole.frames, whole.last), (4, 4));
    assert!(whole.cut.is_none() && whole.damage.is_none());
    let mut random = Random(3);
    for round in 0..2000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(8) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
        }
        bytes.truncate(random.below(bytes.len() as u64 + 1) as usize);
        let found = inspect(&bytes);
        assert!(found.frames <= 4, "round {round}");
    }
}
