//! [`Context`]: all that a running command can reach.

use tuckbox_resp::{Command, ErrorReply};

use super::WRONGTYPE;
use crate::{
    database::Flushes,
    effects::Effects,
    memory::{Absent, Keyspace, KeyspaceId, Slot, Str, Value, View},
    random::Random,
    types::{Kind, Typed},
};

/// What a command needs of the value at the key that it names first, when that
/// value is in parts: only that is brought into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Its type, its size, its expiry; or to put another value in its place.
    Head,
    /// The items whose names are the arguments from number `first` on, every
    /// `step`th.
    Items { first: usize, step: usize },
    /// So many items from a place on.
    From { place: u64, items: usize },
    /// So many items from a random place on, [`Context::draw`], the first ones
    /// again after the last.
    Around { items: usize },
    /// Every item.
    All,
}

/// The places of hashes that a command walks through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walk {
    /// The first place.
    pub(crate) from: u64,
    /// How many keys it wants at least.
    pub(crate) count: usize,
    /// Whether it goes on at the first place after the last, up to where it
    /// began.
    pub(crate) wraps: bool,
}

/// Keys that were read from the store for a command that walks the keyspace.
#[derive(Debug)]
pub(crate) struct Cold {
    /// Whose keys they are.
    pub(crate) keyspace: KeyspaceId,
    /// The list begins at this place.
    pub(crate) from: u64,
    /// Place, key, type and expiry, in the order of the walk.
    pub(crate) keys: Vec<ColdKey>,
    /// The list is complete up to this place, inclusive. When the place is
    /// before `from`, the walk went on at the first place after the last.
    pub(crate) until: u64,
}

/// One key in the store.
#[derive(Debug)]
pub(crate) struct ColdKey {
    /// The place of the key's hash.
    pub(crate) place: u64,
    /// The key.
    pub(crate) key: Vec<u8>,
    /// The type of its value.
    pub(crate) kind: Kind,
    /// Unix time in milliseconds; 0 for never.
    pub(crate) expire_at: u64,
}

/// All that a running command can reach: the keys of its database, the time,
/// randomness, and the effects it has to tell.
///
/// Whoever changes a key tells an effect: [`Context::propagate`] the command
/// as it came when running it again at the same time does the same, else
/// [`Context::propagate_as`] one that does.
pub(crate) struct Context<'a> {
    pub(crate) keyspaces: &'a mut [Keyspace],
    pub(crate) flushes: &'a mut Flushes,
    /// The logical database that `SELECT` chose.
    pub(crate) db: usize,
    /// The version that changed keys get.
    pub(crate) version: u64,
    /// A second logical database that the command has entered.
    pub(crate) other: Option<usize>,
    /// The time at which the command runs, in Unix milliseconds.
    pub(crate) now: u64,
    /// The only source of randomness.
    pub(crate) random: &'a mut Random,
    /// Whether the client speaks RESP3, for the few commands whose reply has
    /// another shape there.
    pub(crate) resp3: bool,
    /// What the store has of the places that the command walks; `None` when
    /// all keys are in memory.
    pub(crate) cold: Option<&'a Cold>,
    /// The place from which on a command has the items that it needs
    /// [around](Need::Around) it.
    pub(crate) draw: u64,
    pub(crate) effects: &'a mut Effects,
}

impl Context<'_> {
    /// The live value of `key`.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<&Value> {
        self.keyspaces[self.db].get(key, self.now)
    }

    /// The live entry of `key`, to be read and changed.
    pub(crate) fn slot(&mut self, key: &[u8]) -> Option<Slot<'_>> {
        self.keyspaces[self.db].slot(key, self.now)
    }

    /// The string at `key`.
    ///
    /// # Errors
    /// `WRONGTYPE` when the key holds something else.
    pub(crate) fn string(&mut self, key: &[u8]) -> Result<Option<&Str>, ErrorReply> {
        match self.get(key) {
            Some(Value::Str(string)) => Ok(Some(string)),
            Some(_) => Err(WRONGTYPE.into()),
            None => Ok(None),
        }
    }

    /// The value at `key`, which is made of `T`, to be read: whole or in parts.
    ///
    /// # Errors
    /// `WRONGTYPE` when the key holds something else.
    pub(crate) fn view<T: Typed>(&mut self, key: &[u8]) -> Result<Option<View<'_, T>>, ErrorReply> {
        match self.slot(key).map(Slot::into_view) {
            Some(Some(view)) => Ok(Some(view)),
            Some(None) => Err(WRONGTYPE.into()),
            None => Ok(None),
        }
    }

    /// Changes the structure that has the item of this `name`, or that gets it,
    /// in the value at `key`. The value is made when there is none, and stays
    /// when it has no items left: see [`Context::remove_if_empty`].
    ///
    /// # Errors
    /// `WRONGTYPE` when the key holds something else; an error that says so when
    /// the command did not say that it [needs](Need) this item. Nothing was
    /// changed then.
    pub(crate) fn edit<T: Typed, R>(
        &mut self,
        key: &[u8],
        name: &[u8],
        edit: impl FnOnce(&mut T) -> R,
    ) -> Result<R, ErrorReply> {
        if let Some(mut slot) = self.slot(key) {
            if slot.value().kind() != T::KIND {
                return Err(WRONGTYPE.into());
            }
            return Ok(slot.edit(name, edit)?);
        }
        self.set(key, Value::Items(T::default().into()), 0);
        Ok(self.slot(key).ok_or(Absent)?.edit(name, edit)?)
    }

    /// Deletes `key` if its value has no items.
    pub(crate) fn remove_if_empty(&mut self, key: &[u8]) {
        if let Some(slot) = self.slot(key)
            && slot.value().items() == 0
        {
            slot.remove();
        }
    }

    /// Sets `key` to `value`, whatever it held; `expire_at` in Unix
    /// milliseconds, 0 for never.
    pub(crate) fn set(&mut self, key: &[u8], value: Value, expire_at: u64) {
        self.keyspaces[self.db].set(key, value, expire_at);
    }

    /// The keyspace of another logical database, for the commands that name
    /// one; at most one other per command.
    pub(crate) fn enter(&mut self, db: usize) -> Option<&mut Keyspace> {
        let keyspace = self.keyspaces.get_mut(db)?;
        if self.other.is_none() && db != self.db {
            keyspace.begin(self.version);
            self.other = Some(db);
        }
        Some(keyspace)
    }

    /// Puts an empty keyspace in the place of logical database `db`, in
    /// constant time. The effect is the caller's to tell.
    pub(crate) fn flush(&mut self, db: usize) {
        let id = KeyspaceId(self.flushes.next_id);
        self.flushes.next_id += 1;
        let mut fresh = Keyspace::new(id, self.random.seed());
        fresh.moved(self.version);
        let old = &mut self.keyspaces[db];
        fresh.go_on(old);
        old.hand_over_watchers(&mut fresh);
        self.flushes.flushed.push(old.id());
        self.flushes.trash.push(std::mem::replace(old, fresh));
        self.flushes.moved();
    }

    /// Deletes `key`; returns whether it was there.
    pub(crate) fn remove(&mut self, key: &[u8]) -> bool {
        self.slot(key).map(Slot::remove).is_some()
    }

    /// Tells that running `command` again at the same time does what was done.
    pub(crate) fn propagate(&mut self, command: &Command) {
        self.effects.push(self.db, command.iter());
    }

    /// Tells that running the command of these arguments does what was done.
    pub(crate) fn propagate_as(&mut self, args: &[&[u8]]) {
        self.effects.push(self.db, args.iter().copied());
    }
}

impl From<Absent> for ErrorReply {
    fn from(_: Absent) -> Self {
        "ERR a part of the value is not in memory: this is a defect of the command".into()
    }
}
