//! What commands need and what only the store has: which keys and which parts
//! of values they are, and how they come into memory.

use std::collections::HashMap;

use parking_lot::MutexGuard;
use smallvec::SmallVec;
use tuckbox_resp::ErrorReply;

use super::{Call, Database, LOGICAL, State};
use crate::{
    commands::{self, Cold, Need, Walk},
    error::store_reply,
    files::{Files, Records, Stored},
    memory::{Gap, Head, KeyHash, Keyspace, KeyspaceId, Parts, Reach, Residency, Value, ValueId},
    store::StoreError,
};

/// How often what was read from the store may be out of date before checkpoints
/// are kept away from the next reading.
const STALE_READS: usize = 2;

/// Something that the store has to be asked for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    /// A key of a logical database.
    Key { db: usize, keyspace: KeyspaceId, hash: KeyHash, key: Box<[u8]> },
    /// Parts of a value of a logical database; `one`: the part of one item.
    Parts { db: usize, keyspace: KeyspaceId, id: ValueId, gap: Gap, one: bool },
}

type AllMissing = SmallVec<[Missing; 2]>;

/// What was read from the store and is not in memory yet.
#[derive(Debug, Default)]
struct Fetched {
    keys: HashMap<(usize, Box<[u8]>), Option<Stored>>,
    /// By logical database.
    parts: HashMap<usize, Parts>,
    /// Values of which all is needed: up to this place nothing was missing.
    whole_until: HashMap<(usize, ValueId), u64>,
}

/// The lock, with everything that commands need in memory.
pub(super) struct Locked<'a> {
    pub(super) state: MutexGuard<'a, State>,
    pub(super) cold: Option<Cold>,
    /// The random number that told which parts a command needs.
    pub(super) draw: u64,
}

impl Database {
    /// The lock, with every key that `calls` name in memory if it exists, and
    /// every part of a value that they need; what the log says of them was run.
    pub(super) fn lock_with_keys(
        &self,
        files: &Files,
        calls: &[Call],
        watched: &[(usize, &[u8])],
    ) -> Result<Locked<'_>, ErrorReply> {
        loop {
            let read = self.lock_with_present(files, calls, watched);
            let mut locked = read.map_err(|error| store_reply(&error))?;
            if locked.state.pending.is_none() {
                return Ok(locked);
            }
            let settled = if calls.iter().any(commands::sees_all_keys) {
                drop(locked);
                self.settle().map(|()| true)
            } else {
                let settled = locked.state.settle_keys(&files.records, calls, watched);
                if let Ok(false) = settled {
                    return Ok(locked);
                }
                // A long chain is run in slices.
                MutexGuard::unlock_fair(locked.state);
                settled
            };
            // Once more: the keys are not what they were when they were read.
            settled.map_err(|error| error.reply())?;
        }
    }

    /// The lock, with every key that `calls` name in memory if it exists, and
    /// every part of a value that they need: as the store has them where that is
    /// all there is.
    pub(super) fn lock_with_present(
        &self,
        files: &Files,
        calls: &[Call],
        watched: &[(usize, &[u8])],
    ) -> Result<Locked<'_>, StoreError> {
        // What the store has, as of a stamp. It goes into memory at the end, all at
        // once: others may have things dropped meanwhile, and what was changed in
        // memory stays there as long as the stamp does.
        let mut fetched = Fetched::default();
        let mut cold = None;
        let mut stale = 0;
        let mut no_checkpoint = None;
        let mut state = self.lock();
        let draw = state.random.next();
        let mut stamp = state.stamp();
        loop {
            let missing = state.missing(calls, watched, &mut fetched, draw);
            let walk = if cold.is_none() { state.walk(calls) } else { None };
            if missing.is_empty() && walk.is_none() {
                fetched.admit(&mut state.keyspaces);
                return Ok(Locked { state, cold, draw });
            }
            let walked = walk.as_ref().map(|(db, _)| state.keyspaces[*db].id());
            drop(state);

            if stale >= STALE_READS && no_checkpoint.is_none() {
                // A reading that takes longer than the time between two checkpoints
                // would never be good. Held until everything is in memory.
                no_checkpoint = Some(files.saving.lock());
            }
            fetched.read(&files.records, missing)?;
            if let (Some((_, walk)), Some(id)) = (walk, walked) {
                cold = Some(files.records.walk(id, &walk)?);
            }

            state = self.lock();
            if state.stamp() != stamp {
                // What was read may be older than what memory has dropped since,
                // or of a keyspace that is elsewhere now.
                stamp = state.stamp();
                fetched = Fetched::default();
                stale += 1;
                cold = None;
            }
            // Once more: other things may have been dropped from memory meanwhile.
        }
    }
}

impl Fetched {
    fn read(&mut self, records: &Records, missing: AllMissing) -> Result<(), StoreError> {
        for missing in missing {
            match missing {
                Missing::Key { db, keyspace, hash, key } => {
                    let found = records.read(keyspace, hash, &key)?;
                    self.keys.insert((db, key), found);
                }
                Missing::Parts { db, keyspace, id, gap, one } => {
                    let parts = self.parts.entry(db).or_default();
                    for part in records.read_parts(keyspace, id, gap)? {
                        parts.admit(id, part, one);
                    }
                    if !one {
                        self.whole_until.insert((db, id), gap.from);
                    }
                }
            }
        }
        Ok(())
    }

    fn admit(self, keyspaces: &mut [Keyspace]) {
        for ((db, key), found) in self.keys {
            if let Some(found) = found {
                keyspaces[db].admit(&key, found.value, found.expire_at);
            }
        }
        for (db, parts) in self.parts {
            for (id, part, one) in parts.into_stored() {
                keyspaces[db].admit_part(id, part, one);
            }
        }
    }

    /// The value of a key: `None` when neither memory nor this has it,
    /// `Some(None)` when it is known not to exist.
    fn known<'a>(
        &'a self,
        keyspace: &'a Keyspace,
        db: usize,
        key: &[u8],
    ) -> Option<Option<&'a Value>> {
        let in_memory = keyspace.known(key);
        if in_memory.is_some() || self.keys.is_empty() {
            return in_memory;
        }
        let found = self.keys.get(&(db, key.into()))?;
        Some(found.as_ref().map(|stored| &stored.value))
    }
}

impl State {
    /// What was read from the store outside the lock can be used as long as
    /// this is the same.
    fn stamp(&self) -> (u64, u64) {
        (self.checkpoints, self.flushes.count)
    }

    /// Brings what one call needs into memory, reading it while the lock is
    /// held. Returns whether anything was missing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn fetch_locked(
        &mut self,
        records: &Records,
        call: &Call,
        draw: u64,
    ) -> Result<bool, StoreError> {
        let mut fetched = Fetched::default();
        let mut any = false;
        loop {
            let missing = self.missing(std::slice::from_ref(call), &[], &mut fetched, draw);
            if missing.is_empty() {
                fetched.admit(&mut self.keyspaces);
                return Ok(any);
            }
            any = true;
            fetched.read(records, missing)?;
        }
    }

    /// As [`State::fetch_locked`], for a call whose keys are in memory if they
    /// exist: a command before it may have given a key another value.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn fetch_parts_locked(
        &mut self,
        records: &Records,
        call: &Call,
        draw: u64,
    ) -> Result<bool, StoreError> {
        let Some((db, key)) = call.keys().next() else { return Ok(false) };
        let keyspace = &self.keyspaces[db];
        let in_parts = keyspace.residency() == Residency::Partial
            && matches!(keyspace.known(key), Some(Some(Value::Parts(_))));
        if in_parts { self.fetch_locked(records, call, draw) } else { Ok(false) }
    }

    /// What `calls` need and what the store has to be asked for.
    fn missing(
        &self,
        calls: &[Call],
        watched: &[(usize, &[u8])],
        fetched: &mut Fetched,
        draw: u64,
    ) -> AllMissing {
        let mut missing = AllMissing::new();
        loop {
            watched.iter().for_each(|(db, key)| _ = self.ask(*db, key, fetched, &mut missing));
            for (call, places) in in_places(calls) {
                for (number, (db, key)) in call.keys().enumerate() {
                    let db = places.of(db);
                    let value = self.ask(db, key, fetched, &mut missing);
                    // What a command needs of a value is of the one it names first.
                    if let (0, Some(Value::Parts(head))) = (number, value) {
                        self.ask_parts(db, head, (call, draw), fetched, &mut missing);
                    }
                }
            }
            // Parts that were there at an earlier look may have gone since.
            if !missing.is_empty() || fetched.whole_until.is_empty() {
                break;
            }
            fetched.whole_until.clear();
        }
        if missing.len() > 1 {
            missing.sort_unstable();
            missing.dedup();
        }
        missing
    }

    /// The value of a key, or `None`: then it is `missing` if the store may have
    /// it.
    fn ask<'a>(
        &'a self,
        db: usize,
        key: &[u8],
        fetched: &'a Fetched,
        missing: &mut AllMissing,
    ) -> Option<&'a Value> {
        let keyspace = self.keyspaces.get(db)?;
        if keyspace.residency() == Residency::Complete {
            return None;
        }
        let known = fetched.known(keyspace, db, key);
        if known.is_none() {
            let (keyspace, hash) = (keyspace.id(), keyspace.hash(key));
            missing.push(Missing::Key { db, keyspace, hash, key: key.into() });
        }
        known.flatten()
    }

    /// Adds the parts that a call needs of a value to what is `missing`.
    fn ask_parts(
        &self,
        db: usize,
        head: &Head,
        (call, draw): (&Call, u64),
        fetched: &Fetched,
        missing: &mut AllMissing,
    ) {
        let keyspace = &self.keyspaces[db];
        let none = Parts::default();
        let among = fetched.parts.get(&db).unwrap_or(&none);
        let mut ask = |reach: Reach| {
            if let Some(gap) = keyspace.gap(among, head, reach) {
                let (keyspace, id, one) = (keyspace.id(), head.id, reach.items == 0);
                missing.push(Missing::Parts { db, keyspace, id, gap, one });
            }
        };
        match commands::need(call) {
            Need::Head => {}
            Need::Items { first, step } => {
                for name in call.command.iter_from(first).step_by(step) {
                    ask(Reach::one(keyspace.place(name)));
                }
            }
            Need::From { place, items } => ask(Reach { from: place, items, wraps: false }),
            Need::Around { items } => ask(Reach { from: draw, items, wraps: true }),
            Need::All => {
                let from = fetched.whole_until.get(&(db, head.id)).copied().unwrap_or(0);
                ask(Reach { from, ..Reach::ALL });
            }
        }
    }

    /// The places that one of `calls` walks, if some keys there are only in
    /// the store.
    pub(crate) fn walk(&mut self, calls: &[Call]) -> Option<(usize, Walk)> {
        in_places(calls).find_map(|(call, places)| {
            let db = places.of(call.db);
            let partial = self.keyspaces[db].residency() == Residency::Partial;
            let walk = partial.then(|| {
                let gone = self.keyspaces[db].gone();
                commands::walk(call, gone, &mut self.random)
            })??;
            Some((db, walk))
        })
    }
}

/// Where the keyspaces of the logical databases are while a transaction that
/// swaps them is looked at before it runs.
#[derive(Clone, Copy)]
struct Places([u8; LOGICAL]);

impl Places {
    /// The logical database whose keyspace is at `db` by then.
    fn of(self, db: usize) -> usize {
        self.0.get(db).map_or(db, |&place| usize::from(place))
    }
}

/// Each call, with the places of the keyspaces when it will run.
fn in_places(calls: &[Call]) -> impl Iterator<Item = (&Call, Places)> {
    let mut places = Places(std::array::from_fn(|db| db as u8));
    calls.iter().map(move |call| {
        let before = places;
        if let Some((one, two)) = commands::swap(call) {
            places.0.swap(one, two);
        }
        (call, before)
    })
}

impl Call {
    /// The keys that have to be in memory, each with its logical database.
    pub(super) fn keys(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let indexes = self.spec.keys(&self.command).ok().into_iter().flatten();
        let named = indexes.filter_map(|index| Some((self.db, self.command.get(index)?)));
        named.chain(commands::keys_elsewhere(self))
    }
}
