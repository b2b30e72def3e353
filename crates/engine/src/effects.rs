//! [`Effects`]: what a command did, as commands that do exactly that again.
//!
//! The log holds effects, not requests: `SET k v EX 10` is logged as
//! `SET k v PXAT 1767225610000`, a random choice as the member chosen. One
//! frame of the log is all that one command, or one transaction, did:
//!
//! ```text
//! frame   = database, now, effect*      now: Unix time in milliseconds
//! effect  = number of the logical database, count, argument*
//! argument = length, bytes               numbers: LEB128, unsigned
//! ```
//!
//! Running the effects of a frame at the frame's `now` on the state that was
//! there before gives the state that was there after, expiry included.

use bytes::Bytes;
use tuckbox_resp::Command;

/// A buffer that grew beyond this is not kept.
const KEPT_BYTES: usize = 1 << 20;

/// The effects of the commands that are running, or nothing at all when no log
/// wants them.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    frame: Vec<u8>,
    logged: bool,
    count: usize,
}

impl Effects {
    /// Effects that are kept when `logged`, else only counted.
    pub(crate) fn new(logged: bool) -> Self {
        Self { frame: Vec::new(), logged, count: 0 }
    }

    /// Begins the next frame.
    pub(crate) fn begin(&mut self, database: u32, now: u64) {
        self.frame.clear();
        if self.frame.capacity() > KEPT_BYTES {
            self.frame = Vec::new();
        }
        self.count = 0;
        if self.logged {
            put_number(&mut self.frame, u64::from(database));
            put_number(&mut self.frame, now);
        }
    }

    /// Adds one effect on the logical database `db`.
    pub(crate) fn push<'a>(&mut self, db: usize, args: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.count += 1;
        if !self.logged {
            return;
        }
        put_number(&mut self.frame, db as u64);
        put_number(&mut self.frame, args.len() as u64);
        for arg in args {
            put_number(&mut self.frame, arg.len() as u64);
            self.frame.extend_from_slice(arg);
        }
    }

    /// Whether a log wants the effects.
    pub(crate) fn are_logged(&self) -> bool {
        self.logged
    }

    /// How many effects the frame has.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of the frame; 0 when no log wants it.
    pub(crate) fn bytes(&self) -> usize {
        self.frame.len()
    }

    /// The frame, as the log keeps it.
    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }
}

/// A frame read back from the log.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The database it belongs to.
    pub(crate) database: u32,
    /// The time at which it was made, in Unix milliseconds.
    pub(crate) now: u64,
    /// The effects, each with its logical database.
    pub(crate) effects: Vec<(usize, Command)>,
}

impl Frame {
    /// Reads a frame; `None` when the bytes are not one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let buf = Bytes::copy_from_slice(bytes);
        let mut at = 0;
        let database = u32::try_from(take_number(bytes, &mut at)?).ok()?;
        let now = take_number(bytes, &mut at)?;
        let mut effects = Vec::new();
        while at < bytes.len() {
            let db = usize::try_from(take_number(bytes, &mut at)?).ok()?;
            let count = take_number(bytes, &mut at)?;
            let mut ranges = Vec::new();
            for _ in 0..count {
                let len = usize::try_from(take_number(bytes, &mut at)?).ok()?;
                let end = at.checked_add(len).filter(|&end| end <= bytes.len())?;
                ranges.push(at..end);
                at = end;
            }
            effects.push((db, Command::from_ranges(buf.clone(), ranges)?));
        }
        Some(Self { database, now, effects })
    }
}

fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take_number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use tuckbox_resp::cmd;

    use super::*;

    #[test]
    fn a_frame_reads_back_as_it_was_written() {
        let mut effects = Effects::new(true);
        effects.begin(7, 1_767_225_610_000);
        effects.push(0, cmd!("SET", "k", "v").iter());
        effects.push(15, cmd!("DEL", "k").iter());
        let frame = Frame::decode(effects.frame()).unwrap();
        assert_eq!((frame.database, frame.now), (7, 1_767_225_610_000));
        assert_eq!(frame.effects, [(0, cmd!("SET", "k", "v")), (15, cmd!("DEL", "k"))]);
    }

    #[test]
    fn no_part_of_a_frame_panics() {
        let mut effects = Effects::new(true);
        effects.begin(1, 300);
        effects.push(0, cmd!("SET", "key", "a longer value").iter());
        for len in 0..effects.frame().len() {
            let _ = Frame::decode(&effects.frame()[..len]);
        }
        assert!(Frame::decode(&[0xff; 40]).is_none());
    }
}
