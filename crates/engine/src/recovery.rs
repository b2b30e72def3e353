//! Opening a data directory: the store as it is, then the log after it.
//!
//! What the log says is not run here, but for what concerns several keys: see
//! [`pending`](crate::pending).

use std::{path::Path, sync::Arc};

use tuckbox_resp::{
    Reply,
    table::{self, CommandSpec},
};

use crate::{
    OpenError, Options, commands,
    database::{Call, Database, LOGICAL, State},
    directory,
    effects::{Effect, Head, Reading},
    files::{Files, Records},
    log::{Frame, Log, LogOptions, Position},
    memory::{Keyspace, KeyspaceId},
    pending::{self, Pending, Waits},
    random::Random,
    store::Garbage,
};

/// Below this a segment would hold little but its header.
const SEGMENT_BYTES_MIN: u64 = 64 * 1024;

/// Opens the store and the log in `dir`, and takes note of what the store does
/// not have yet.
///
/// Takes as long as reading the log since the last checkpoint, however large the
/// database is; and as long as running it, if at its end something concerns
/// several keys.
///
/// # Errors
/// When a file cannot be read, or holds what cannot be trusted. Nothing is
/// changed then.
pub(crate) fn open(dir: &Path, options: Options, seed: u64) -> Result<Database, OpenError> {
    let records = Records::open(dir)?;
    let mut random = Random::new(seed);
    let (keyspaces, next_id, position) = stored_keyspaces(&records, &mut random)?;
    let mut log_options = LogOptions::new(options.durability, random.next());
    log_options.segment_bytes = options.log_segment_bytes.max(SEGMENT_BYTES_MIN);
    log_options.length_limit = options.log_bytes_max();
    let mut database = Database::new(0, options, keyspaces, next_id, random.next());

    let mut recovery = Log::open(&dir.join("log"), position, log_options)?;
    let mut state = database.lock();
    state.pending = Some(Box::new(Pending::new()));
    let mut tail = Tail { dir, database: database.id(), records: &records, state: &mut state };
    while let Some(frame) = recovery.next()? {
        tail.take_in(&frame)?;
    }
    state.pending.take_if(|pending| pending.len() == 0);
    drop(state);
    if !recovery.was_closed() {
        let failed = |cause| OpenError::Directory { path: dir.to_owned(), cause };
        directory::settle(dir).map_err(failed)?;
    }
    let (log, recovered) = recovery.start()?;
    if let Some(cut) = &recovered.cut {
        tracing::warn!(
            bytes = cut.bytes,
            file = %cut.file.display(),
            offset = cut.offset,
            "the log's end was torn: it was cut; no acknowledged write was in it"
        );
    }
    database.attach(Arc::new(Files::new(log, records)));
    Ok(database)
}

/// What the log has after the store's position, taken in frame by frame.
struct Tail<'a> {
    dir: &'a Path,
    database: u32,
    records: &'a Records,
    state: &'a mut State,
}

impl Tail<'_> {
    fn take_in(&mut self, frame: &Frame<'_>) -> Result<(), OpenError> {
        let (dir, position) = (self.dir, frame.position);
        let unreadable = || OpenError::Frame { path: dir.to_owned(), position };
        let (mut reading, Head { database, now }) =
            Reading::begin(frame.bytes).ok_or_else(unreadable)?;
        if database != self.database {
            return Err(unreadable());
        }
        if !self.pending().has_room(frame.bytes.len()) {
            self.run_all()?;
        }
        self.pending().begin(position);
        while !reading.is_over() {
            let effect = reading.next().filter(|effect| effect.db < LOGICAL);
            let effect = effect.ok_or_else(unreadable)?;
            let spec = table::lookup(effect.name).ok_or_else(unreadable)?;
            match pending::waits(spec, &effect).ok_or_else(unreadable)? {
                Waits::ForKey => self.keep(frame, &effect, None).ok_or_else(unreadable)?,
                Waits::ForEachKey { step } => {
                    self.keep(frame, &effect, Some(step)).ok_or_else(unreadable)?;
                }
                Waits::Not => {
                    self.run_before(spec, &effect)?;
                    if !self.run(spec, &effect, now)? {
                        return Err(unreadable());
                    }
                    self.pending().begin(position);
                }
            }
        }
        Ok(())
    }

    /// Keeps an effect for later: as one on its one key, or as one on each key
    /// with its `step` arguments.
    #[inline]
    fn keep(&mut self, frame: &Frame<'_>, effect: &Effect<'_>, step: Option<usize>) -> Option<()> {
        let State { keyspaces, pending, .. } = &mut *self.state;
        let (keyspace, pending) = (keyspaces.get(effect.db)?, pending.as_mut()?);
        let mut args = effect.args();
        let Some(step) = step else {
            pending.push(frame.bytes, effect, keyspace.place(args.next()?), 0);
            return Some(());
        };
        for _ in 0..(effect.count - 1) / step {
            let at = args.place();
            let place = keyspace.place(args.next()?);
            for _ in 1..step {
                args.next()?;
            }
            pending.push(frame.bytes, effect, place, at);
        }
        Some(())
    }

    /// What has to be run before an effect that cannot wait: everything, but for
    /// what the effect undoes whatever it was.
    fn run_before(&mut self, spec: &CommandSpec, effect: &Effect<'_>) -> Result<(), OpenError> {
        match spec.name {
            "flushdb" => self.pending().discard(effect.db),
            "flushall" => (0..LOGICAL).for_each(|db| self.pending().discard(db)),
            _ => self.run_all()?,
        }
        Ok(())
    }

    fn run_all(&mut self) -> Result<(), OpenError> {
        self.state.settle_all(self.records)?;
        *self.pending() = Pending::new();
        Ok(())
    }

    /// Runs an effect now; returns whether that went well.
    fn run(
        &mut self,
        spec: &'static CommandSpec,
        effect: &Effect<'_>,
        now: u64,
    ) -> Result<bool, OpenError> {
        let (Some(handler), Some(command)) = (commands::handler(spec), effect.command()) else {
            return Ok(false);
        };
        let call = Call { spec, handler, command, db: effect.db };
        let reply = self.state.replay(self.records, &call, now)?;
        Ok(!matches!(reply, Reply::Error(_)))
    }

    fn pending(&mut self) -> &mut Pending {
        self.state.pending.get_or_insert_with(|| Box::new(Pending::new()))
    }
}

/// The keyspaces as the store knows them, the next free identity, and the log
/// position they stand for.
fn stored_keyspaces(
    records: &Records,
    random: &mut Random,
) -> Result<(Vec<Keyspace>, u32, Position), OpenError> {
    let store = records.store()?;
    let metas = store.meta()?;
    let garbage = store.garbage()?;
    let garbage = garbage.into_iter().map(|garbage| match garbage {
        Garbage::Keyspace(id) | Garbage::Value(id, _) => id,
    });
    let used = metas.iter().map(|meta| meta.keyspace).chain(garbage);
    let mut next_id = used.max().map_or(0, |id| id + 1);
    let mut keyspaces = Vec::with_capacity(LOGICAL);
    for index in 0..LOGICAL as u32 {
        keyspaces.push(match metas.iter().find(|meta| meta.index == index) {
            Some(meta) => {
                let id = KeyspaceId(meta.keyspace);
                Keyspace::stored(id, meta.seed, meta.keys, meta.next_value)
            }
            None => {
                next_id += 1;
                Keyspace::new(KeyspaceId(next_id - 1), random.seed())
            }
        });
    }
    let position = metas.iter().map(|meta| meta.position).max().unwrap_or(0);
    Ok((keyspaces, next_id, position))
}

#[cfg(test)]
mod programs;
#[cfg(test)]
pub(crate) mod tests;
