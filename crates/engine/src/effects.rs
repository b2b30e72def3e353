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
use smallvec::SmallVec;
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
    #[cfg(test)]
    pub(crate) now: u64,
    /// The effects, each with its logical database.
    pub(crate) effects: Vec<(usize, Command)>,
}

impl Frame {
    /// Reads a frame; `None` when the bytes are not one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut reading, head) = Reading::begin(bytes)?;
        let mut effects = Vec::new();
        while !reading.is_over() {
            let effect = reading.next()?;
            effects.push((effect.db, effect.command()?));
        }
        Some(Self {
            database: head.database,
            #[cfg(test)]
            now: head.now,
            effects,
        })
    }
}

/// What a frame says of all its effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The database they belong to.
    pub(crate) database: u32,
    /// The time at which they were made, in Unix milliseconds.
    pub(crate) now: u64,
}

/// A frame that is gone through effect by effect. Nothing is copied.
pub(crate) struct Reading<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reading<'a> {
    /// At the first effect of a frame; `None` when the bytes are not one.
    pub(crate) fn begin(bytes: &'a [u8]) -> Option<(Self, Head)> {
        let mut at = 0;
        let database = u32::try_from(take_number(bytes, &mut at)?).ok()?;
        let now = take_number(bytes, &mut at)?;
        Some((Self { bytes, at }, Head { database, now }))
    }

    /// At an effect that begins in the midst of `bytes`.
    pub(crate) fn at(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Whether the frame has no more effects.
    pub(crate) fn is_over(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next effect; `None` when what follows is not one.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<Effect<'a>> {
        let start = self.at;
        let mut at = start;
        let db = usize::try_from(take_number(self.bytes, &mut at)?).ok()?;
        let count = usize::try_from(take_number(self.bytes, &mut at)?).ok()?;
        let mut args = Args { bytes: self.bytes, at };
        let name = args.next()?;
        let after_name = args.at;
        for _ in 1..count {
            args.next()?;
        }
        self.at = args.at;
        (count > 0).then_some(Effect { bytes: self.bytes, db, count, name, start, after_name })
    }
}

/// One effect of a frame, where it lies.
#[derive(Clone, Copy)]
pub(crate) struct Effect<'a> {
    bytes: &'a [u8],
    /// The logical database.
    pub(crate) db: usize,
    /// How many arguments it has; the name is the first.
    pub(crate) count: usize,
    /// The command's name.
    pub(crate) name: &'a [u8],
    /// Where it begins.
    pub(crate) start: usize,
    after_name: usize,
}

impl<'a> Effect<'a> {
    /// The arguments after the name.
    pub(crate) fn args(&self) -> Args<'a> {
        Args { bytes: self.bytes, at: self.after_name }
    }

    /// The arguments that begin at a place that [`Args::place`] told.
    pub(crate) fn args_at(&self, place: usize) -> Args<'a> {
        Args { bytes: self.bytes, at: place }
    }

    /// The command, whole.
    pub(crate) fn command(&self) -> Option<Command> {
        self.command_of(self.args(), self.count - 1)
    }

    /// The command of the name and of the next `count` of `args`, in memory of its
    /// own.
    pub(crate) fn command_of(&self, mut args: Args<'a>, count: usize) -> Option<Command> {
        let (from, name) = (args.at, self.name.len());
        let mut ranges = SmallVec::<[_; 8]>::new();
        ranges.push(0..name);
        for _ in 0..count {
            let len = args.next()?.len();
            let end = name + args.at - from;
            ranges.push(end - len..end);
        }
        let mut buf = Vec::with_capacity(name + args.at - from);
        buf.extend_from_slice(self.name);
        buf.extend_from_slice(self.bytes.get(from..args.at)?);
        Command::from_ranges(Bytes::from(buf), ranges)
    }
}

/// Arguments of an effect, one after the other.
pub(crate) struct Args<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Args<'a> {
    /// Where the next one begins.
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// The next one; `None` when the bytes end before it does. The number of
    /// arguments is for the caller to know.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(take_number(self.bytes, &mut self.at)?).ok()?;
        let end = self.at.checked_add(len)?;
        let arg = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(arg)
    }
}

fn put_number(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[inline]
fn take_number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(u64::from(first));
    }
    take_long_number(bytes, at)
}

fn take_long_number(bytes: &[u8], at: &mut usize) -> Option<u64> {
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
