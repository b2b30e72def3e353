//! Running effects of the log: those that cannot wait while the database is
//! opened, the others when their keys are needed, or in the background.

use std::path::PathBuf;

use parking_lot::MutexGuard;
use tuckbox_resp::{ErrorReply, Reply};

use super::{Call, Database, Running, State, fetch::Locked};
use crate::{
    OpenError, commands,
    effects::Effects,
    error::store_reply,
    files::{Files, Records},
    log::Position,
    pending::{Due, Pending},
    store::StoreError,
};

/// Effects that are run under one lock for a command that needs their key.
const AT_ONCE: usize = 256;

/// Answers everything once an effect could not be run.
const REPLAY_FAILED: &str = "ERR a write in the log could not be applied to what the store has; \
     see the server's log";

/// What the log holds could not be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The store cannot be read. Nothing is lost, and it can be tried again.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An effect makes no sense on what the store has.
    #[error(
        "frame {position} of the log in {} cannot be replayed: it was written by a newer version, \
         or belongs to another store; use the version that wrote it, or a backup of the whole \
         directory",
        path.display()
    )]
    Frame {
        /// The data directory.
        path: PathBuf,
        /// The frame's position in the log.
        position: Position,
    },
}

impl From<ReplayError> for OpenError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Store(error) => error.into(),
            ReplayError::Frame { path, position } => Self::Frame { path, position },
        }
    }
}

impl ReplayError {
    /// The error for a client; the operator was told the details.
    pub(crate) fn reply(&self) -> ErrorReply {
        match self {
            Self::Store(error) => store_reply(error),
            Self::Frame { .. } => REPLAY_FAILED.into(),
        }
    }
}

impl Database {
    /// Runs everything of the log that was not run yet, in slices that hold the
    /// lock for some 100 µs. Whoever comes second waits for the first.
    ///
    /// Not to be called by who holds [`Files::saving`]: its
    /// reads may need it.
    ///
    /// # Errors
    /// When the store cannot be read, or the log does not belong to it. What could
    /// not be run still waits.
    pub(crate) fn settle(&self) -> Result<(), ReplayError> {
        let Some(files) = &self.files else { return Ok(()) };
        if self.lock().pending.is_none() {
            return Ok(());
        }
        let _one_at_a_time = self.settling.lock();
        while self.settle_some(files)? {}
        Ok(())
    }

    /// Runs a slice of what was not run yet; returns whether there may be more.
    ///
    /// # Errors
    /// As [`Database::settle`].
    pub(crate) fn settle_some(&self, files: &Files) -> Result<bool, ReplayError> {
        let mut state = self.lock();
        let ahead = state.ahead(&files.records)?;
        if ahead.is_empty() {
            let settled = state.pending.take();
            if settled.is_some() {
                self.note_memory(&state);
                self.bells.tidy.ring();
            }
            drop(state);
            // So much memory is freed outside the lock.
            drop(settled);
            return Ok(false);
        }
        drop(state);
        let calls: Vec<Call> = ahead.iter().map(|due| due.call.clone()).collect();
        let Locked { mut state, .. } = self.lock_with_present(files, &calls, &[])?;
        for due in &ahead {
            if state.pending.as_ref().is_some_and(|pending| pending.waits(due)) {
                state.run_due(&files.records, due)?;
            }
        }
        self.keep_to_the_limits(&mut state);
        MutexGuard::unlock_fair(state);
        Ok(true)
    }
}

impl State {
    /// Runs one effect of the log, at the time it was made. An error reply means
    /// that the store and the log do not belong together.
    ///
    /// # Errors
    /// When the store cannot be read; nothing was run then.
    pub(crate) fn replay(
        &mut self,
        records: &Records,
        call: &Call,
        now: u64,
    ) -> Result<Reply, StoreError> {
        let draw = self.random.next();
        self.fetch_locked(records, call, draw)?;
        // What is in the log is not logged again, and nothing has to wait for it.
        let frame = std::mem::replace(&mut self.effects, Effects::new(false));
        let mut running = Running {
            state: self,
            database: None,
            now,
            resp3: false,
            cold: None,
            draw,
            observed: 0,
            grown: false,
            alone: false,
        };
        let reply = running.call(call);
        self.effects = frame;
        Ok(reply)
    }

    /// Runs what waits for the keys of `calls` and for those of `watched`, but not
    /// more than some; returns whether it ran anything, and so may have more to do.
    ///
    /// # Errors
    /// As [`Database::settle`].
    pub(super) fn settle_keys(
        &mut self,
        records: &Records,
        calls: &[Call],
        watched: &[(usize, &[u8])],
    ) -> Result<bool, ReplayError> {
        self.check_refused(records)?;
        let mut ran = 0;
        let named = calls.iter().flat_map(Call::keys);
        for (db, key) in named.chain(watched.iter().copied()) {
            let Some(place) = self.keyspaces.get(db).map(|keyspace| keyspace.place(key)) else {
                continue;
            };
            while let Some(due) = self.due_for(records, place)? {
                if ran == AT_ONCE {
                    return Ok(true);
                }
                self.run_due(records, &due)?;
                ran += 1;
            }
        }
        Ok(ran > 0)
    }

    /// As [`State::settle_keys`], to the end and with the lock held: for a command
    /// of a script, whose keys nobody knew before.
    ///
    /// # Errors
    /// As [`Database::settle`].
    pub(crate) fn settle_for(&mut self, records: &Records, call: &Call) -> Result<(), ReplayError> {
        if self.pending.is_none() {
            return Ok(());
        }
        if commands::sees_all_keys(call) {
            return self.settle_all(records);
        }
        while self.settle_keys(records, std::slice::from_ref(call), &[])? {}
        Ok(())
    }

    /// Runs everything that waits while the lock is held.
    ///
    /// # Errors
    /// As [`Database::settle`].
    pub(crate) fn settle_all(&mut self, records: &Records) -> Result<(), ReplayError> {
        loop {
            let ahead = self.ahead(records)?;
            if ahead.is_empty() {
                return Ok(());
            }
            for due in &ahead {
                self.run_due(records, due)?;
            }
        }
    }

    /// Some of the effects that wait; none when nothing waits.
    fn ahead(&mut self, records: &Records) -> Result<Vec<Due>, ReplayError> {
        self.check_refused(records)?;
        let Some(pending) = &mut self.pending else { return Ok(Vec::new()) };
        match pending.ahead() {
            Ok(ahead) => Ok(ahead),
            Err(number) => Err(self.refuse(records, pending_position(&self.pending, number))),
        }
    }

    /// The next effect in the chain of a place.
    fn due_for(&mut self, records: &Records, place: u64) -> Result<Option<Due>, ReplayError> {
        let Some(pending) = &mut self.pending else { return Ok(None) };
        let Some(number) = pending.of_place(place) else { return Ok(None) };
        match pending.due(number) {
            Some(due) => Ok(Some(due)),
            None => Err(self.refuse(records, pending_position(&self.pending, number))),
        }
    }

    fn run_due(&mut self, records: &Records, due: &Due) -> Result<(), ReplayError> {
        if let Reply::Error(_) = self.replay(records, &due.call, due.now)? {
            return Err(self.refuse(records, due.position));
        }
        if let Some(pending) = &mut self.pending {
            pending.ran(due);
        }
        Ok(())
    }

    /// Has the database refuse everything from now on: an acknowledged write is
    /// missing from it.
    fn refuse(&mut self, records: &Records, position: Position) -> ReplayError {
        if let Some(pending) = &mut self.pending {
            pending.refused = Some(position);
        }
        let error = ReplayError::Frame { path: records.directory().to_owned(), position };
        tracing::error!(%error, "the database is not used any further");
        error
    }

    fn check_refused(&self, records: &Records) -> Result<(), ReplayError> {
        match self.pending.as_ref().and_then(|pending| pending.refused) {
            Some(position) => {
                Err(ReplayError::Frame { path: records.directory().to_owned(), position })
            }
            None => Ok(()),
        }
    }
}

fn pending_position(pending: &Option<Box<Pending>>, number: u32) -> Position {
    pending.as_ref().map_or(0, |pending| pending.position(number))
}
