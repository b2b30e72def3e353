//! What the store keeps, decoded: is it what an engine would have written?

use std::collections::{BTreeMap, HashSet};

use crate::{
    memory::{Keyspace, KeyspaceId, Value},
    store::{Content, Contents, DatabaseMeta, PartRef},
    types::Kind,
};

/// Reads the payloads of records and parts as an engine would, of the databases
/// that a store has.
pub(super) struct Values {
    /// Without keys: what hashes them.
    keyspaces: BTreeMap<u32, Keyspace>,
}

impl Values {
    pub(super) fn of(databases: &[DatabaseMeta]) -> Self {
        let keyspace = |meta: &DatabaseMeta| {
            let id = KeyspaceId(meta.keyspace);
            (meta.keyspace, Keyspace::stored(id, meta.seed, meta.keys, meta.next_value))
        };
        Self { keyspaces: databases.iter().map(keyspace).collect() }
    }
}

impl Contents for Values {
    fn record(
        &self,
        keyspace: u32,
        hash: u128,
        key: &[u8],
        kind: u8,
        payload: &[u8],
    ) -> Result<Content, &'static str> {
        // A keyspace of no database is told of as that.
        let keyspace = self.keyspaces.get(&keyspace);
        if keyspace.is_some_and(|keyspace| keyspace.hash(key).0 != hash) {
            return Err("its key has another hash, so it cannot be found");
        }
        match decode(kind, payload)? {
            Value::Parts(head) if keyspace.is_some_and(|of| head.id.0 >= of.next_value()) => {
                Err("its parts have a number that was never given out")
            }
            Value::Parts(head) => Ok(Content::Head { value: head.id.0, items: head.len }),
            _ => Ok(Content::Whole),
        }
    }

    fn part(&self, keyspace: u32, part: &PartRef<'_>) -> Result<u64, &'static str> {
        let value = decode(part.kind, part.payload)?;
        if let Some(keyspace) = self.keyspaces.get(&keyspace)
            && !names(&value).all(|name| (part.start..=part.until).contains(&keyspace.place(name)))
        {
            return Err("it has items that lie elsewhere, so they cannot be found");
        }
        match value {
            Value::Str(_) | Value::Parts(_) => Err("its type is kept in no parts"),
            items => Ok(items.items() as u64),
        }
    }
}

/// The value behind a stored form, if that is what an engine writes: a type that
/// is known, with items, each of which is there once.
pub(crate) fn decode(kind: u8, payload: &[u8]) -> Result<Value, &'static str> {
    let known = Kind::from_tag(kind).ok_or("its type is not known to this version")?;
    let value = Value::decode(kind, payload).ok_or("its value cannot be decoded")?;
    match &value {
        Value::Str(_) => return Ok(value),
        Value::Parts(_) if known == Kind::Str => return Err("its type is kept in no parts"),
        _ => {}
    }
    if value.items() == 0 {
        return Err("its value has no items");
    }
    // Items that come twice are lost while it is read, or stay twice.
    let mut again = Vec::with_capacity(payload.len());
    value.encode(&mut again);
    let mut seen = HashSet::new();
    if again != payload || !names(&value).all(|name| seen.insert(name)) {
        return Err("its value has an item twice, or is written in a way that no engine writes");
    }
    drop(seen);
    Ok(value)
}

/// The names of its items.
fn names(value: &Value) -> impl Iterator<Item = &[u8]> {
    let names = match value {
        Value::Items(items) => items.names(),
        Value::Str(_) | Value::Parts(_) => Vec::new(),
    };
    names.into_iter()
}
