//! Checkpoints: the changed keys, as they were at one position of the log, go
//! to the store in one transaction; the log before that position can go.

use std::sync::atomic::Ordering;

use crate::{
    LogError,
    database::{Database, LOGICAL, ReplayError},
    files::{Files, Records},
    log::Position,
    memory::{Images, KeyspaceId, ValueId},
    store::{Checkpoint, DatabaseMeta, Garbage, PartChange, RecordChange, StoreError},
};

/// Changed keys that are taken under one lock, roughly: some 10 µs of work when
/// they are small. Of a value in parts only parts are taken, a quarter as many.
const IMAGES_AT_ONCE: usize = 32;

/// Changed keys and parts, and bytes of them, that are gathered before they go
/// to the store in its order: so many at once lie close together in its tree.
const GATHERED: usize = 1024;
const GATHERED_BYTES: usize = 512 << 10;

/// Records of flushed keyspaces and of deleted values that one transaction
/// removes.
const GARBAGE_AT_ONCE: usize = 10_000;

/// A checkpoint was not made. Nothing is lost: the log has everything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// The store refused; it is as it was.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot promise what the store would say.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What is in the log since a crash could not be run.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// What a checkpoint did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Keys and parts written or deleted.
    pub(crate) keys: u64,
    /// The log position that the store now stands for.
    pub(crate) position: Position,
}

/// A snapshot that has begun: what the store will say of the keyspaces.
struct Begun {
    position: Position,
    metas: Vec<DatabaseMeta>,
    flushed: Vec<KeyspaceId>,
    /// Values in parts that are no more, by keyspace.
    dropped: Vec<(KeyspaceId, Vec<ValueId>)>,
}

/// Brings the store up to the state of now.
///
/// `None` when there was nothing to do.
///
/// # Errors
/// When the store refuses or the log fails. Both are as they were then.
pub(crate) fn run(database: &Database, files: &Files) -> Result<Option<Done>, CheckpointError> {
    // The state that is saved has everything that the log has up to its position.
    let settled = database.settle();
    if settled.is_err() {
        files.note_checkpoint(&settled);
    }
    settled?;
    // A keyspace has one snapshot: a checkpoint that somebody asked for waits for
    // the one that the background makes, and the other way round.
    let _one_at_a_time = files.saving.lock();
    let Some(begun) = begin(database, files) else { return Ok(None) };
    let written = write(database, files, &begun);
    files.note_checkpoint(&written);
    match written {
        Ok(keys) => {
            end(database, true);
            files.saved_at_ms.store(database.options.clock.now_ms(), Ordering::Relaxed);
            // Traces of deleted keys can go, and more of what has expired can come.
            database.bells.tidy.ring();
            Ok(Some(Done { keys, position: begun.position }))
        }
        Err(error) => {
            files.records.read_on();
            end(database, false);
            let mut state = database.lock();
            for (id, values) in begun.dropped {
                // Those of a keyspace that was flushed meanwhile go with it.
                if let Some(keyspace) = state.keyspaces.iter_mut().find(|found| found.id() == id) {
                    keyspace.put_back_dropped(values);
                }
            }
            state.flushes.flushed.extend(begun.flushed);
            state.flushes.changed = true;
            Err(error)
        }
    }
}

/// Begins a snapshot of all keyspaces at one position of the log.
fn begin(database: &Database, files: &Files) -> Option<Begun> {
    let mut state = database.lock();
    // What made no difference in the end is in the log all the same.
    if !state.is_changed() && files.log.bytes_since_trim() == 0 {
        return None;
    }
    state.flushes.changed = false;
    let position = files.log.mark();
    let mut dropped = Vec::new();
    let metas = (0..).zip(&mut state.keyspaces).map(|(index, keyspace)| {
        keyspace.begin_snapshot();
        dropped.push((keyspace.id(), keyspace.take_dropped()));
        DatabaseMeta {
            index: database.id() * LOGICAL as u32 + index,
            keyspace: keyspace.id().0,
            position,
            keys: keyspace.len(),
            next_value: keyspace.next_value(),
            seed: keyspace.seed(),
        }
    });
    let metas: Vec<_> = metas.collect();
    let flushed = std::mem::take(&mut state.flushes.flushed);
    Some(Begun { position, metas, flushed, dropped })
}

/// Writes the snapshot; returns the number of keys.
fn write(database: &Database, files: &Files, begun: &Begun) -> Result<u64, CheckpointError> {
    let store = files.records.store()?;
    let mut transaction = store.checkpoint()?;
    let mut keys = 0;
    for meta in &begun.metas {
        let id = KeyspaceId(meta.keyspace);
        let (mut gathered, mut bytes) = (Images::default(), 0);
        loop {
            let mut state = database.lock();
            // Wherever it is by now: swapped, or flushed and kept for this.
            let keyspace = state.every_keyspace().find(|keyspace| keyspace.id() == id);
            let images = keyspace.and_then(|keyspace| keyspace.next_images(IMAGES_AT_ONCE));
            parking_lot::MutexGuard::unlock_fair(state);
            let is_last = images.is_none();
            if let Some(images) = images {
                bytes += images.bytes();
                gathered.extend(images);
            }
            if is_last || gathered.len() >= GATHERED || bytes >= GATHERED_BYTES {
                keys += gathered.len() as u64;
                bytes = 0;
                put(&mut transaction, id, &mut gathered)?;
            }
            if is_last {
                break;
            }
        }
    }
    for meta in &begun.metas {
        transaction.set_meta(meta)?;
    }
    for id in &begun.flushed {
        transaction.drop_later(Garbage::Keyspace(id.0))?;
    }
    for (id, values) in &begun.dropped {
        for value in values {
            transaction.drop_later(Garbage::Value(id.0, value.0))?;
        }
    }
    // What the store says must not be ahead of what the log could replay.
    files.log.wait(begun.position)?;
    transaction.commit()?;
    Ok(keys)
}

/// Writes what was gathered, and empties it.
fn put(
    transaction: &mut Checkpoint<'_>,
    id: KeyspaceId,
    gathered: &mut Images,
) -> Result<(), StoreError> {
    let Images { keys, parts } = gathered;
    // Of one key or part there may be several, all the same.
    keys.sort_unstable_by_key(|image| image.hash.0);
    keys.dedup_by(|one, other| one.hash == other.hash && one.key == other.key);
    let changes = keys.iter().map(|image| RecordChange {
        hash: image.hash.0,
        key: &image.key,
        expire_at: image.expire_at,
        value: image.value.as_ref().map(|(tag, payload)| (*tag, &payload[..])),
    });
    transaction.change_records(id.0, &changes.collect::<Vec<_>>())?;
    keys.clear();
    parts.sort_unstable_by_key(|image| (image.id, image.start));
    parts.dedup_by_key(|image| (image.id, image.start));
    let changes = parts.iter().map(|image| PartChange {
        value: image.id.0,
        start: image.start,
        until: image.until,
        items: image.items.as_ref().map(|(kind, payload)| (*kind, &payload[..])),
    });
    transaction.change_parts(id.0, &changes.collect::<Vec<_>>())?;
    parts.clear();
    Ok(())
}

fn end(database: &Database, committed: bool) {
    let mut state = database.lock();
    for keyspace in state.every_keyspace() {
        keyspace.end_snapshot(committed);
    }
    state.checkpoints += u64::from(committed);
}

/// Removes a bounded part of what flushed keyspaces and deleted values left in
/// the store; returns
/// whether there is more.
///
/// # Errors
/// When the store refuses; it is as it was then.
pub(crate) fn collect_garbage(records: &Records) -> Result<bool, StoreError> {
    let store = records.store()?;
    if !store.has_garbage()? {
        return Ok(false);
    }
    let mut transaction = store.checkpoint()?;
    let more = transaction.remove_garbage(GARBAGE_AT_ONCE)?;
    transaction.commit()?;
    Ok(more)
}
