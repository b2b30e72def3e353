//! The one file that owns the session layer's keys and commands.
//!
//! A session is a hash at `{prefix}{h}`, where h is the SHA-256 of the cookie's
//! id. Its fields:
//!
//! | field | value |
//! |---|---|
//! | `created` | when, in milliseconds since 1970; written once, with the session |
//! | `seen` | when it was last touched (with the slide's precision), likewise |
//! | `user` | the user's id; absent while nobody is logged in |
//! | `d:{key}` | the JSON of the session's value under `key` |
//!
//! The key expires in the store when the idle time has passed.
//!
//! Only creation writes `created`, under an id that never was before. So a
//! hash without it is never a session: a write that arrives after the session
//! was deleted brings nothing back. It leaves fields that nobody can read, sees
//! by `HEXISTS created` that it came too late, and deletes them.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tuckbox::{Arg, Command, Db, Reply, cmd};

use crate::{
    SessionError,
    id::{ID_LENGTH, Id},
};

const CREATED: &str = "created";
const SEEN: &str = "seen";
const USER: &str = "user";
const VALUE_PREFIX: &[u8] = b"d:";

/// The sessions in a database.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    db: Db,
    prefix: String,
    idle: Duration,
}

/// What the store holds under an id that a request presented.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// A session past its idle time, or no session at all.
    Dead,
    /// A session.
    Live(Record),
}

/// A live session as it was when it was read.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) user: Option<Arc<str>>,
    /// When it was last touched, in milliseconds since 1970.
    pub(crate) seen: u64,
    /// The values by session key, as JSON.
    values: Vec<(Bytes, Bytes)>,
}

impl Record {
    pub(crate) fn value(&self, key: &str) -> Option<&Bytes> {
        self.values.iter().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value)
    }

    /// The session's keys and values.
    pub(crate) fn values(&self) -> &[(Bytes, Bytes)] {
        &self.values
    }
}

/// Commands that save one request's changes to one session.
#[derive(Debug)]
pub(crate) struct Write {
    commands: Vec<Command>,
    /// All or nothing needs a transaction: more than one command changes data.
    atomic: bool,
    /// The place of a reply that shows, by this integer, that the session was
    /// still there.
    alive: Option<(usize, i64)>,
    id: Id,
}

impl Store {
    pub(crate) fn new(db: Db, prefix: String, idle: Duration) -> Self {
        Self { db, prefix, idle }
    }

    /// Reads the session of `id`. Costs 1 command.
    pub(crate) async fn load(&self, id: &Id, now: u64) -> Result<Found, SessionError> {
        let reply = self.db.call(cmd!("HGETALL", self.key(id))).await?;
        let fields = reply.into_pairs().map_err(tuckbox::Error::from)?;
        if fields.is_empty() {
            return Ok(Found::Nothing);
        }
        Ok(match decode(fields) {
            Some(record) if self.lives(record.seen, now) => Found::Live(record),
            _ => Found::Dead,
        })
    }

    /// A new session. Costs 2 commands: `HSET`, `PEXPIRE`.
    pub(crate) fn creation<'a>(
        &self,
        id: Id,
        user: Option<&str>,
        now: u64,
        values: impl Iterator<Item = (&'a str, &'a Bytes)>,
    ) -> Write {
        let mut hset = Command::new("HSET").arg(self.key(&id)).arg(CREATED).arg(now);
        hset = hset.arg(SEEN).arg(now);
        if let Some(user) = user {
            hset = hset.arg(USER).arg(user);
        }
        for (key, value) in values {
            hset = hset.arg(Field(key)).arg(value);
        }
        Write { commands: vec![hset.build(), self.expiry(&id)], atomic: false, alive: None, id }
    }

    /// Changes of an existing session's values, `None` removing one, and with
    /// `slide` the time of its last touch. Costs 2 commands, 1 more with
    /// `slide`, 3 more when values are both set and removed.
    pub(crate) fn change<'a>(
        &self,
        id: Id,
        changes: impl Iterator<Item = (&'a str, Option<&'a Bytes>)>,
        slide: Option<u64>,
    ) -> Write {
        let key = self.key(&id);
        let mut hset = Command::new("HSET").arg(&key);
        let mut hdel = Command::new("HDEL").arg(&key);
        let (mut sets, mut removes) = (0, 0);
        for (name, value) in changes {
            if let Some(value) = value {
                hset = hset.arg(Field(name)).arg(value);
                sets += 1;
            } else {
                hdel = hdel.arg(Field(name));
                removes += 1;
            }
        }
        if let Some(now) = slide {
            hset = hset.arg(SEEN).arg(now);
            sets += 1;
        }
        let mut commands = Vec::with_capacity(4);
        if sets > 0 {
            commands.push(hset.build());
        }
        if removes > 0 {
            commands.push(hdel.build());
        }
        commands.push(cmd!("HEXISTS", key, CREATED));
        let alive = Some((commands.len() - 1, 1));
        if slide.is_some() {
            commands.push(self.expiry(&id));
        }
        Write { commands, atomic: sets > 0 && removes > 0, alive, id }
    }

    /// The time of a session's last touch and its new expiry. Costs 2 commands.
    pub(crate) fn slide(&self, id: Id, now: u64) -> Write {
        // A live session has the field, so nothing is added to it.
        let hset = cmd!("HSET", self.key(&id), SEEN, now);
        let commands = vec![hset, self.expiry(&id)];
        Write { commands, atomic: false, alive: Some((0, 0)), id }
    }

    /// Writes, in one round trip. `false` means that the session was gone:
    /// nothing was saved.
    pub(crate) async fn write(&self, write: Write) -> Result<bool, SessionError> {
        let replies = if write.atomic {
            self.db.transaction(write.commands).await?
        } else {
            self.db.pipeline(write.commands).await?
        };
        let mut was_alive = true;
        for (place, reply) in replies.into_iter().enumerate() {
            let reply = reply.into_result().map_err(tuckbox::Error::from)?;
            if let Some((at, alive)) = write.alive
                && at == place
            {
                was_alive = reply.into_integer().map_err(tuckbox::Error::from)? == alive;
            }
        }
        if !was_alive {
            // An id that was deleted is never used again, so nothing but what
            // was just written in vain can be here. It is no session, so the
            // answer is the same when it cannot be deleted now.
            if let Err(error) = self.delete(&[write.id]).await {
                tracing::warn!(%error, "fields written to an ended session were not deleted");
            }
        }
        Ok(was_alive)
    }

    /// Deletes the sessions of `ids`. Costs 1 command for each; each has a
    /// command of its own because they lie in different slots of a cluster.
    pub(crate) async fn delete(&self, ids: &[Id]) -> Result<(), SessionError> {
        let commands = ids.iter().map(|id| cmd!("DEL", self.key(id))).collect();
        for reply in self.db.pipeline(commands).await? {
            reply.into_result().map_err(tuckbox::Error::from)?;
        }
        Ok(())
    }

    fn lives(&self, seen: u64, now: u64) -> bool {
        u128::from(now.saturating_sub(seen)) < self.idle.as_millis()
    }

    fn expiry(&self, id: &Id) -> Command {
        let millis = u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX);
        cmd!("PEXPIRE", self.key(id), millis)
    }

    fn key(&self, id: &Id) -> Key<'_> {
        Key { prefix: &self.prefix, hash: id.hash() }
    }
}

/// The key of a session.
struct Key<'a> {
    prefix: &'a str,
    hash: [u8; ID_LENGTH],
}

impl Arg for Key<'_> {
    fn write(&self, buf: &mut BytesMut) {
        buf.extend_from_slice(self.prefix.as_bytes());
        buf.extend_from_slice(&self.hash);
    }
}

/// The field of a session key's value.
struct Field<'a>(&'a str);

impl Arg for Field<'_> {
    fn write(&self, buf: &mut BytesMut) {
        buf.extend_from_slice(VALUE_PREFIX);
        buf.extend_from_slice(self.0.as_bytes());
    }
}

/// The session in a hash's fields; `None` when they are not one.
fn decode(fields: Vec<(Reply, Reply)>) -> Option<Record> {
    let (mut created, mut seen, mut user) = (None, None, None);
    let mut values = Vec::with_capacity(fields.len().saturating_sub(2));
    for (field, value) in fields {
        let mut field = field.into_bytes().ok()??;
        let value = value.into_bytes().ok()??;
        if field.starts_with(VALUE_PREFIX) {
            values.push((field.split_off(VALUE_PREFIX.len()), value));
        } else if field == CREATED {
            created = Some(number(&value)?);
        } else if field == SEEN {
            seen = Some(number(&value)?);
        } else if field == USER {
            user = Some(std::str::from_utf8(&value).ok()?.into());
        }
        // Other fields belong to later versions.
    }
    created?;
    Some(Record { user, seen: seen?, values })
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(Reply, Reply)> {
        let bulk = |text: &str| Reply::bulk(text.as_bytes());
        pairs.iter().map(|(field, value)| (bulk(field), bulk(value))).collect()
    }

    #[test]
    fn a_hash_is_read_with_its_values_and_unknown_fields_are_left_alone() {
        let record = decode(fields(&[
            ("created", "1"),
            ("seen", "2"),
            ("user", "ada"),
            ("d:user", "\"other\""),
            ("d:", "0"),
            ("agent", "x"),
        ]))
        .unwrap();
        assert_eq!(record.seen, 2);
        assert_eq!(record.user.as_deref(), Some("ada"));
        assert_eq!(record.value("user").unwrap(), "\"other\"");
        assert_eq!(record.values().len(), 2);
        assert_eq!(record.value("agent"), None);
    }

    #[test]
    fn a_hash_without_its_reserved_fields_is_no_session() {
        assert!(decode(fields(&[("d:n", "1")])).is_none());
        assert!(decode(fields(&[("seen", "2"), ("user", "ada"), ("d:n", "1")])).is_none());
        assert!(decode(fields(&[("created", "1"), ("user", "ada")])).is_none());
    }

    #[test]
    fn a_hash_with_broken_reserved_fields_is_no_session() {
        for broken in ["", "-1", "1e3", "99999999999999999999", "x"] {
            assert!(decode(fields(&[("created", broken), ("seen", "2")])).is_none(), "{broken}");
            assert!(decode(fields(&[("created", "1"), ("seen", broken)])).is_none(), "{broken}");
        }
        let mut not_text = fields(&[("created", "1"), ("seen", "2")]);
        not_text.push((Reply::bulk(b"user"), Reply::bulk(&[0xff])));
        assert!(decode(not_text).is_none());
    }
}
