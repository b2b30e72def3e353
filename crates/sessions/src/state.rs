//! [`State`]: what one request has done to its session so far.
//!
//! Nothing here waits: it is the part of a session handle behind a lock.

use std::sync::Arc;

use bytes::Bytes;
use tuckbox::Reply;

use crate::{
    MAX_KEYS, PublicId, SessionError,
    id::Id,
    store::{Found, Mode, Operation, Record, Save, Saved, Store, has_ended},
};

/// What one request has done to its session so far.
#[derive(Debug)]
pub(crate) struct State {
    current: Current,
    /// Who was logged in by this request.
    user: Option<Arc<str>>,
    /// Who the store knows was logged in by it.
    saved_user: Option<Arc<str>>,
    /// It was logged in as two users: what it had read is gone.
    emptied: bool,
    /// The login is still to be saved.
    login_due: bool,
    /// The id is to be renewed.
    renewal_due: bool,
    /// The id that the session gets by a login or a renewal. It stays if the
    /// save fails, so that a second try is the same save.
    next: Option<Id>,
    /// What was set (`Some`) and removed (`None`) in the current session.
    changes: Vec<Change>,
    /// Undecodable values to be put aside, as the store has them.
    parked: Vec<(Box<str>, Bytes)>,
    /// Counts changes; those up to `saved` are in the store.
    version: u64,
    saved: u64,
    /// Counts the times the current session was replaced by another.
    generation: u64,
    /// Ids whose sessions are to be ended.
    retired: Vec<Id>,
    /// The browser is to get the cookie.
    announce: bool,
    /// The browser is to drop the cookie that it presented.
    forget: bool,
    /// Nothing of a new session is to be stored: a robot's.
    pub(crate) passing: bool,
    /// The store has saved something of this request to the session.
    confirmed: bool,
    /// The store said that the session is gone.
    ended: bool,
    /// A save that the handler asked for failed, and the handler knows.
    reported: bool,
    /// The headers are out; no cookie can be sent.
    response_started: bool,
}

/// Which session the request is in.
#[derive(Debug)]
enum Current {
    /// One that has this id. `own`: this request made it, so `changes` is all
    /// that is in it.
    Named { id: Id, own: bool },
    /// One that begins with the next save, if there is anything to save. The id
    /// stays if the save fails.
    Fresh { id: Option<Id> },
}

#[derive(Debug)]
struct Change {
    key: Box<str>,
    value: Option<Bytes>,
    /// The value as the store gets it, once it is known.
    stored: Option<Bytes>,
    /// What the store must still have for this to be saved.
    expected: Expected,
    version: u64,
}

/// What a change was made upon.
#[derive(Clone, Debug, Default)]
enum Expected {
    /// It does not matter.
    #[default]
    Anything,
    /// This, as the store has it; `None` is absent.
    This(Option<Bytes>),
}

/// Whose a session is.
#[derive(Debug)]
pub(crate) enum Whose {
    /// Only the store knows.
    Unknown,
    /// Nobody is logged in.
    Nobodys,
    /// This user's.
    User(Arc<str>),
}

/// What a save has to do, and what it will have saved.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) save: Option<Save>,
    pub(crate) retired: Vec<Id>,
    /// The id that the session has then.
    pub(crate) id: Option<Id>,
    pub(crate) mode: Mode,
    /// Who logs in.
    pub(crate) user: Option<Arc<str>>,
    /// The retired sessions that the store then had and ended.
    pub(crate) ended: Vec<PublicId>,
    version: u64,
    generation: u64,
}

impl Plan {
    /// Takes the replies to the endings off, which come first.
    pub(crate) fn note_endings(&mut self, replies: &mut Vec<Reply>) {
        let endings = replies.drain(..self.retired.len().min(replies.len()));
        let ended = self.retired.iter().zip(endings).filter(|(_, reply)| has_ended(reply));
        self.ended = ended.map(|(id, _)| id.name()).collect();
    }
}

/// What happens to the browser's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CookieChange {
    Keep,
    Set(Id),
    Remove,
}

/// What the store has of the current session, where it was read and is alive.
pub(crate) type Base<'a> = Option<&'a Record>;

impl State {
    /// Nothing was done yet in a request that presents `id`.
    pub(crate) fn new(id: Option<Id>, passing: bool) -> Self {
        let current = match id {
            Some(id) => Current::Named { id, own: false },
            None => Current::Fresh { id: None },
        };
        Self {
            current,
            passing,
            user: None,
            saved_user: None,
            emptied: false,
            login_due: false,
            renewal_due: false,
            next: None,
            changes: Vec::new(),
            parked: Vec::new(),
            version: 0,
            saved: 0,
            generation: 0,
            retired: Vec::new(),
            announce: false,
            forget: false,
            confirmed: false,
            ended: false,
            reported: false,
            response_started: false,
        }
    }

    /// The id under which the store may have more of the session than is known.
    pub(crate) fn readable(&self) -> Option<Id> {
        match &self.current {
            Current::Named { id, own: false } => Some(id.clone()),
            _ => None,
        }
    }

    /// The id of the session as far as the store knows one.
    pub(crate) fn named(&self) -> Option<Id> {
        match &self.current {
            Current::Named { id, .. } => Some(id.clone()),
            Current::Fresh { .. } => None,
        }
    }

    /// # Errors
    /// [`SessionError::Ended`] once the store has said so.
    pub(crate) fn check_alive(&self) -> Result<(), SessionError> {
        if self.ended { Err(SessionError::Ended) } else { Ok(()) }
    }

    /// The session in `found`, unless this request is in another by now.
    pub(crate) fn base<'a>(&self, found: Option<&'a Found>) -> Base<'a> {
        let record = match found {
            Some(Found::Live(record) | Found::Grace(record)) => record,
            _ => return None,
        };
        self.readable()?;
        // A login hides what is another user's, whoever of the three that is: the
        // one whose it was, the one whose this request made it, the one that it
        // is about to be.
        let users = [&record.user, &self.saved_user, &self.user];
        let mut users = users.into_iter().flatten();
        let first = users.next();
        (!self.emptied && users.all(|user| Some(user) == first)).then_some(record)
    }

    /// Who is logged in.
    pub(crate) fn user(&self, base: Base<'_>) -> Option<Arc<str>> {
        self.user.clone().or_else(|| base.and_then(|record| record.user.clone()))
    }

    /// Whether this request logged the user in.
    pub(crate) fn has_logged_in(&self) -> bool {
        self.user.is_some()
    }

    /// The value of a change, if there is one: set or removed.
    pub(crate) fn changed(&self, key: &str) -> Option<&Option<Bytes>> {
        self.changes.iter().find(|change| *change.key == *key).map(|change| &change.value)
    }

    /// All changes: what was set, and `None` for what was removed.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&str, &Option<Bytes>)> {
        self.changes.iter().map(|change| (&*change.key, &change.value))
    }

    /// The change of `key` that the store does not have yet.
    pub(crate) fn unsaved_change(&self, key: &str) -> Option<&Option<Bytes>> {
        self.unsaved().find(|change| *change.key == *key).map(|change| &change.value)
    }

    /// Whether values are only here, and operations on them with them.
    pub(crate) fn is_fresh(&self) -> bool {
        matches!(self.current, Current::Fresh { .. })
    }

    /// Sets or removes a value; one that is known to be there already changes
    /// nothing. `stored` is what the store has, when it was read, and matters
    /// only where conflicts are to be found.
    ///
    /// # Errors
    /// [`SessionError::TooManyKeys`], as far as can be known here.
    pub(crate) fn change(
        &mut self,
        key: &str,
        value: Option<Bytes>,
        base: Base<'_>,
        stored: Option<Option<Bytes>>,
    ) -> Result<(), SessionError> {
        let is_new =
            self.changed(key).is_none() && base.is_none_or(|record| record.value(key).is_none());
        if value.is_some() && is_new && self.count_with(key, base) > MAX_KEYS {
            return Err(SessionError::TooManyKeys);
        }
        let expected = stored.map_or(Expected::Anything, Expected::This);
        self.put(key.into(), value, expected);
        Ok(())
    }

    /// Puts an undecodable value of the store aside.
    pub(crate) fn park(&mut self, key: &str, stored: Bytes) {
        if !self.parked.iter().any(|(parked, _)| **parked == *key) {
            self.parked.push((key.into(), stored));
        }
    }

    /// Notes what the store now has under `key`.
    pub(crate) fn learn(&mut self, key: &str, value: Option<Bytes>, stored: Option<Bytes>) {
        if self.unsaved_change(key).is_some() {
            return; // it was changed again since
        }
        let learned =
            Change { key: key.into(), value, stored, expected: Expected::Anything, version: 0 };
        match self.changes.iter_mut().find(|change| *change.key == *key) {
            Some(change) => *change = learned,
            None => self.changes.push(learned),
        }
    }

    /// Begins a session under a new id instead of one that the store does not
    /// know, with the changes that it has not saved.
    pub(crate) fn start_afresh(&mut self) {
        self.current = Current::Fresh { id: None };
        self.next = None;
        self.renewal_due = false;
        self.parked.clear();
        let saved = std::mem::take(&mut self.saved);
        self.changes.retain(|change| change.value.is_some() && change.version > saved);
        for change in &mut self.changes {
            (change.stored, change.expected) = (None, Expected::Anything);
        }
        (self.ended, self.confirmed) = (false, false);
    }

    /// Whether the store has saved something of this request to the session:
    /// then it was alive.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Logs `user` in with the next save. `before` is whose session it was, as
    /// far as that is known.
    pub(crate) fn login(&mut self, user: Arc<str>, before: Whose) {
        if self.ended {
            // What the ended session held does not go over.
            self.changes.clear();
            self.start_afresh();
        }
        let stays = match before {
            Whose::Unknown => false,
            Whose::Nobodys => true,
            Whose::User(before) => before == user,
        };
        if self.login_due && !stays {
            // They were made as another user, who is not logged in after all.
            self.changes.clear();
        } else if !stays {
            // The session has them no more, or that is for the store to say.
            let saved = self.saved;
            self.changes.retain(|change| change.version > saved);
        }
        self.user = Some(user);
        self.login_due = true;
        self.reported = false;
        self.version += 1;
    }

    /// Whose session this is.
    pub(crate) fn whose(&self, found: Option<&Found>) -> Whose {
        match (&self.user, found) {
            (Some(user), _) => Whose::User(user.clone()),
            (None, Some(Found::Live(record) | Found::Grace(record)))
                if self.readable().is_some() =>
            {
                record.user.clone().map_or(Whose::Nobodys, Whose::User)
            }
            (None, None) if self.readable().is_some() => Whose::Unknown,
            _ => Whose::Nobodys,
        }
    }

    /// Renews the id with the next save.
    pub(crate) fn renew(&mut self) {
        self.renewal_due = true;
        self.reported = false;
        self.version += 1;
    }

    /// Ends the present session. `held`: the store may have something under the
    /// id that the request presented.
    pub(crate) fn logout(&mut self, held: bool, cookie_came: bool) {
        self.forget |= cookie_came;
        match &self.current {
            Current::Named { id, own } if *own || held => self.retired.push(id.clone()),
            _ => {}
        }
        self.current = Current::Fresh { id: None };
        self.user = None;
        (self.login_due, self.renewal_due, self.next) = (false, false, None);
        self.generation += 1;
        self.changes.clear();
        self.parked.clear();
        (self.ended, self.reported, self.announce) = (false, false, false);
        self.confirmed = false;
    }

    fn put(&mut self, key: Box<str>, value: Option<Bytes>, expected: Expected) {
        self.reported = false;
        self.version += 1;
        let version = self.version;
        let saved = self.saved;
        match self.changes.iter_mut().find(|change| change.key == key) {
            Some(change) => {
                // What it must be made upon is what it was first made upon, or what
                // this request has saved since.
                if change.version <= saved {
                    change.expected = match expected {
                        Expected::Anything => Expected::Anything,
                        Expected::This(_) => Expected::This(change.stored.clone()),
                    };
                }
                (change.value, change.version, change.stored) = (value, version, None);
            }
            None => self.changes.push(Change { key, value, stored: None, expected, version }),
        }
    }

    /// How many keys the session has with `key`, as far as is known.
    fn count_with(&self, key: &str, base: Base<'_>) -> usize {
        let set = self.changes.iter().filter(|change| change.value.is_some()).count();
        let stored = base.map_or(&[][..], |record| record.values());
        let new = |name: &Bytes| {
            name != key.as_bytes() && !self.changes.iter().any(|c| c.key.as_bytes() == name)
        };
        set + 1 + stored.iter().filter(|(name, _)| new(name)).count()
    }

    fn unsaved(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.version > self.saved)
    }

    /// Whether the session must be created, because a user logged in or a value
    /// was set.
    fn must_create(&self) -> bool {
        self.is_fresh()
            && (self.login_due
                || !self.passing && self.changes.iter().any(|change| change.value.is_some()))
    }

    fn must_change(&self) -> bool {
        !self.is_fresh()
            && (self.login_due
                || self.renewal_due
                || !self.parked.is_empty()
                || self.unsaved().next().is_some())
    }

    /// Whether the response must wait for a save.
    pub(crate) fn must_save(&self) -> bool {
        !self.ended
            && !self.reported
            && (self.must_create() || self.must_change() || !self.retired.is_empty())
    }

    /// What a save has to do now, with an operation of the handler's.
    ///
    /// # Errors
    /// [`SessionError::Ended`], [`SessionError::ResponseStarted`], and those of
    /// new ids and sealing.
    pub(crate) fn plan(
        &mut self,
        store: &Store,
        started: u64,
        operation: Option<(&str, &Operation)>,
    ) -> Result<Plan, SessionError> {
        self.check_alive()?;
        let mut plan = Plan {
            save: None,
            retired: self.retired.clone(),
            id: self.named(),
            mode: self.mode(),
            user: self.user.clone().filter(|_| self.login_due),
            ended: Vec::new(),
            version: self.version,
            generation: self.generation,
        };
        if !(self.must_create() || self.must_change() || operation.is_some()) {
            return Ok(plan);
        }
        if plan.mode != Mode::Use && self.response_started {
            return Err(SessionError::ResponseStarted);
        }
        let (id, next) = self.ids(store, plan.mode)?;
        self.seal(store, &id)?;
        plan.id = Some(next.clone().unwrap_or_else(|| id.clone()));
        let mut save = store.save(plan.mode, &id, next.as_ref(), plan.user.as_ref(), started);
        if let Some((key, operation)) = operation {
            save = save.operation(key, operation);
        }
        for change in self.unsaved() {
            if let (Expected::This(expected), false) = (&change.expected, self.is_fresh()) {
                save = save.check(&change.key, expected.as_ref());
            }
            if change.value.is_some() || !self.is_fresh() {
                save = save.change(&change.key, change.stored.as_ref());
            }
        }
        for (key, stored) in &self.parked {
            save = save.park(key, stored);
        }
        plan.save = Some(save.build());
        Ok(plan)
    }

    fn mode(&self) -> Mode {
        match self.current {
            Current::Fresh { .. } => Mode::New,
            Current::Named { .. } if self.login_due => Mode::Login,
            Current::Named { .. } if self.renewal_due => Mode::Renew,
            Current::Named { .. } => Mode::Use,
        }
    }

    /// The id that the store knows, and the one that the session gets.
    fn ids(&mut self, store: &Store, mode: Mode) -> Result<(Id, Option<Id>), SessionError> {
        match &mut self.current {
            Current::Fresh { id: Some(id) } => Ok((id.clone(), Some(id.clone()))),
            Current::Fresh { id } => {
                let new = id.insert(store.new_id()?).clone();
                Ok((new.clone(), Some(new)))
            }
            Current::Named { id, .. } if mode == Mode::Use => Ok((id.clone(), None)),
            Current::Named { id, .. } => {
                let next = match &self.next {
                    Some(next) => next.clone(),
                    None => self.next.insert(id.renewed()?).clone(),
                };
                Ok((id.clone(), Some(next)))
            }
        }
    }

    fn seal(&mut self, store: &Store, id: &Id) -> Result<(), SessionError> {
        let (name, saved) = (id.name(), self.saved);
        for change in &mut self.changes {
            if let (Some(value), None, true) =
                (&change.value, &change.stored, change.version > saved)
            {
                change.stored = Some(store.values.seal(name, &change.key, value)?);
            }
        }
        Ok(())
    }

    /// Takes note that the plan's save was carried out; `persistent` cookies
    /// live as long as the session and are sent again with a slide.
    pub(crate) fn written(&mut self, plan: &Plan, saved: &Saved, persistent: bool) {
        self.reported = false;
        if plan.generation != self.generation {
            return;
        }
        self.saved = self.saved.max(plan.version);
        self.confirmed = true;
        self.parked.clear();
        match (plan.mode, plan.id.clone()) {
            (Mode::Use, _) | (_, None) => self.announce |= saved.slid && persistent,
            (mode, Some(id)) => {
                let own = match self.current {
                    Current::Named { own, .. } => own,
                    Current::Fresh { .. } => true,
                };
                self.current = Current::Named { id, own };
                self.announce = true;
                self.next = None;
                self.renewal_due = false;
                if mode != Mode::Renew && plan.user == self.user {
                    self.login_due = false;
                }
                if plan.user.is_some() {
                    self.emptied |= self.saved_user.is_some() && self.saved_user != plan.user;
                    self.saved_user.clone_from(&plan.user);
                }
            }
        }
    }

    /// Takes note that the plan's retired sessions were ended.
    pub(crate) fn retired(&mut self, plan: &Plan) {
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

    /// Takes note that reading the session wrote the time of its last touch, or
    /// that the id stays after all.
    pub(crate) fn announce(&mut self) {
        self.announce = true;
    }

    /// Takes back [`renew`](Self::renew).
    pub(crate) fn stay(&mut self) {
        (self.renewal_due, self.next) = (false, None);
    }

    /// The headers go out now: what becomes of the cookie?
    pub(crate) fn start_response(&mut self) -> CookieChange {
        self.response_started = true;
        if self.ended || self.reported {
            return CookieChange::Keep;
        }
        match &self.current {
            Current::Named { id, .. } if self.announce => CookieChange::Set(id.clone()),
            Current::Fresh { .. } if self.forget => CookieChange::Remove,
            _ => CookieChange::Keep,
        }
    }
}
