//! [`State`]: what the lock of a database guards.

use std::collections::VecDeque;

use crate::{
    effects::Effects,
    log::Position,
    memory::{Keyspace, KeyspaceId},
    pending::Pending,
    random::Random,
    script::Scripts,
};

/// Segments looked at per command while memory is over its limit.
const EVICT_STEP: usize = 4;

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct State {
    /// By logical database.
    pub(crate) keyspaces: Vec<Keyspace>,
    /// Identities of keyspaces, and those that were flushed.
    pub(crate) flushes: Flushes,
    /// Counts committed checkpoints: what was read from the store before the
    /// count changed is not to be trusted after.
    pub(crate) checkpoints: u64,
    /// What of the log was not run yet; `None` as soon as nothing is left.
    pub(crate) pending: Option<Box<Pending>>,
    pub(crate) random: Random,
    pub(crate) effects: Effects,
    /// Which of the log's frames made which version.
    pub(super) versions: Versions,
    pub(super) commands: u64,
    /// `None` until the first script comes.
    pub(crate) scripts: Option<Box<Scripts>>,
}

/// Which keyspaces were replaced by empty ones.
#[derive(Debug, Default)]
pub(crate) struct Flushes {
    /// The identity of the next keyspace to be made.
    pub(crate) next_id: u32,
    /// Keyspaces whose records the store still has.
    pub(crate) flushed: Vec<KeyspaceId>,
    /// Keyspaces to be dropped outside the lock.
    pub(crate) trash: Vec<Keyspace>,
    /// Counts replacements and swaps: what was read from the store before may
    /// be of a keyspace that is elsewhere now.
    pub(crate) count: u64,
    /// A keyspace was replaced or moved since the last checkpoint began.
    pub(crate) changed: bool,
}

/// Which frame of the log made which version of the database.
///
/// Versions count the frames of this database, so the ones that are not known
/// to be durable yet are a gapless queue.
#[derive(Debug, Default)]
pub(super) struct Versions {
    pub(super) latest: u64,
    pub(super) pending: VecDeque<Position>,
}

impl Versions {
    /// Drops what is durable.
    pub(super) fn forget(&mut self, synced: Position) {
        while self.pending.front().is_some_and(|&position| position <= synced) {
            self.pending.pop_front();
        }
    }

    /// The log position that has to be durable before `version` may be shown.
    pub(super) fn position(&mut self, version: u64, synced: Position) -> Position {
        self.forget(synced);
        let after = self.latest - self.pending.len() as u64;
        match version.checked_sub(after + 1) {
            Some(index) => self.pending.get(index as usize).copied().unwrap_or_default(),
            None => 0,
        }
    }
}

impl Flushes {
    /// Notes that keyspaces are not where they were.
    pub(crate) fn moved(&mut self) {
        self.count += 1;
        self.changed = true;
    }
}

impl State {
    /// What stands in for the state while it is elsewhere. Takes no memory.
    pub(crate) fn absent() -> Self {
        Self {
            keyspaces: Vec::new(),
            flushes: Flushes::default(),
            checkpoints: 0,
            pending: None,
            random: Random::new(0),
            effects: Effects::default(),
            versions: Versions::default(),
            commands: 0,
            scripts: None,
        }
    }

    /// A random number for a command that runs next.
    pub(crate) fn draw(&mut self) -> u64 {
        self.random.next()
    }

    /// Bytes in memory, roughly.
    pub(crate) fn memory(&self) -> usize {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.memory());
        self.keyspaces.iter().map(Keyspace::memory).sum::<usize>() + pending
    }

    /// Drops clean keys from a few segments if memory is over `limit`.
    pub(crate) fn evict(&mut self, limit: usize) {
        if self.memory() > limit {
            for keyspace in self.keyspaces.iter_mut().filter(|keyspace| keyspace.memory() > 0) {
                keyspace.evict(EVICT_STEP);
            }
        }
    }

    /// Bytes of large values that were deleted and not freed yet, roughly.
    pub(super) fn trash(&self) -> usize {
        self.keyspaces.iter().map(Keyspace::trash).sum()
    }

    /// The keyspaces, and those that were flushed and are not dropped yet.
    pub(crate) fn every_keyspace(&mut self) -> impl Iterator<Item = &mut Keyspace> {
        self.keyspaces.iter_mut().chain(&mut self.flushes.trash)
    }

    /// Whether anything changed since the last checkpoint.
    pub(crate) fn is_changed(&self) -> bool {
        self.flushes.changed || self.keyspaces.iter().any(Keyspace::is_dirty)
    }
}
