//! Opening a data directory: the store as it is, then the log after it.

use std::{path::Path, sync::Arc};

use tuckbox_resp::{Reply, table};

use crate::{
    OpenError, Options, commands,
    database::{Call, Database, LOGICAL},
    directory,
    effects::Frame,
    files::{Files, Records},
    log::{Log, LogOptions, Position},
    memory::{Keyspace, KeyspaceId},
    random::Random,
    store::Garbage,
};

/// Below this a segment would hold little but its header.
const SEGMENT_BYTES_MIN: u64 = 64 * 1024;

/// Opens the store and the log in `dir`, and replays what the store does not
/// have yet.
///
/// Takes as long as the replay of the log since the last checkpoint, however
/// large the database is.
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
    let mut database = Database::new(0, options, keyspaces, next_id, random.next());

    let mut recovery = Log::open(&dir.join("log"), position, log_options)?;
    while let Some(frame) = recovery.next()? {
        let unreadable = || OpenError::Frame { path: dir.to_owned(), position: frame.position };
        let decoded = Frame::decode(frame.bytes).ok_or_else(unreadable)?;
        if decoded.database != database.id() {
            return Err(unreadable());
        }
        for (db, command) in decoded.effects {
            let spec = table::lookup(command.name()).ok_or_else(unreadable)?;
            let handler = commands::handler(spec).ok_or_else(unreadable)?;
            if db >= LOGICAL {
                return Err(unreadable());
            }
            let call = Call { spec, handler, command, db };
            if let Reply::Error(_) = database.replay(&records, &call, decoded.now)? {
                return Err(unreadable());
            }
        }
    }
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
