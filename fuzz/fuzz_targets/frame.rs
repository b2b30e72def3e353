//! Frames of the log, in three ways: bytes as they come, decoded alone; and
//! effects of any kind, which a whole log holds that an engine opens.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tuckbox_engine::fuzzing;

/// Names that a log may hold, since the generator would hardly find them.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    "SET DEL HSET HDEL HINCRBY APPEND SETRANGE PEXPIREAT PERSIST RENAME FLUSHDB FLUSHALL SWAPDB MOVE COPY INCRBY GETDEL \
     MSET RESTORE UNLINK"
        .split(' ')
        .collect()
});

fuzz_target!(|input: (&[u8], Vec<(u8, Vec<&[u8]>)>)| {
    let (raw, effects) = input;
    fuzzing::frame(raw);
    let mut frame = vec![0, 0x80 + 5, 1];
    for (number, args) in &effects {
        let name = NAMES[usize::from(*number >> 1) % NAMES.len()];
        frame.push(number & 1);
        put(&mut frame, args.len() as u64 + 1);
        for arg in std::iter::once(name.as_bytes()).chain(args.iter().copied()) {
            put(&mut frame, arg.len() as u64);
            frame.extend_from_slice(arg);
        }
    }
    let readable = fuzzing::frame(&frame);
    let dir = tempfile::tempdir_in("/dev/shm").expect("room in memory");
    let opened = fuzzing::open_with(dir.path(), &[&frame, &frame]);
    // What cannot even be read is not passed over.
    assert!(readable || opened.is_none());
    if let Some(keys) = opened {
        assert!(keys < 1 << 20);
    }
});

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
