//! Checkpoints: the changed keys, as they were at one position of the log, go
//! to the store in one transaction; the log before that position can go.

use std::sync::atomic::Ordering;

use crate::{
    LogError,
    database::{Database, LOGICAL},
    files::{Files, Records},
    log::Position,
    memory::{Image, Images, KeyspaceId, PartImage, ValueId},
    store::{Checkpoint, DatabaseMeta, Garbage, NewPart, StoreError},
};

/// Changed keys that are taken under one lock, roughly: some 50 µs of work when
/// they are small. Of a value in parts only parts are taken, a quarter as many.
const IMAGES_AT_ONCE: usize = 128;

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
    if !state.is_changed() {
        return None;
    }
    state.flushes.changed = false;
    let position = files.log.last();
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
        loop {
            let mut state = database.lock();
            // Wherever it is by now: swapped, or flushed and kept for this.
            let keyspace = state.every_keyspace().find(|keyspace| keyspace.id() == id);
            let images = keyspace.and_then(|keyspace| keyspace.next_images(IMAGES_AT_ONCE));
            parking_lot::MutexGuard::unlock_fair(state);
            let Some(images) = images else { break };
            keys += (images.keys.len() + images.parts.len()) as u64;
            put(&mut transaction, id, images)?;
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

fn put(transaction: &mut Checkpoint<'_>, id: KeyspaceId, images: Images) -> Result<(), StoreError> {
    for image in images.keys {
        let Image { hash, key, expire_at, value } = image;
        match value {
            Some((tag, payload)) => {
                transaction.put(id.0, hash.0, &key, expire_at, tag, &payload)?;
            }
            None => {
                transaction.delete(id.0, hash.0, &key)?;
            }
        }
    }
    for PartImage { id: value, start, until, items } in images.parts {
        match items {
            Some((kind, payload)) => {
                let part = NewPart { start, until, kind, payload: &payload };
                transaction.put_part(id.0, value.0, &part)?;
            }
            None => {
                transaction.delete_part(id.0, value.0, start)?;
            }
        }
    }
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
