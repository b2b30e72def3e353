//! Atomic operations on one session key.

use serde::{Serialize, de::DeserializeOwned};
use tuckbox::Reply;

use crate::{
    Session, SessionError,
    session::{check_key, encode},
    store::{Found, Operated, Operation, integer},
};

/// How often an operation on a sealed value is tried.
const TRIES: usize = 16;

impl Session {
    /// Adds `by` to the integer under `key`, where no value counts as 0, and
    /// answers the sum. Of any number of requests at the same time, all count.
    ///
    /// Costs 1 command, at once, without a read before; changes that wait for
    /// the save go with it. In a new session, and after an
    /// [`insert`](Self::insert) of the same key, it costs nothing of its own: it
    /// is part of the save. On sealed values it costs 2 or more: see
    /// [`seal`](crate::ConfigBuilder::seal).
    ///
    /// # Errors
    /// [`SessionError::Unfit`] when the value is no integer, or the sum none of
    /// 64 bits; those of [`save`](Self::save).
    pub async fn increment(&self, key: &str, by: i64) -> Result<i64, SessionError> {
        let operated = self.operate(key, Operation::Increment(by)).await?;
        operated.value.as_deref().and_then(integer).ok_or_else(|| unfit(key))
    }

    /// Appends `element` to the list under `key`, where no value counts as an
    /// empty list, and answers nothing: elements of any number of requests at
    /// the same time are all there, in the order in which the store got them.
    /// Costs as [`increment`](Self::increment) does.
    ///
    /// # Errors
    /// [`SessionError::Unfit`] when the value is no list, or would have more
    /// than [`MAX_VALUE_BYTES`](crate::MAX_VALUE_BYTES); [`SessionError::Encode`]; those of
    /// [`save`](Self::save).
    pub async fn append<T: Serialize + ?Sized>(
        &self,
        key: &str,
        element: &T,
    ) -> Result<(), SessionError> {
        let element = encode(key, element)?;
        self.operate(key, Operation::Push(element)).await.map(|_| ())
    }

    /// Sets the value under `key` unless there is one; answers whether it did.
    /// Of requests at the same time, one does. Costs as
    /// [`increment`](Self::increment) does, 1 command for sealed values too.
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert) and [`save`](Self::save).
    pub async fn insert_if_absent<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
    ) -> Result<bool, SessionError> {
        let value = encode(key, value)?;
        Ok(self.operate(key, Operation::Add(value)).await?.done)
    }

    /// Sets the value under `key` to `new` if it is `expected` (`None`: if there
    /// is none); answers whether it did. Values are compared as the JSON that
    /// they are stored as. Costs as [`increment`](Self::increment) does.
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert) and [`save`](Self::save).
    pub async fn compare_and_set<T: Serialize + ?Sized>(
        &self,
        key: &str,
        expected: Option<&T>,
        new: &T,
    ) -> Result<bool, SessionError> {
        let expected = expected.map(|value| encode(key, value)).transpose()?;
        let new = encode(key, new)?;
        Ok(self.operate(key, Operation::Swap(expected, new)).await?.done)
    }

    /// Removes the value under `key` and answers it: of requests at the same
    /// time, one gets it. A value that is not a `T` is removed too, with a
    /// warning, and answered as `None`.
    ///
    /// Costs as [`increment`](Self::increment) does, 1 command for sealed values
    /// too; nothing when the session was read before and has no such value.
    ///
    /// # Errors
    /// Those of [`save`](Self::save).
    pub async fn take<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        let known_absent = self.state().changed(key).is_none()
            && self.record().is_some_and(|r| r.value(key).is_none());
        if known_absent {
            return Ok(None);
        }
        let Some(json) = self.operate(key, Operation::Take).await?.value else { return Ok(None) };
        let value = serde_json::from_slice(&json).ok();
        if value.is_none() {
            tracing::warn!(key, "a session value was taken that cannot be decoded");
        }
        Ok(value)
    }

    async fn operate(&self, key: &str, operation: Operation) -> Result<Operated, SessionError> {
        check_key(key)?;
        if let Some(operated) = self.operate_here(key, &operation)? {
            return Ok(operated);
        }
        let computes =
            matches!(operation, Operation::Increment(_) | Operation::Push(_) | Operation::Swap(..));
        if self.store().values.are_sealed() && computes {
            return self.operate_sealed(key, &operation).await;
        }
        let login_waits = self.state().must_save() && self.state().has_logged_in();
        if login_waits {
            // The operation is on the values of the session that it leads to.
            self.write_out(None).await?;
        }
        let operation = self.sealed(key, operation)?;
        match self.write_out(Some((key, &operation))).await? {
            Some(saved) => self.operated(key, &operation, saved.result),
            None => self.operate_here(key, &operation)?.ok_or(SessionError::Ended),
        }
    }

    /// Carries an operation out on a value that the store does not have yet;
    /// `None` when it has.
    fn operate_here(
        &self,
        key: &str,
        operation: &Operation,
    ) -> Result<Option<Operated>, SessionError> {
        let mut state = self.state();
        self.check_writable(&mut state)?;
        let before = match (state.unsaved_change(key), state.is_fresh()) {
            (Some(value), _) => value.clone(),
            (None, true) => state.changed(key).cloned().flatten(),
            (None, false) => return Ok(None),
        };
        let operated = operation.apply(before).ok_or_else(|| unfit(key))?;
        if operated.done {
            let after = match operation {
                Operation::Take => None,
                _ => operated.value.clone(),
            };
            let base = state.base(self.found());
            state.change(key, after, base, None)?;
        }
        Ok(Some(operated))
    }

    /// Reads, computes here, and sets if nothing changed meanwhile.
    async fn operate_sealed(
        &self,
        key: &str,
        operation: &Operation,
    ) -> Result<Operated, SessionError> {
        for _ in 0..TRIES {
            let Some(id) = self.state().named() else { break };
            let found = self.store().load(&id, self.started()).await?;
            let (stored, before) = match &found {
                Found::Live(record) => {
                    if record.slid && self.layer().cookie.is_persistent() {
                        self.state().announce();
                    }
                    let stored = record.value(key).cloned();
                    let opened =
                        stored.as_ref().map(|s| self.store().values.open(id.name(), key, s));
                    match opened {
                        Some(None) => return Err(unfit(key)),
                        opened => (stored, opened.flatten()),
                    }
                }
                Found::Nothing if self.record().is_none() => {
                    self.state().start_afresh();
                    break;
                }
                Found::Reused { by_schedule } => {
                    self.reused(id, *by_schedule).await;
                    self.state().start_afresh();
                    break;
                }
                _ => {
                    self.state().end();
                    return Err(SessionError::Ended);
                }
            };
            let operated = operation.apply(before).ok_or_else(|| unfit(key))?;
            let Some(value) = operated.value.as_ref().filter(|_| operated.done) else {
                return Ok(operated);
            };
            let sealed = self.store().values.seal(id.name(), key, value)?;
            let swap = Operation::Swap(stored, sealed);
            match self.write_out(Some((key, &swap))).await? {
                Some(saved) if saved.result == Reply::Integer(1) => {
                    self.state().learn(key, operated.value.clone(), None);
                    return Ok(operated);
                }
                Some(_) => {}
                None => break,
            }
        }
        self.operate_here(key, operation)?
            .ok_or_else(|| SessionError::Contended { key: key.into() })
    }

    fn sealed(&self, key: &str, operation: Operation) -> Result<Operation, SessionError> {
        match (operation, self.state().named()) {
            (Operation::Add(value), Some(id)) => {
                Ok(Operation::Add(self.store().values.seal(id.name(), key, &value)?))
            }
            (operation, _) => Ok(operation),
        }
    }

    /// What the store's answer to an operation says.
    fn operated(
        &self,
        key: &str,
        operation: &Operation,
        result: Reply,
    ) -> Result<Operated, SessionError> {
        let done = !matches!(operation, Operation::Add(_) | Operation::Swap(..))
            || result == Reply::Integer(1);
        let stored = match (operation, result) {
            (Operation::Add(value) | Operation::Swap(_, value), _) if done => Some(value.clone()),
            (Operation::Increment(_), Reply::Integer(sum)) => Some(sum.to_string().into()),
            (_, result) => result.into_bytes().map_err(tuckbox::Error::from)?,
        };
        let name = self.state().named().map(|id| id.name());
        let value = match (name, &stored) {
            (Some(name), Some(stored)) => self.store().values.open(name, key, stored),
            _ => None,
        };
        match operation {
            Operation::Take => self.state().learn(key, None, None),
            _ => self.state().learn(key, value.clone(), stored),
        }
        Ok(Operated { done, value })
    }
}

fn unfit(key: &str) -> SessionError {
    SessionError::Unfit { key: key.into() }
}
