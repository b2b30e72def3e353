//! [`Slot`]: a live key, to be read and changed.

use super::{
    super::{
        Value, View,
        parts::{Absent, Part, Parts},
        segment::{Entry, Found, Header},
    },
    KeyHash, KeyHasher,
    books::{Books, bury, exhume},
};
use crate::types::{Collection, Typed};

/// A live key found in a keyspace.
///
/// Reading is free of side effects; every change goes through this handle, so
/// that none is forgotten by the checkpoint, by `WATCH` or by the count of
/// memory.
pub(crate) struct Slot<'a> {
    pub(super) entry: Found<'a>,
    pub(super) header: &'a mut Header,
    pub(super) books: &'a mut Books,
    pub(super) hash: KeyHash,
    pub(super) parts: &'a mut Parts,
    pub(super) hasher: &'a KeyHasher,
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

    /// The value to be read, if it is made of `T`: whole or in parts.
    pub(crate) fn into_view<T: Typed>(self) -> Option<View<'a, T>> {
        View::new(live(self.entry.into_mut()), self.parts, self.hasher)
    }

    /// When the key expires, in Unix milliseconds; 0 for never.
    pub(crate) fn expire_at(&self) -> u64 {
        self.entry.get().expire_at
    }

    /// Changes the items of the structure that has the one of this `name`, or
    /// that gets it: the whole value, or a part of it.
    ///
    /// # Errors
    /// [`Absent`] when the value is of another type, or when the command did not
    /// say that it needs this item. Nothing was changed then.
    pub(crate) fn edit<T: Typed, R>(
        &mut self,
        name: &[u8],
        edit: impl FnOnce(&mut T) -> R,
    ) -> Result<R, Absent> {
        let Self { entry, header, books, hash, parts, hasher } = self;
        let entry = entry.get_mut();
        let place = match live(entry) {
            Value::Items(items) if items.kind() == T::KIND => return self.edit_whole(edit),
            Value::Parts(head) if head.kind == T::KIND => (head.id, hasher.place(name)),
            _ => return Err(Absent),
        };
        let epoch = books.epoch;
        let changing = |key, part: &Part| books.changing_part(key, part);
        let edited = parts.edit(place, epoch, |name| hasher.place(name), changing, edit)?;
        // The head is as it was until it takes note.
        books.changing(entry, header, *hash);
        books.memory = books.memory.saturating_add_signed(edited.memory as isize);
        if let Value::Parts(head) = live_mut(entry) {
            head.note::<T, R>(&edited);
        }
        Ok(edited.result)
    }

    fn edit_whole<T: Typed, R>(&mut self, edit: impl FnOnce(&mut T) -> R) -> Result<R, Absent> {
        let result = self.change(|value| match value {
            Value::Items(items) => T::of_mut(items).map(edit).ok_or(Absent),
            _ => Err(Absent),
        });
        let entry = self.entry.get_mut();
        if let Value::Items(items) = live(entry)
            && self.parts.is_too_large(items)
        {
            let hasher = self.hasher;
            let (head, memory) =
                self.parts.divide(items, |name| hasher.place(name), self.books.epoch);
            self.books.memory -= entry.memory();
            *live_mut(entry) = Value::Parts(Box::new(head));
            self.books.memory += entry.memory() + memory;
        }
        result
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

    /// A copy of the value, whole.
    ///
    /// # Errors
    /// [`Absent`] when the command did not say that it needs every item.
    pub(crate) fn copied(&self) -> Result<Value, Absent> {
        match self.value() {
            Value::Str(string) => Ok(Value::Str(string.clone())),
            Value::Items(items) => Ok(Value::Items(items.clone())),
            Value::Parts(head) => {
                let (parts, _) = self.parts.reach(head.id, 0, usize::MAX).ok_or(Absent)?;
                let (first, others) = parts.split_first().ok_or(Absent)?;
                let mut whole = Collection::clone(first);
                others.iter().for_each(|part| whole.join(part));
                if head.large {
                    whole.set_large();
                }
                Ok(Value::Items(whole))
            }
        }
    }

    /// Deletes the key.
    pub(crate) fn remove(mut self) {
        if bury(self.entry.get_mut(), self.header, self.books, self.hash) {
            self.books.rooms -= self.entry.remove(|key| self.hasher.place(key));
        }
    }

    /// Deletes the key and gives its value, for another key of the same
    /// keyspace: the parts stay where they are.
    pub(crate) fn take(mut self) -> Value {
        // What a checkpoint still wants of it was saved before it is moved.
        let (value, gone) = exhume(self.entry.get_mut(), self.header, self.books, self.hash);
        if gone {
            self.books.rooms -= self.entry.remove(|key| self.hasher.place(key));
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
