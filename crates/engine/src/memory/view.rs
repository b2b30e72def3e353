//! [`View`]: a value to be read, whole or in parts.

use std::marker::PhantomData;

use super::{
    Value,
    keyspace::KeyHasher,
    parts::{Absent, Head, Parts},
};
use crate::types::{Collection, Typed};

/// A value to be read, whole or in parts: so that no command has to know which.
pub(crate) struct View<'a, T> {
    form: Form<'a>,
    hasher: &'a KeyHasher,
    items: PhantomData<&'a T>,
}

#[derive(Clone, Copy)]
enum Form<'a> {
    Whole(&'a Collection),
    Parts(&'a Head, &'a Parts),
}

impl<'a, T: Typed> View<'a, T> {
    pub(super) fn new(value: &'a Value, parts: &'a Parts, hasher: &'a KeyHasher) -> Option<Self> {
        let form = match value {
            Value::Items(items) if items.kind() == T::KIND => Form::Whole(items),
            Value::Parts(head) if head.kind == T::KIND => Form::Parts(head, parts),
            _ => return None,
        };
        Some(Self { form, hasher, items: PhantomData })
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        match self.form {
            Form::Whole(items) => items.len(),
            Form::Parts(head, _) => head.len as usize,
        }
    }

    /// The structure that has the item of this name, if the value has it.
    ///
    /// # Errors
    /// [`Absent`] when the command did not say that it needs this item.
    pub(crate) fn of(&self, name: &[u8]) -> Result<Option<&'a T>, Absent> {
        match self.form {
            Form::Whole(items) => Ok(T::of(items)),
            Form::Parts(head, parts) => {
                let (_, part) = parts.at(head.id, self.place(name)).ok_or(Absent)?;
                if !part.recent.get() {
                    part.recent.set(true);
                }
                Ok(part.items.as_ref().and_then(T::of))
            }
        }
    }

    /// Every item, in one or more structures.
    ///
    /// # Errors
    /// [`Absent`] when the command did not say that it needs them all.
    pub(crate) fn all(&self) -> Result<Vec<&'a T>, Absent> {
        self.from(0, usize::MAX).map(|(structures, _)| structures)
    }

    /// At least `items` items from the place `from` on, if there are as many,
    /// and those around them: in the order of their places, but for those in one
    /// structure. And up to which place (inclusive) they are complete.
    ///
    /// # Errors
    /// [`Absent`] when the command did not say that it needs them.
    pub(crate) fn from(&self, from: u64, items: usize) -> Result<(Vec<&'a T>, u64), Absent> {
        match self.form {
            Form::Whole(items) => Ok((T::of(items).into_iter().collect(), u64::MAX)),
            Form::Parts(head, parts) => {
                let (values, until) = parts.reach(head.id, from, items).ok_or(Absent)?;
                Ok((values.into_iter().filter_map(T::of).collect(), until))
            }
        }
    }

    /// The one structure that the value is as a whole.
    pub(crate) fn whole(&self) -> Option<&'a T> {
        match self.form {
            Form::Whole(items) => T::of(items),
            Form::Parts(..) => None,
        }
    }

    /// The place of the item of this name.
    pub(crate) fn place(&self, name: &[u8]) -> u64 {
        self.hasher.place(name)
    }
}

impl<T> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<'_, T> {}
