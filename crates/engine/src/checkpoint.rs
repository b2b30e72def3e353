//! Checkpoints: the changed keys, as they were at one position of the log, go
//! to the store in one transaction; the log before that position can go.

use crate::{
    LogError,
    database::{Database, LOGICAL},
    files::{Files, Records},
    log::Position,
    memory::{Image, KeyspaceId},
    store::{Checkpoint, DatabaseMeta, StoreError},
};

/// Changed keys that are taken under one lock, roughly: some 50 µs of work when
/// they are small. A large value is encoded as a whole under the lock.
const IMAGES_AT_ONCE: usize = 128;

/// Records of flushed keyspaces that one transaction removes.
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
    /// Keys written or deleted.
    pub(crate) keys: u64,
    /// The log position that the store now stands for.
    pub(crate) position: Position,
}

/// A snapshot that has begun: what the store will say of the keyspaces.
struct Begun {
    position: Position,
    metas: Vec<DatabaseMeta>,
    flushed: Vec<KeyspaceId>,
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
    match write(database, files, &begun) {
        Ok(keys) => {
            end(database, true);
            // Traces of deleted keys can go, and more of what has expired can come.
            database.bells.tidy.ring();
            Ok(Some(Done { keys, position: begun.position }))
        }
        Err(error) => {
            end(database, false);
            let mut state = database.lock();
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
    let metas = (0..).zip(&mut state.keyspaces).map(|(index, keyspace)| {
        keyspace.begin_snapshot();
        DatabaseMeta {
            index: database.id() * LOGICAL as u32 + index,
            keyspace: keyspace.id().0,
            position,
            keys: keyspace.len(),
            seed: keyspace.seed(),
        }
    });
    let metas = metas.collect();
    let flushed = std::mem::take(&mut state.flushes.flushed);
    Some(Begun { position, metas, flushed })
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
            keys += images.len() as u64;
            put(&mut transaction, id, images)?;
        }
    }
    for meta in &begun.metas {
        transaction.set_meta(meta)?;
    }
    for id in &begun.flushed {
        transaction.drop_keyspace(id.0, 0)?;
    }
    // What the store says must not be ahead of what the log could replay.
    files.log.wait(begun.position)?;
    transaction.commit()?;
    Ok(keys)
}

fn put(
    transaction: &mut Checkpoint<'_>,
    id: KeyspaceId,
    images: Vec<Image>,
) -> Result<(), StoreError> {
    for image in images {
        let Image { hash, key, expire_at, value } = image;
        match value {
            Some((kind, payload)) => {
                transaction.put(id.0, hash.0, &key, expire_at, kind as u8, &payload)?;
            }
            None => {
                transaction.delete(id.0, hash.0, &key)?;
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

/// Removes a bounded part of what flushed keyspaces left in the store; returns
/// whether there is more.
///
/// # Errors
/// When the store refuses; it is as it was then.
pub(crate) fn collect_garbage(records: &Records) -> Result<bool, StoreError> {
    let store = records.store()?;
    let Some(&id) = store.garbage()?.first() else { return Ok(false) };
    let mut transaction = store.checkpoint()?;
    transaction.drop_keyspace(id, GARBAGE_AT_ONCE)?;
    transaction.commit()?;
    Ok(!store.garbage()?.is_empty())
}
