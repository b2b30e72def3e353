//! [`Request`]: what the specification says of a request, one step after the
//! other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    operation::Operation,
    program::Step,
    world::{Cookie, Key, RENEWAL, User, Values, World, Worth},
};

/// What a step answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Done,
    Value(Option<Value>),
    Values(BTreeMap<String, Value>),
    User(Option<String>),
    Number(i64),
    Did(bool),
    Count(usize),
    Refused(Why),
    /// The response leaves, and this becomes of the cookie.
    Sent(CookieMove),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Why {
    /// The session ended or was renewed meanwhile.
    Ended,
    /// The value is nothing that the operation works on.
    Unfit,
    NoUser,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum CookieMove {
    Keep,
    Set(Cookie),
    Remove,
}

/// What a request has found under its cookie when it first looked.
#[derive(Clone, Debug)]
struct View {
    worth: Worth,
    user: Option<User>,
    values: Values,
    renewed: u64,
}

/// Which session a request is in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// The one that its cookie leads to, if it does: `None` was planted.
    Presented(Option<Cookie>),
    /// One that it began itself.
    Own(Cookie),
    /// None, until there is something to store.
    Nowhere,
}

/// What a request knows of a value beyond its view.
#[derive(Clone, Debug)]
struct Note {
    value: Option<Value>,
    saved: bool,
}

#[derive(Debug)]
pub(crate) struct Request {
    started: u64,
    cookie_came: bool,
    view: Option<View>,
    place: Place,
    notes: BTreeMap<Key, Note>,
    user: Option<User>,
    /// Whose it made the session in the store.
    saved_user: Option<User>,
    /// It has made it two users', so its view is of nothing any more.
    emptied: bool,
    login_due: bool,
    renewal_due: bool,
    leaving: Vec<Option<Cookie>>,
    announce: bool,
    forget: bool,
    /// The store has saved something to this session in this request.
    proven: bool,
    /// The store has said that the session is gone.
    dead: bool,
    /// An error has ended the handler.
    over: bool,
}

type Operated = (bool, Option<Value>);

impl Request {
    /// A request with no cookie, one that leads somewhere, or a planted one.
    pub(crate) fn begin(world: &World, cookie: Option<Option<Cookie>>) -> Self {
        Self {
            started: world.now,
            cookie_came: cookie.is_some(),
            view: None,
            place: cookie.map_or(Place::Nowhere, Place::Presented),
            notes: BTreeMap::new(),
            user: None,
            saved_user: None,
            emptied: false,
            login_due: false,
            renewal_due: false,
            leaving: Vec::new(),
            announce: false,
            forget: false,
            proven: false,
            dead: false,
            over: false,
        }
    }

    /// Whether an error has left nothing to do but to finish.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn take(&mut self, world: &mut World, step: &Step) -> Outcome {
        let outcome = self.step(world, step).unwrap_or_else(Outcome::Refused);
        self.over |= matches!(outcome, Outcome::Refused(_));
        outcome
    }

    fn step(&mut self, world: &mut World, step: &Step) -> Result<Outcome, Why> {
        Ok(match step {
            Step::Begin(_) => Outcome::Done,
            Step::Get(key) => Outcome::Value(self.get(world, key)),
            Step::Values => Outcome::Values(self.values(world)),
            Step::User => Outcome::User(self.user(world).map(str::to_owned)),
            Step::Insert(key, value) => self.change(key, Some(value.clone()))?,
            Step::Remove(key) => self.change(key, None)?,
            Step::Increment(key) => {
                let sum = self.operate(world, key, &Operation::Increment)?.1;
                Outcome::Number(sum.and_then(|sum| sum.as_i64()).unwrap())
            }
            Step::Append(key, value) => {
                self.operate(world, key, &Operation::Append(value.clone()))?;
                Outcome::Done
            }
            Step::InsertIfAbsent(key, value) => {
                Outcome::Did(self.operate(world, key, &Operation::Add(value.clone()))?.0)
            }
            Step::CompareAndSet(key, old, new) => {
                let swap = Operation::Swap(old.clone(), new.clone());
                Outcome::Did(self.operate(world, key, &swap)?.0)
            }
            Step::Take(key) => Outcome::Value(self.take_value(world, key)?),
            Step::Save => {
                self.store(world, None)?;
                Outcome::Done
            }
            Step::Login(user) => self.login(user),
            Step::Logout => self.logout(),
            Step::Renew => self.renew(world)?,
            Step::RevokeOthers => {
                let user = self.user(world).ok_or(Why::NoUser)?;
                Outcome::Count(world.revoke(user, self.cookie().map(|cookie| cookie.session)))
            }
            Step::Finish => unreachable!("finished by itself"),
            Step::RevokeAll(_) | Step::Wait(_) => unreachable!("no request's"),
        })
    }

    fn cookie(&self) -> Option<Cookie> {
        match self.place {
            Place::Presented(cookie) => cookie,
            Place::Own(cookie) => Some(cookie),
            Place::Nowhere => None,
        }
    }

    /// Looks what is under the cookie, once.
    fn look(&mut self, world: &mut World) {
        let (Place::Presented(cookie), None) = (self.place, &self.view) else { return };
        let worth = world.worth(cookie, self.started);
        let mut view = View { worth, user: None, values: Values::new(), renewed: 0 };
        match (cookie, worth) {
            (Some(cookie), Worth::Live | Worth::Grace) => {
                self.announce |= worth == Worth::Live && world.touch(cookie.session);
                let stored = &world.sessions[cookie.session];
                view.user = stored.user;
                view.values = stored.values.clone();
                view.renewed = stored.renewed;
            }
            (Some(cookie), Worth::Reused) => world.reused(cookie),
            _ => {}
        }
        self.view = Some(view);
    }

    /// What it has seen of the session that it is in.
    fn seen(&self) -> Option<&View> {
        let view = self.view.as_ref()?;
        let is_session = matches!(view.worth, Worth::Live | Worth::Grace);
        let users: BTreeSet<User> =
            [view.user, self.saved_user, self.user].into_iter().flatten().collect();
        let is_theirs = users.len() <= 1 && !self.emptied;
        (is_session && matches!(self.place, Place::Presented(_)) && is_theirs).then_some(view)
    }

    fn get(&mut self, world: &mut World, key: Key) -> Option<Value> {
        if let Some(note) = self.notes.get(key) {
            return note.value.clone();
        }
        self.look(world);
        self.seen().and_then(|view| view.values.get(key)).cloned()
    }

    fn values(&mut self, world: &mut World) -> BTreeMap<String, Value> {
        self.look(world);
        let mut values = self.seen().map_or_else(Values::new, |view| view.values.clone());
        for (key, note) in &self.notes {
            match &note.value {
                Some(value) => values.insert(key, value.clone()),
                None => values.remove(key),
            };
        }
        values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn user(&mut self, world: &mut World) -> Option<User> {
        if self.user.is_none() {
            self.look(world);
        }
        self.user.or_else(|| self.seen().and_then(|view| view.user))
    }

    /// Whether the session may be changed, as far as the request has seen; if
    /// there was none, another begins.
    fn check(&mut self) -> Result<(), Why> {
        let presented = matches!(self.place, Place::Presented(_));
        match self.view.as_ref().map(|view| view.worth) {
            Some(Worth::Gone | Worth::Grace) if presented => Err(Why::Ended),
            Some(Worth::Nothing | Worth::Reused) if presented => {
                self.begin_another();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Another session begins, with what was not saved in one that there is not.
    fn begin_another(&mut self) {
        self.place = Place::Nowhere;
        (self.renewal_due, self.proven) = (false, false);
        self.notes.retain(|_, note| !note.saved && note.value.is_some());
    }

    fn change(&mut self, key: Key, value: Option<Value>) -> Result<Outcome, Why> {
        self.check()?;
        let present = match (self.notes.get(key), self.seen()) {
            (Some(note), _) => Some(note.value.clone()),
            (None, Some(view)) => Some(view.values.get(key).cloned()),
            (None, None) if self.place == Place::Nowhere => Some(None),
            (None, None) => None,
        };
        // What is known to be so already is not written.
        if present != Some(value.clone()) {
            self.notes.insert(key, Note { value, saved: false });
        }
        Ok(Outcome::Done)
    }

    fn login(&mut self, user: User) -> Outcome {
        let worth = self.view.as_ref().map(|view| view.worth);
        let is_over = matches!(worth, Some(Worth::Nothing | Worth::Gone | Worth::Reused));
        if is_over && matches!(self.place, Place::Presented(_)) {
            self.begin_another();
        }
        let stays = self.user.map_or_else(|| self.may_be_of(user), |before| before == user);
        if self.login_due && !stays {
            self.notes.clear();
        } else if !stays {
            self.notes.retain(|_, note| !note.saved);
        }
        (self.user, self.login_due) = (Some(user), true);
        Outcome::Done
    }

    /// Whether the session is known to be nobody's or this user's: then what was
    /// saved to it may be shown after the login.
    fn may_be_of(&self, user: User) -> bool {
        match (&self.view, self.place) {
            (None, Place::Presented(_)) => false,
            (Some(view), Place::Presented(_)) => view.user.is_none_or(|before| before == user),
            _ => true,
        }
    }

    fn logout(&mut self) -> Outcome {
        self.forget |= self.cookie_came;
        let worth = self.view.as_ref().map(|view| view.worth);
        match self.place {
            // There is nothing to end.
            Place::Presented(_) if matches!(worth, Some(Worth::Nothing | Worth::Gone)) => {}
            Place::Presented(cookie) => self.leaving.push(cookie),
            Place::Own(cookie) => self.leaving.push(Some(cookie)),
            Place::Nowhere => {}
        }
        self.place = Place::Nowhere;
        self.user = None;
        (self.login_due, self.renewal_due) = (false, false);
        (self.announce, self.proven) = (false, false);
        self.notes.clear();
        Outcome::Done
    }

    fn renew(&mut self, world: &mut World) -> Result<Outcome, Why> {
        self.look(world);
        self.renewal_due |= match (self.place, self.view.as_ref().map(|view| view.worth)) {
            (Place::Presented(_), Some(Worth::Grace)) => return Err(Why::Ended),
            (Place::Presented(_), Some(Worth::Live)) | (Place::Own(_), _) => true,
            _ => false,
        };
        Ok(Outcome::Done)
    }

    fn take_value(&mut self, world: &mut World, key: Key) -> Result<Option<Value>, Why> {
        let absent = !self.notes.contains_key(key)
            && self.seen().is_some_and(|view| !view.values.contains_key(key));
        if absent {
            return Ok(None);
        }
        Ok(self.operate(world, key, &Operation::Take)?.1)
    }

    fn operate(
        &mut self,
        world: &mut World,
        key: Key,
        operation: &Operation,
    ) -> Result<Operated, Why> {
        if let Some(operated) = self.operate_here(key, operation)? {
            return Ok(operated);
        }
        if self.user.is_some() && self.must_save() {
            self.store(world, None)?;
        }
        match self.store(world, Some((key, operation)))? {
            Some((done, value)) => {
                let note = Note { value: operation.leaves(&value), saved: true };
                self.notes.insert(key, note);
                Ok((done, value))
            }
            None => Ok(self.operate_here(key, operation)?.unwrap()),
        }
    }

    /// On a value that is to be saved, or in a session that is.
    fn operate_here(&mut self, key: Key, operation: &Operation) -> Result<Option<Operated>, Why> {
        self.check()?;
        let before = match self.notes.get(key) {
            Some(note) if !note.saved || self.place == Place::Nowhere => note.value.clone(),
            None if self.place == Place::Nowhere => None,
            _ => return Ok(None),
        };
        let (done, value) = operation.on(before)?;
        if done {
            let after = operation.leaves(&value);
            self.notes.insert(key, Note { value: after, saved: false });
        }
        Ok(Some((done, value)))
    }

    fn must_store(&self) -> bool {
        match self.place {
            Place::Nowhere => self.login_due || self.notes.values().any(|n| n.value.is_some()),
            _ => self.login_due || self.renewal_due || self.notes.values().any(|n| !n.saved),
        }
    }

    fn must_save(&self) -> bool {
        self.must_store() || !self.leaving.is_empty()
    }

    /// Saves all that is to be saved, and carries an operation out with it.
    /// `None`: there is no session in which to carry it out.
    fn store(
        &mut self,
        world: &mut World,
        operation: Option<(Key, &Operation)>,
    ) -> Result<Option<Operated>, Why> {
        for cookie in std::mem::take(&mut self.leaving) {
            world.leave(cookie);
        }
        if !self.must_store() && operation.is_none() {
            return Ok(None);
        }
        let user = self.user.filter(|_| self.login_due);
        let cookie = match self.place {
            Place::Nowhere => {
                let set = |(key, note): (&Key, &Note)| Some((*key, note.value.clone()?));
                let cookie = world.create(user, self.notes.iter().filter_map(set).collect());
                self.saved(Place::Own(cookie), true);
                return Ok(None);
            }
            Place::Presented(cookie) => cookie,
            Place::Own(cookie) => Some(cookie),
        };
        let worth = world.worth(cookie, self.started);
        if let (Worth::Live, Some(cookie)) = (worth, cookie) {
            return self.store_in(world, cookie.session, user, operation);
        }
        if let (Worth::Reused, Some(cookie)) = (worth, cookie) {
            world.reused(cookie);
        } else {
            let was_there = self.proven || self.seen().is_some();
            let refused = worth != Worth::Nothing || was_there;
            // Whoever logs in has shown who they are, and begins another.
            if refused && user.is_none() {
                self.dead = true;
                return Err(Why::Ended);
            }
        }
        self.begin_another();
        if operation.is_some() { Ok(None) } else { self.store(world, None) }
    }

    fn store_in(
        &mut self,
        world: &mut World,
        session: usize,
        user: Option<User>,
        operation: Option<(Key, &Operation)>,
    ) -> Result<Option<Operated>, Why> {
        let stored = &mut world.sessions[session];
        if user.is_some() && stored.user.is_some() && stored.user != user {
            stored.values.clear();
            // What this request knows of them it does not know any more.
            self.notes.retain(|_, note| !note.saved);
        }
        let mut operated = None;
        if let Some((key, operation)) = operation {
            let (done, value) = operation.on(stored.values.get(key).cloned())?;
            match operation.leaves(&value) {
                Some(value) => stored.values.insert(key, value),
                None => stored.values.remove(key),
            };
            operated = Some((done, value));
        }
        for (key, note) in self.notes.iter().filter(|(_, note)| !note.saved) {
            match &note.value {
                Some(value) => stored.values.insert(key, value.clone()),
                None => stored.values.remove(key),
            };
        }
        let place = |cookie| match self.place {
            Place::Own(_) => Place::Own(cookie),
            _ => Place::Presented(Some(cookie)),
        };
        if let Some(user) = user {
            stored.user = Some(user);
            self.emptied |= self.saved_user.is_some_and(|before| before != user);
            self.saved_user = Some(user);
            let cookie = world.renew(session, false);
            self.saved(place(cookie), true);
        } else if self.renewal_due {
            let cookie = world.renew(session, true);
            self.saved(place(cookie), true);
        } else {
            let slid = world.touch(session);
            self.saved(self.place, slid);
        }
        Ok(operated)
    }

    fn saved(&mut self, place: Place, announce: bool) {
        self.place = place;
        self.announce |= announce;
        (self.login_due, self.renewal_due, self.proven) = (false, false, true);
        for note in self.notes.values_mut() {
            note.saved = true;
        }
    }

    /// The handler has returned: what is not saved yet is, before the response.
    pub(crate) fn finish(mut self, world: &mut World) -> Outcome {
        let renewal = world.renews
            && self.seen().is_some_and(|view| {
                view.worth == Worth::Live && world.now - view.renewed >= RENEWAL
            });
        if self.dead {
            return Outcome::Sent(CookieMove::Keep);
        }
        if self.must_save() {
            self.renewal_due |= renewal;
            if let Err(why) = self.store(world, None) {
                return Outcome::Refused(why);
            }
        } else if renewal {
            self.renewal_due = true;
            // A renewal that comes too late is no harm.
            if self.store(world, None).is_err() {
                return Outcome::Sent(CookieMove::Keep);
            }
        }
        Outcome::Sent(match (self.place, self.cookie()) {
            (Place::Nowhere, _) if self.forget => CookieMove::Remove,
            (_, Some(cookie)) if self.announce => CookieMove::Set(cookie),
            _ => CookieMove::Keep,
        })
    }
}
