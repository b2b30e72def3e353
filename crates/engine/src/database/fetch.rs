//! The keys that commands need and that only the store has: which they are, and
//! how they come into memory.

use std::collections::HashMap;

use parking_lot::MutexGuard;
use smallvec::SmallVec;
use tuckbox_resp::ErrorReply;

use super::{Call, Database, LOGICAL, State};
use crate::{
    commands::{self, Cold, Walk},
    error::store_reply,
    files::{Files, Stored},
    memory::Residency,
};

/// How often what was read from the store may be out of date before checkpoints
/// are kept away from the next reading.
const STALE_READS: usize = 2;

/// Keys that the store has to be asked for, each with its logical database.
type Missing = SmallVec<[(usize, Box<[u8]>); 2]>;

impl Database {
    /// The lock, with every key that `calls` name in memory if it exists.
    pub(super) fn lock_with_keys(
        &self,
        files: &Files,
        calls: &[Call],
        watched: &[(usize, &[u8])],
    ) -> Result<(MutexGuard<'_, State>, Option<Cold>), ErrorReply> {
        // What the store has of the keys, and of a walk, as of a stamp. It goes into
        // memory at the end, all at once: others may have keys dropped meanwhile,
        // and what was changed in memory stays there as long as the stamp does.
        let mut fetched: HashMap<_, Option<Stored>> = HashMap::new();
        let mut cold = None;
        let mut stale = 0;
        let mut no_checkpoint = None;
        let mut state = self.lock();
        let mut stamp = state.stamp();
        loop {
            let mut missing = state.missing(calls, watched);
            if !fetched.is_empty() {
                missing.retain(|key| !fetched.contains_key(key));
            }
            if missing.len() > 1 {
                missing.sort_unstable();
                missing.dedup();
            }
            let walk = if cold.is_none() { state.walk(calls) } else { None };
            if missing.is_empty() && walk.is_none() {
                for ((db, key), found) in fetched {
                    if let Some(found) = found {
                        state.keyspaces[db].admit(&key, found.value, found.expire_at);
                    }
                }
                return Ok((state, cold));
            }
            let keyspaces: SmallVec<[_; 4]> = missing
                .iter()
                .map(|(db, key)| (state.keyspaces[*db].id(), state.keyspaces[*db].hash(key)))
                .collect();
            let walked = walk.as_ref().map(|(db, _)| state.keyspaces[*db].id());
            drop(state);

            if stale >= STALE_READS && no_checkpoint.is_none() {
                // A reading that takes longer than the time between two checkpoints
                // would never be good. Held until everything is in memory.
                no_checkpoint = Some(files.saving.lock());
            }
            let mut found: SmallVec<[_; 4]> = SmallVec::new();
            for ((id, hash), (_, key)) in keyspaces.into_iter().zip(&missing) {
                found.push(files.records.read(id, hash, key).map_err(|error| store_reply(&error))?);
            }
            if let (Some((_, walk)), Some(id)) = (walk, walked) {
                let read = files.records.walk(id, &walk);
                cold = Some(read.map_err(|error| store_reply(&error))?);
            }

            state = self.lock();
            if state.stamp() != stamp {
                // What was read may be older than what memory has dropped since,
                // or of a keyspace that is elsewhere now.
                stamp = state.stamp();
                fetched.clear();
                stale += 1;
                cold = None;
                continue;
            }
            fetched.extend(missing.into_iter().zip(found));
            // Once more: other keys may have been dropped from memory meanwhile.
        }
    }
}

impl State {
    /// What was read from the store outside the lock can be used as long as
    /// this is the same.
    fn stamp(&self) -> (u64, u64) {
        (self.checkpoints, self.flushes.count)
    }

    /// The keys that `calls` name and that the store has to be asked for.
    pub(crate) fn missing(&self, calls: &[Call], watched: &[(usize, &[u8])]) -> Missing {
        let mut missing = Missing::new();
        let mut ask = |db: usize, key: &[u8]| {
            if self.keyspaces.get(db).is_some_and(|keyspace| keyspace.is_missing(key)) {
                missing.push((db, key.into()));
            }
        };
        watched.iter().for_each(|(db, key)| ask(*db, key));
        for (call, places) in in_places(calls) {
            call.keys().for_each(|(db, key)| ask(places.of(db), key));
        }
        missing
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
    fn keys(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let indexes = self.spec.keys(&self.command).ok().into_iter().flatten();
        let named = indexes.filter_map(|index| Some((self.db, self.command.get(index)?)));
        named.chain(commands::keys_elsewhere(self))
    }
}
