//! [`State`]: what one request has done to its session so far.
//!
//! Nothing here waits: it is the part of a session handle behind a lock.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    SessionError,
    id::Id,
    store::{Found, Record, Store, Write},
};

/// What one request has done to its session so far.
#[derive(Debug, Default)]
pub(crate) struct State {
    current: Current,
    /// What was set (`Some`) and removed (`None`) in the current session.
    changes: Vec<Change>,
    /// Counts changes; those up to `saved` are in the store.
    version: u64,
    saved: u64,
    /// Counts the times the current session was replaced by another.
    generation: u64,
    /// Ids whose sessions are to be deleted.
    retired: Vec<Id>,
    /// The browser is to drop the cookie that it presented.
    forget: bool,
    /// The time of the last touch was written in this request.
    slid: bool,
    /// The store said that the session is gone.
    ended: bool,
    /// A save that the handler asked for failed, and the handler knows.
    reported: bool,
    /// The headers are out; no cookie can be sent.
    response_started: bool,
}

/// Which session the request is in.
#[derive(Debug, Default)]
enum Current {
    /// The one that its cookie names, if there is one.
    #[default]
    Presented,
    /// One that this request began.
    Own { id: Option<Id>, user: Option<Arc<str>>, stored: bool },
}

#[derive(Debug)]
struct Change {
    key: Box<str>,
    value: Option<Bytes>,
    version: u64,
}

/// What a save has to do, and what it will have saved.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) write: Option<Write>,
    pub(crate) retired: Vec<Id>,
    creates: bool,
    slides: bool,
    version: u64,
    generation: u64,
}

/// What happens to the browser's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CookieChange {
    Keep,
    Set(Id),
    Remove,
}

/// The session that the request presented, where it is known and alive.
pub(crate) type Base<'a> = Option<(Id, &'a Record)>;

impl State {
    pub(crate) fn is_presented(&self) -> bool {
        matches!(self.current, Current::Presented)
    }

    /// # Errors
    /// [`SessionError::Ended`] once the store has said so.
    pub(crate) fn check_alive(&self) -> Result<(), SessionError> {
        if self.ended { Err(SessionError::Ended) } else { Ok(()) }
    }

    pub(crate) fn user(&self, base: Base<'_>) -> Option<Arc<str>> {
        match &self.current {
            Current::Presented => base.and_then(|(_, record)| record.user.clone()),
            Current::Own { user, .. } => user.clone(),
        }
    }

    pub(crate) fn value(&self, key: &str, base: Base<'_>) -> Option<Bytes> {
        if let Some(change) = self.changes.iter().find(|change| *change.key == *key) {
            return change.value.clone();
        }
        match (&self.current, base) {
            (Current::Presented, Some((_, record))) => record.value(key).cloned(),
            _ => None,
        }
    }

    /// Sets or removes a value; one that is there already changes nothing.
    pub(crate) fn change(
        &mut self,
        key: &str,
        value: Option<Bytes>,
        base: Base<'_>,
        dead: Option<Id>,
    ) -> Result<(), SessionError> {
        let before = self.value(key, base);
        if before == value {
            return Ok(());
        }
        if before.is_none() && self.count(base) >= crate::MAX_KEYS {
            return Err(SessionError::TooManyKeys);
        }
        if self.is_presented() && base.is_none() {
            // An id that is not a session's is never made one.
            self.retired.extend(dead);
            self.replace(None);
        }
        self.put(key.into(), value);
        Ok(())
    }

    /// Goes over to a new session of `user`, with what belongs to the user in
    /// the present one: all values, unless they are another user's.
    pub(crate) fn login(&mut self, user: Arc<str>, base: Base<'_>, dead: Option<Id>) {
        let keeps = !self.ended && self.user(base).is_none_or(|before| before == user);
        if let (true, Current::Presented, Some((_, record))) = (keeps, &self.current, base) {
            for (key, value) in record.values() {
                let Ok(key) = std::str::from_utf8(key) else { continue };
                if !self.changes.iter().any(|change| *change.key == *key) {
                    self.put(key.into(), Some(value.clone()));
                }
            }
        }
        let kept = if keeps { std::mem::take(&mut self.changes) } else { Vec::new() };
        let presented = base.map(|(id, _)| id).or(dead);
        self.retire(presented);
        self.replace(Some(user));
        for change in kept {
            if change.value.is_some() {
                self.put(change.key, change.value);
            }
        }
    }

    /// Ends the present session. `presented` is the id to delete, unless the
    /// store is known to hold nothing under it.
    pub(crate) fn logout(&mut self, presented: Option<Id>, cookie_came: bool) {
        self.forget |= cookie_came;
        self.retire(presented);
        self.replace(None);
    }

    fn retire(&mut self, presented: Option<Id>) {
        let id = match self.current {
            Current::Presented => presented,
            Current::Own { id, stored, .. } => id.filter(|_| stored),
        };
        self.retired.extend(id);
    }

    fn replace(&mut self, user: Option<Arc<str>>) {
        self.current = Current::Own { id: None, user, stored: false };
        self.generation += 1;
        self.changes.clear();
        self.ended = false;
        self.reported = false;
    }

    fn put(&mut self, key: Box<str>, value: Option<Bytes>) {
        self.reported = false;
        self.version += 1;
        let version = self.version;
        match self.changes.iter_mut().find(|change| change.key == key) {
            Some(change) => (change.value, change.version) = (value, version),
            None => self.changes.push(Change { key, value, version }),
        }
    }

    /// How many keys the session has.
    fn count(&self, base: Base<'_>) -> usize {
        let set = self.changes.iter().filter(|change| change.value.is_some()).count();
        let base = match (&self.current, base) {
            (Current::Presented, Some((_, record))) => record.values(),
            _ => &[],
        };
        let changed = |key: &Bytes| self.changes.iter().any(|c| c.key.as_bytes() == key);
        set + base.iter().filter(|(key, _)| !changed(key)).count()
    }

    fn unsaved(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.version > self.saved)
    }

    /// Whether the present session must be created, because a user logged in or
    /// a value was set.
    fn must_create(&self) -> bool {
        match &self.current {
            Current::Own { stored: false, user, .. } => {
                user.is_some() || self.changes.iter().any(|change| change.value.is_some())
            }
            _ => false,
        }
    }

    fn must_change(&self) -> bool {
        match self.current {
            Current::Own { stored: false, .. } => false,
            _ => self.unsaved().next().is_some(),
        }
    }

    /// Whether the response must wait for a save.
    pub(crate) fn must_save(&self) -> bool {
        !self.ended
            && !self.reported
            && (self.must_create() || self.must_change() || !self.retired.is_empty())
    }

    /// What a save has to do now; `due` says that the slide is.
    pub(crate) fn plan(
        &mut self,
        store: &Store,
        now: u64,
        base: Base<'_>,
        due: bool,
    ) -> Result<Plan, SessionError> {
        self.check_alive()?;
        let creates = self.must_create();
        let slides = due && self.is_presented() && !self.slid;
        let write = if creates {
            Some(self.creation(store, now)?)
        } else if self.must_change() {
            let id = match self.current {
                Current::Presented => base.map(|(id, _)| id),
                Current::Own { id, .. } => id,
            };
            let changes = self.unsaved().map(|change| (&*change.key, change.value.as_ref()));
            id.map(|id| store.change(id, changes, slides.then_some(now)))
        } else {
            None
        };
        Ok(Plan {
            slides: slides && write.is_some(),
            write,
            retired: self.retired.clone(),
            creates,
            version: self.version,
            generation: self.generation,
        })
    }

    fn creation(&mut self, store: &Store, now: u64) -> Result<Write, SessionError> {
        if self.response_started {
            return Err(SessionError::ResponseStarted);
        }
        let Current::Own { id, user, .. } = &mut self.current else {
            return Err(SessionError::Ended);
        };
        // The id stays if the save fails, so that a second try is the same write.
        let new = match *id {
            Some(id) => id,
            None => *id.insert(Id::random()?),
        };
        let set = |change: &'_ Change| change.value.is_some();
        let values = self.changes.iter().filter(|change| set(change));
        let values = values.filter_map(|change| Some((&*change.key, change.value.as_ref()?)));
        Ok(store.creation(new, user.as_deref(), now, values))
    }

    /// Takes note that the plan's write was carried out.
    pub(crate) fn written(&mut self, plan: &Plan) {
        self.reported = false;
        if plan.generation != self.generation {
            return;
        }
        self.saved = self.saved.max(plan.version);
        self.slid |= plan.slides;
        if let (true, Current::Own { stored, .. }) = (plan.creates, &mut self.current) {
            *stored = true;
        }
    }

    /// Takes note that the plan's retired sessions were deleted.
    pub(crate) fn deleted(&mut self, plan: &Plan) {
        self.retired.retain(|id| !plan.retired.contains(id));
    }

    /// Takes note that the session is gone.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Takes note that the handler was told of a failed save.
    pub(crate) fn report(&mut self) {
        self.reported = true;
    }

    /// Takes note that the time of the last touch was written.
    pub(crate) fn slide(&mut self) {
        self.slid = true;
    }

    /// The headers go out now: what becomes of the cookie?
    pub(crate) fn start_response(&mut self, presented: Option<Id>) -> CookieChange {
        self.response_started = true;
        if self.ended || self.reported {
            return CookieChange::Keep;
        }
        match self.current {
            Current::Presented => match presented {
                Some(id) if self.slid => CookieChange::Set(id),
                _ => CookieChange::Keep,
            },
            Current::Own { id: Some(id), stored: true, .. } => CookieChange::Set(id),
            Current::Own { .. } if self.forget => CookieChange::Remove,
            Current::Own { .. } => CookieChange::Keep,
        }
    }

    /// Whether nothing but a slide could be left to write.
    pub(crate) fn may_slide(&self) -> bool {
        self.is_presented() && !self.slid && !self.ended && !self.reported
    }
}

/// The live session in what was found under a presented id.
pub(crate) fn base_of(presented: Option<Id>, found: Option<&Found>) -> Base<'_> {
    match (presented, found) {
        (Some(id), Some(Found::Live(record))) => Some((id, record)),
        _ => None,
    }
}

/// The presented id, when the store holds something under it that is not a
/// session and should go.
pub(crate) fn dead_of(presented: Option<Id>, found: Option<&Found>) -> Option<Id> {
    presented.filter(|_| matches!(found, Some(Found::Dead)))
}
