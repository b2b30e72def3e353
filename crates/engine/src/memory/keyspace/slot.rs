//! [`Slot`]: a live key, to be read and changed.

use hashbrown::hash_table::OccupiedEntry;

use super::{
    super::{
        Value,
        segment::{Entry, Header},
    },
    KeyHash,
    books::{Books, bury, exhume},
};

/// A live key found in a keyspace.
///
/// Reading is free of side effects; every change goes through this handle, so
/// that none is forgotten by the checkpoint, by `WATCH` or by the count of
/// memory.
pub(crate) struct Slot<'a> {
    pub(super) entry: OccupiedEntry<'a, Entry>,
    pub(super) header: &'a mut Header,
    pub(super) books: &'a mut Books,
    pub(super) hash: KeyHash,
}

impl<'a> Slot<'a> {
    /// The value.
    pub(crate) fn value(&self) -> &Value {
        live(self.entry.get())
    }

    /// The value, for as long as the keyspace is borrowed.
    pub(crate) fn into_value(self) -> &'a Value {
        live(self.entry.into_mut())
    }

    /// When the key expires, in Unix milliseconds; 0 for never.
    pub(crate) fn expire_at(&self) -> u64 {
        self.entry.get().expire_at
    }

    /// Changes the value in place.
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut Value) -> R) -> R {
        let entry = self.entry.get_mut();
        self.books.changing(entry, self.header, self.hash);
        self.books.memory -= entry.memory();
        let result = change(live_mut(entry));
        self.books.memory += entry.memory();
        result
    }

    /// Sets when the key expires, in Unix milliseconds; 0 for never.
    pub(crate) fn set_expire_at(&mut self, expire_at: u64) {
        let entry = self.entry.get_mut();
        self.books.changing(entry, self.header, self.hash);
        entry.expire_at = expire_at;
        self.header.note(entry);
    }

    /// Deletes the key.
    pub(crate) fn remove(mut self) {
        if bury(self.entry.get_mut(), self.header, self.books, self.hash) {
            self.entry.remove();
        }
    }

    /// Deletes the key and gives its value.
    pub(crate) fn take(mut self) -> Value {
        // What a checkpoint still wants of it was saved before it is moved.
        let (value, gone) = exhume(self.entry.get_mut(), self.header, self.books, self.hash);
        if gone {
            self.entry.remove();
        }
        match value {
            Some(value) => value,
            None => unreachable!("a slot is made for live entries only"),
        }
    }
}

/// The value of an entry that [`Keyspace::slot`] found to be live.
fn live(entry: &Entry) -> &Value {
    match &entry.value {
        Some(value) => value,
        None => unreachable!("a slot is made for live entries only"),
    }
}

fn live_mut(entry: &mut Entry) -> &mut Value {
    match &mut entry.value {
        Some(value) => value,
        None => unreachable!("a slot is made for live entries only"),
    }
}
