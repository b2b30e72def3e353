//! Doors for the fuzz targets to parsers that nothing else reaches alone. Only
//! there when it is built by cargo-fuzz.
//!
//! Each panics when what it is about does not hold.

use std::{path::Path, sync::Arc};

use tuckbox_resp::cmd;

use crate::{
    Durability, Engine, ManualClock, OpenError, Options, check,
    effects::{Effects, Frame},
    log::{Log, LogOptions},
    memory::Value,
};

pub use crate::store::fuzzing::{meta, part, record};

/// A frame of the log: what is decoded is encoded and decoded to the same again.
/// Returns whether an opening could replay it, as far as a check can tell.
pub fn frame(bytes: &[u8]) -> bool {
    let readable = check::read(bytes).is_ok();
    let Some(frame) = Frame::decode(bytes) else {
        assert!(!readable);
        return false;
    };
    let mut effects = Effects::new(true);
    effects.begin(frame.database, 7);
    for (db, command) in &frame.effects {
        effects.push(*db, command.iter());
    }
    let again = Frame::decode(effects.frame()).expect("what was encoded");
    assert_eq!((again.database, again.effects), (frame.database, frame.effects));
    readable
}

/// The stored form of a value: what is decoded stays the same when it is encoded
/// and decoded again.
pub fn value(kind: u8, payload: &[u8]) {
    let Some(value) = Value::decode(kind, payload) else { return };
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    value.encode(&mut once);
    let again = Value::decode(value.tag(), &once).expect("what was encoded");
    again.encode(&mut twice);
    assert_eq!(once, twice);
    assert!(again.items() <= value.items());
    // Whatever a check would say of it.
    let sound = check::decode(kind, payload).is_ok();
    assert!(!sound || once == payload);
}

/// Opens `dir` after its log was made of these frames; its store is empty.
/// Returns the number of keys, which is the same after another opening, or `None`
/// when the frames cannot be replayed.
pub fn open_with(dir: &Path, frames: &[&[u8]]) -> Option<u64> {
    let options = LogOptions::new(Durability::EverySec, 7);
    let (log, _) =
        Log::open(&dir.join("log"), 0, options).and_then(|log| log.start()).expect("a log");
    frames.iter().for_each(|frame| _ = log.append(frame));
    log.close().expect("room in memory");
    let options = || Options {
        durability: Durability::EverySec,
        log_segment_bytes: 64 << 10,
        clock: Arc::new(ManualClock::at(1 << 41)),
        ..Options::default()
    };
    let keys = |engine: &Engine| {
        let reply = engine.connection().execute(&cmd!("KEYS", "*")).reply;
        reply.into_array().map_or(0, |keys| keys.len() as u64)
    };
    let engine = Engine::open(dir, options()).ok()?;
    let found = keys(&engine);
    // What a frame asks for may only be found wrong when it is needed. The log keeps it then.
    let closed = engine.close();
    drop(engine);
    if let Err(error) = closed {
        assert!(matches!(error, OpenError::Frame { .. }), "{error}");
        return None;
    }
    let engine = Engine::open(dir, options()).expect("what was closed");
    assert_eq!(keys(&engine), found);
    Some(found)
}
