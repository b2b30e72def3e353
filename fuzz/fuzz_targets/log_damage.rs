//! A log that was changed on its disk: what is read is what was written, up to a
//! place; and what a later write vouches for is not passed over in silence.

#![no_main]

use std::{fs, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use tuckbox_engine::{Engine, Options, inspect};
use tuckbox_resp::cmd;

/// Writes, each of which was synced on its own.
const WRITES: u64 = 40;

/// The segment as it was written.
static SEGMENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a directory");
    let options = || Options {
        checkpoint_interval_ms: 3_600_000,
        checkpoint_log_bytes: u64::MAX,
        random_seed: Some(1),
        ..Options::default()
    };
    let engine = Engine::open(dir.path(), options()).expect("an engine");
    let mut connection = engine.connection();
    for number in 0..WRITES {
        let value = "v".repeat(number as usize * 7);
        let executed = connection.execute(&cmd!("SET", number, value));
        engine.wait_durable(executed.position).expect("a disk");
    }
    let mut logs =
        fs::read_dir(dir.path().join("log")).expect("a log").flatten().map(|entry| entry.path());
    let log = logs.find(|path| path.extension().is_some_and(|ending| ending == "log"));
    let mut segment = fs::read(log.expect("a segment")).expect("a segment");
    let end = segment.iter().rposition(|&byte| byte != 0).expect("writes") + 1;
    segment.truncate((end + 4096).min(segment.len()));
    segment
});

/// How many bytes the first so many frames have.
static BYTES: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let whole = inspect(&SEGMENT);
    assert_eq!((whole.frames, whole.cut.is_some(), whole.damage.is_some()), (WRITES, false, false));
    let mut bytes: Vec<u64> = (0..SEGMENT.len())
        .step_by(8)
        .map(|end| {
            let read = inspect(&SEGMENT[..end]);
            (read.frames, read.bytes)
        })
        .collect::<std::collections::BTreeMap<_, _>>()
        .into_values()
        .collect();
    bytes.push(whole.bytes);
    bytes.dedup();
    bytes
});

fuzz_target!(|changes: Vec<(u16, [u8; 4], bool)>| {
    let mut segment = SEGMENT.clone();
    let mut changed = 0;
    for &(at, bytes, flip) in changes.iter().take(5) {
        let at = usize::from(at) % (segment.len() - bytes.len());
        let place = &mut segment[at..at + bytes.len()];
        let before = place.to_vec();
        for (to, from) in place.iter_mut().zip(bytes) {
            *to = if flip { *to ^ from } else { from };
        }
        // Four bytes lie in two writes at the most.
        changed += u64::from(before != place) * 2;
    }
    let found = inspect(&segment);
    assert!(found.frames <= WRITES);
    assert!(BYTES.contains(&found.bytes), "{found:?} is no beginning of what was written");
    let silent = found.damage.is_none();
    assert!(!silent || found.frames + changed >= WRITES, "{found:?}: writes are gone in silence");
    assert!(changed > 0 || found.frames == WRITES);
});
