//! [`Slot`]: a live key, to be read and changed.

use super::{
    super::{
        Items, Value, View,
        parts::{Absent, Parts},
        segment::{Entry, Found, Header},
    },
    KeyHash, KeyHasher,
    books::{Books, bury, exhume},
};

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
    pub(crate) fn into_view<T: Items>(self) -> Option<View<'a, T>> {
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
    pub(crate) fn edit<T: Items, R>(
        &mut self,
        name: &[u8],
        edit: impl FnOnce(&mut T) -> R,
    ) -> Result<R, Absent> {
        let Self { entry, header, books, hash, parts, hasher } = self;
        let entry = entry.get_mut();
        let value = live_mut(entry);
        if value.kind() != T::KIND {
            return Err(Absent);
        }
        let edit = |value: &mut Value| T::of_mut(value).map(edit).ok_or(Absent);
        let Value::Parts(head) = value else { return self.edit_whole(edit) };
        let place = (head.id, hasher.place(name));
        if parts.at(place.0, place.1).is_none() {
            return Err(Absent);
        }
        books.changing(entry, header, *hash);
        books.changing_part(parts, place);
        let edited = parts.edit(place, T::KIND, books.epoch, |name| hasher.place(name), edit)?;
        books.memory = books.memory.saturating_add_signed(edited.memory as isize);
        if let Value::Parts(head) = live_mut(entry) {
            head.note(&edited);
        }
        edited.result
    }

    fn edit_whole<R>(&mut self, edit: impl FnOnce(&mut Value) -> R) -> R {
        let result = self.change(edit);
        let entry = self.entry.get_mut();
        if self.parts.is_too_large(live(entry)) {
            self.books.memory -= entry.memory();
            let value = live_mut(entry);
            let hasher = self.hasher;
            let (head, memory) =
                self.parts.divide(value, |name| hasher.place(name), self.books.epoch);
            *value = Value::Parts(Box::new(head));
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
            Value::Hash(hash) => Ok(Value::Hash(hash.clone())),
            Value::Parts(head) => {
                let mut whole = head.kind.empty();
                let (values, _) = self.parts.reach(head.id, 0, usize::MAX).ok_or(Absent)?;
                values.into_iter().for_each(|value| whole.join(value));
                if head.large {
                    whole.set_large();
                }
                Ok(whole)
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
