//! [`Pending`]: effects of the log that were not run yet, found by their keys.
//!
//! After a crash the log holds what the store does not have. Running all of it
//! means to read every key from the store that it names; finding which effects
//! change which key takes a small part of that time. So opening only takes note
//! of the effects, and an effect is run when a command needs its key, or by the
//! background:
//!
//! ```text
//! bytes    SET a 1 │ HSET h f v │ DEL a │ SET b 2 │ HSET h g w     the frames, as they were read
//! effects     0          1          2        3          4
//! chains   a: 2 ─► 0      h: 4 ─► 1      b: 3                      by the hash of the key
//! ```
//!
//! Adding an effect looks at one place of a small table and at nothing else that
//! lies far away, so a chain begins at its end; it is turned when it is first gone
//! through.
//!
//! Effects of one key are run in their order, each at its frame's time. Effects of
//! different keys know nothing of each other, so their order does not matter. Keys
//! whose hashes begin alike share a chain, which is right too: an effect may always
//! be run earlier, as long as those before it on its key were.

use std::sync::LazyLock;

use tuckbox_resp::table::{self, COMMAND_COUNT, CommandSpec, Flags, KeySpec};

use crate::{
    commands::{self, Runs},
    database::{Call, LOGICAL},
    effects::{Effect, Head, Reading},
    log::Position,
};

/// Bytes of frames that are kept at the most: more is run while the database is
/// opened.
pub(crate) const PENDING_BYTES: usize = 64 << 20;

/// Effects that the background takes at once, and their bytes.
const AHEAD: usize = 64;
const AHEAD_BYTES: usize = 64 * 1024;

/// There are so many chains, as a power of two: about as many as a log of usual
/// length has effects.
const CHAINS_LOG2: u32 = 17;

/// No effect.
const NONE: u32 = u32::MAX;

/// How an effect can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// Until its one key is needed.
    ForKey,
    /// The same, as so many commands as it has keys: each key has `step`
    /// arguments, and what is done to one has nothing to do with the others.
    ForEachKey { step: usize },
    /// Not at all: it concerns several keys, or all of them.
    Not,
}

/// How the effect that each command is can wait; `None` for what is no effect.
static WAITS: LazyLock<[Option<Waits>; COMMAND_COUNT]> =
    LazyLock::new(|| std::array::from_fn(|index| waits_of(table::ALL_COMMANDS.get(index)?)));

/// A command changes what its keys are and nothing else: the table is what
/// brings keys into memory before a command runs, too.
fn waits_of(spec: &CommandSpec) -> Option<Waits> {
    let runs = commands::handler(spec)?;
    let simple = matches!(runs, Runs::Data(_))
        && spec.flags.contains(Flags::WRITE)
        && spec.subcommands.is_empty()
        && !commands::reaches_elsewhere(spec);
    Some(match spec.keys {
        KeySpec::Range { first: 1, last: 1, .. } if simple => Waits::ForKey,
        KeySpec::Range { first: 1, last: -1, step } if simple && is_split(spec) => {
            Waits::ForEachKey { step: usize::from(step) }
        }
        _ => Waits::Not,
    })
}

/// Whether a command on many keys is the same as one for each of them.
fn is_split(spec: &CommandSpec) -> bool {
    matches!(spec.name, "del" | "unlink" | "mset")
}

/// How the effect that a command is can wait; `None` when it is none, or not
/// complete.
pub(crate) fn waits(spec: &CommandSpec, effect: &Effect<'_>) -> Option<Waits> {
    let waits = (*WAITS.get(spec.index())?)?;
    if let Waits::ForEachKey { step } = waits
        && !(effect.count - 1).is_multiple_of(step)
    {
        return None;
    }
    spec.arity_ok(effect.count).then_some(waits)
}

/// Marks an effect that was run.
const RAN: u32 = 1 << 31;

/// An effect that was not run yet, or was.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// Where it begins.
    start: u32,
    /// Where the arguments of its key begin; 0: it is about one key.
    args: u32,
    /// Where its frame begins, which is below [`RAN`].
    frame: u32,
    /// The effect before it in its chain; once the chain was turned, the one after
    /// it.
    link: u32,
    /// The effect before it in its logical database.
    before: u32,
}

/// The number of a chain's last effect, at which its links begin, and one; once
/// the links were turned, of its first one. 0: it has none.
#[derive(Clone, Copy, Debug, Default)]
struct Chain(u32);

impl Chain {
    /// Marks a chain whose links were turned.
    const TURNED: u32 = 1 << 31;

    fn new(number: u32) -> Self {
        Self(number.wrapping_add(1) & !Self::TURNED)
    }

    fn turned(number: u32) -> Self {
        Self(Self::new(number).0 | Self::TURNED)
    }

    fn is_turned(self) -> bool {
        self.0 & Self::TURNED != 0
    }

    /// The effect, [`NONE`] when there is none.
    fn number(self) -> u32 {
        (self.0 & !Self::TURNED).wrapping_sub(1)
    }
}

fn chain_of(place: u64) -> usize {
    (place >> (64 - CHAINS_LOG2)) as usize
}

/// An effect, ready to be run.
#[derive(Debug)]
pub(crate) struct Due {
    number: u32,
    /// The effect as a command, on its logical database.
    pub(crate) call: Call,
    /// The time at which it is run, in Unix milliseconds.
    pub(crate) now: u64,
    /// The frame's position in the log.
    pub(crate) position: Position,
}

/// Effects of the log that were not run yet; see the module.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Frames, each behind its position.
    bytes: Vec<u8>,
    /// The position of the frame of which effects are added.
    position: Position,
    /// Where it begins in the bytes, once it is there.
    frame: Option<usize>,
    effects: Vec<Waiting>,
    /// By the upper bits of the key's hash.
    chains: Vec<Chain>,
    /// The last effect in each logical database.
    last: [u32; LOGICAL],
    /// How many effects wait.
    left: usize,
    /// Effects before this one were run.
    hand: usize,
    /// The position of an effect that could not be run: the database is not what
    /// it should be.
    pub(crate) refused: Option<Position>,
}

impl Pending {
    /// Nothing.
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            position: 0,
            frame: None,
            effects: Vec::new(),
            chains: Vec::new(),
            last: [NONE; LOGICAL],
            left: 0,
            hand: 0,
            refused: None,
        }
    }

    /// How many effects wait.
    pub(crate) fn len(&self) -> usize {
        self.left
    }

    /// Bytes in memory.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity()
            + self.effects.capacity() * size_of::<Waiting>()
            + self.chains.capacity() * size_of::<Chain>()
    }

    // ---- Taking note ----

    /// Whether there is room for a frame of so many bytes. There is for any when
    /// nothing was added yet.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.bytes.is_empty() || self.bytes.len() + bytes <= PENDING_BYTES
    }

    /// Begins a frame.
    pub(crate) fn begin(&mut self, position: Position) {
        self.position = position;
        self.frame = None;
    }

    /// Adds an effect of the frame that was begun, which lies in `frame`: what it
    /// does with the key of this place. `args` is where the key's arguments begin
    /// when it has several keys.
    #[inline]
    pub(crate) fn push(&mut self, frame: &[u8], effect: &Effect<'_>, place: u64, args: usize) {
        let base = match self.frame {
            Some(base) => base,
            None => self.add_frame(frame),
        };
        let number = self.effects.len() as u32;
        let chain = std::mem::replace(&mut self.chains[chain_of(place)], Chain::new(number));
        let before = std::mem::replace(&mut self.last[effect.db], number);
        self.left += 1;
        self.effects.push(Waiting {
            start: (base + effect.start) as u32,
            args: if args == 0 { 0 } else { (base + args) as u32 },
            frame: base as u32,
            link: chain.number(),
            before,
        });
    }

    fn add_frame(&mut self, frame: &[u8]) -> usize {
        if self.chains.is_empty() {
            self.chains = vec![Chain::default(); 1 << CHAINS_LOG2];
        }
        self.bytes.extend_from_slice(&self.position.to_le_bytes());
        let base = self.bytes.len();
        self.bytes.extend_from_slice(frame);
        *self.frame.insert(base)
    }

    /// Forgets what waits for a logical database, which is emptied.
    pub(crate) fn discard(&mut self, db: usize) {
        let mut number = std::mem::replace(&mut self.last[db], NONE);
        while let Some(waiting) = self.effects.get_mut(number as usize) {
            self.left -= usize::from(waiting.frame & RAN == 0);
            waiting.frame |= RAN;
            number = waiting.before;
        }
    }

    // ---- Running ----

    /// The effect to be run next of those in the chain of a place.
    pub(crate) fn of_place(&mut self, place: u64) -> Option<u32> {
        let Self { chains, effects, .. } = self;
        let chain = chains.get_mut(chain_of(place))?;
        if !chain.is_turned() {
            let (mut number, mut after) = (chain.number(), NONE);
            while let Some(waiting) = effects.get_mut(number as usize) {
                let before = std::mem::replace(&mut waiting.link, after);
                after = std::mem::replace(&mut number, before);
            }
            *chain = Chain::turned(after);
        }
        // Some may have been run by the background.
        while let Some(waiting) = effects.get(chain.number() as usize)
            && waiting.frame & RAN != 0
        {
            *chain = Chain::turned(waiting.link);
        }
        Some(chain.number()).filter(|&number| number < NONE)
    }

    /// The effect of this number as a command; `None` when it cannot be read,
    /// which was seen to be otherwise.
    pub(crate) fn due(&self, number: u32) -> Option<Due> {
        let waiting = self.effects.get(number as usize)?;
        let effect = Reading::at(&self.bytes, waiting.start as usize).next()?;
        let spec = table::lookup(effect.name)?;
        let command = match (waiting.args, waits(spec, &effect)?) {
            (0, _) => effect.command()?,
            (at, Waits::ForEachKey { step }) => {
                effect.command_of(effect.args_at(at as usize), step)?
            }
            _ => return None,
        };
        let call = Call { spec, handler: commands::handler(spec)?, command, db: effect.db };
        let frame = self.bytes.get((waiting.frame & !RAN) as usize..)?;
        let (_, Head { now, .. }) = Reading::begin(frame)?;
        Some(Due { number, call, now, position: self.position(number) })
    }

    /// The position of the frame that an effect is of.
    pub(crate) fn position(&self, number: u32) -> Position {
        let waiting = self.effects.get(number as usize);
        let frame = waiting.map_or(0, |waiting| (waiting.frame & !RAN) as usize);
        let before = self.bytes.get(..frame).and_then(<[u8]>::last_chunk);
        before.map_or(0, |position| Position::from_le_bytes(*position))
    }

    /// Whether an effect was not run yet.
    pub(crate) fn waits(&self, due: &Due) -> bool {
        let waiting = self.effects.get(due.number as usize);
        waiting.is_some_and(|waiting| waiting.frame & RAN == 0)
    }

    /// Takes note that an effect was run: the first one of its chain.
    pub(crate) fn ran(&mut self, due: &Due) {
        if let Some(waiting) = self.effects.get_mut(due.number as usize) {
            waiting.frame |= RAN;
            self.left -= 1;
        }
    }

    /// Some of the effects that wait, in their order from the first one on; none
    /// when there are none.
    ///
    /// # Errors
    /// The number of one that cannot be read, which was seen to be otherwise.
    pub(crate) fn ahead(&mut self) -> Result<Vec<Due>, u32> {
        let ran =
            self.effects.iter().skip(self.hand).take_while(|waiting| waiting.frame & RAN != 0);
        self.hand += ran.count();
        let mut ahead = Vec::new();
        let mut bytes = 0;
        for (number, waiting) in self.effects.iter().enumerate().skip(self.hand) {
            if ahead.len() == AHEAD || bytes >= AHEAD_BYTES {
                break;
            }
            if waiting.frame & RAN == 0 {
                let due = self.due(number as u32).ok_or(number as u32)?;
                bytes += due.call.command.iter().map(<[u8]>::len).sum::<usize>();
                ahead.push(due);
            }
        }
        Ok(ahead)
    }
}
