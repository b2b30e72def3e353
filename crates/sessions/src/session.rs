//! [`Session`]: the handle that a request's handler works with.

use std::{
    any::type_name,
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{Extensions, HeaderMap};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard, OnceCell};

use crate::{
    Conflicts, EventKind, MAX_KEY_BYTES, MAX_VALUE_BYTES, SessionError, Trouble,
    cookies::Presented,
    id::Id,
    shared::Shared,
    state::{Base, CookieChange, State},
    store::{Found, Record, Store},
    visitor::Visitor,
};

/// The session of one request. Cloning it is a reference count; clones are the
/// same session.
///
/// Nothing is read from the store before a method needs it, and the session is
/// read at most once in a request. Changes are kept in the handle and saved
/// together when the handler has returned its response, before the first byte
/// of it is sent, whatever its status. If that fails, the client gets an error
/// in place of the response (see the [crate's documentation](crate#trouble)).
///
/// `Debug` shows neither the id nor any value.
#[derive(Clone)]
pub struct Session(Arc<Handle>);

pub(crate) struct Handle {
    pub(crate) layer: Arc<Shared>,
    pub(crate) visitor: Visitor,
    cookie_came: bool,
    /// When the request came, in milliseconds since 1970.
    pub(crate) started: u64,
    /// Whether the route goes on without a store that cannot be read.
    anonymous: AtomicBool,
    /// What the store held under the presented id, once it was asked.
    found: OnceCell<Found>,
    state: Mutex<State>,
    /// Held by a save: what the store gets of one request, it gets in order.
    saving: AsyncMutex<()>,
}

impl Session {
    pub(crate) fn new(layer: Arc<Shared>, headers: &HeaderMap, extensions: &Extensions) -> Self {
        let presented = layer.cookie.presented(headers);
        let visitor = Visitor::of(headers, extensions, layer.address_of.as_ref());
        let (id, cookie_came) = match presented {
            Presented::Nothing => (None, false),
            Presented::Unusable => (None, true),
            Presented::Id(id) => (Some(id), true),
        };
        let passing = id.is_none() && layer.forgets_robots && visitor.is_robot();
        Self(Arc::new(Handle {
            visitor,
            cookie_came,
            started: layer.clock.now(),
            anonymous: AtomicBool::new(layer.trouble == Trouble::Anonymous),
            found: OnceCell::new(),
            state: Mutex::new(State::new(id, passing)),
            saving: AsyncMutex::new(()),
            layer,
        }))
    }

    /// The session among a request's extensions, where
    /// [`SessionLayer`](crate::SessionLayer) puts it; `None` outside the layer.
    #[must_use]
    pub fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The value under `key`; `None` when there is none, or no session.
    ///
    /// A value that is not a `T` is put aside, so that it is not an error for
    /// ever: it is `None` from now on, a warning says so, and
    /// [`quarantined`](Self::quarantined) still has it. (One that was sealed by
    /// a key which is not in the ring is `None` too, but stays where it is.)
    ///
    /// Costs 1 store command for the first access of a request, none later,
    /// and none without a cookie. Putting aside is part of the save.
    ///
    /// # Errors
    /// [`SessionError::Store`] when the session cannot be read,
    /// [`SessionError::Ended`] after a save that came too late.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        let Some(json) = self.json(key).await? else { return Ok(None) };
        if let Ok(value) = serde_json::from_slice(&json) {
            return Ok(Some(value));
        }
        // The parser's own message would show parts of the value.
        tracing::warn!(key, wanted = type_name::<T>(), "a session value was put aside");
        self.put_aside(key);
        Ok(None)
    }

    /// The JSON under `key`.
    pub(crate) async fn json(&self, key: &str) -> Result<Option<Bytes>, SessionError> {
        {
            let state = self.state();
            state.check_alive()?;
            if let Some(value) = state.changed(key) {
                return Ok(value.clone());
            }
        }
        let found = self.settled().await?;
        let stored = {
            let state = self.state();
            state.check_alive()?;
            if let Some(value) = state.changed(key) {
                return Ok(value.clone());
            }
            let Some(stored) = state.base(found).and_then(|record| record.value(key)) else {
                return Ok(None);
            };
            stored.clone()
        };
        let Some(name) = self.state().named().map(|id| id.name()) else { return Ok(None) };
        let json = self.store().values.open(name, key, &stored);
        if json.is_none() && !self.store().values.opens_elsewhere(&stored) {
            self.put_aside(key);
        }
        Ok(json)
    }

    /// All keys and values of the session, by key; values that are not JSON are
    /// left out. Costs as [`get`](Self::get) does.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn values(&self) -> Result<BTreeMap<String, serde_json::Value>, SessionError> {
        let found = self.settled().await?;
        let state = self.state();
        state.check_alive()?;
        let mut values = BTreeMap::new();
        let stored = state.base(found).map_or(&[][..], |record| record.values());
        for (key, stored) in stored {
            let (Ok(key), Some(id)) = (std::str::from_utf8(key), state.named()) else { continue };
            let json = self.store().values.open(id.name(), key, stored);
            if let Some(value) = json.and_then(|json| serde_json::from_slice(&json).ok()) {
                values.insert(key.to_owned(), value);
            }
        }
        for (key, change) in state.changes() {
            match change.as_ref().and_then(|json| serde_json::from_slice(json).ok()) {
                Some(value) => values.insert(key.to_owned(), value),
                None => values.remove(key),
            };
        }
        Ok(values)
    }

    /// What was put aside because it could not be decoded, as the store has it;
    /// `None` when there is nothing, or nothing was put aside before this
    /// request. Costs as [`get`](Self::get) does.
    ///
    /// # Errors
    /// As for [`get`](Self::get).
    pub async fn quarantined(&self, key: &str) -> Result<Option<Bytes>, SessionError> {
        let found = self.settled().await?;
        let state = self.state();
        state.check_alive()?;
        Ok(state.base(found).and_then(|record| record.parked(key)).cloned())
    }

    /// Has the next save move the value that the store has under `key` out of
    /// the way. A session in its grace is left alone.
    pub(crate) fn put_aside(&self, key: &str) {
        let mut state = self.state();
        if let Some(Found::Live(record)) = self.0.found.get()
            && let Some(stored) = state.base(self.0.found.get()).and(record.value(key))
        {
            state.park(key, stored.clone());
            state.learn(key, None, None);
        }
    }

    /// Sets the value under `key`. Without a live session a new one begins,
    /// which nobody is logged in to.
    ///
    /// Reads nothing. The save costs 1 command, for all changes of a request
    /// together. A value that is known to be the present one, because the
    /// session was read before, is not written.
    ///
    /// # Errors
    /// [`SessionError::Key`], [`SessionError::ValueTooLarge`],
    /// [`SessionError::TooManyKeys`] and [`SessionError::Encode`] when the value
    /// cannot be kept; [`SessionError::Ended`] when the session is known to be
    /// gone. What is only known to the store, the save says.
    pub async fn insert<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
    ) -> Result<(), SessionError> {
        let json = encode(key, value)?;
        self.change(key, Some(json))
    }

    /// Removes the value under `key`; nothing happens when there is none. Costs
    /// as [`insert`](Self::insert) does.
    ///
    /// # Errors
    /// [`SessionError::Ended`] when the session is known to be gone.
    #[expect(clippy::unused_async, reason = "as insert")]
    pub async fn remove(&self, key: &str) -> Result<(), SessionError> {
        if check_key(key).is_err() {
            return Ok(()); // no value can be there
        }
        self.change(key, None)
    }

    fn change(&self, key: &str, value: Option<Bytes>) -> Result<(), SessionError> {
        let found = self.0.found.get();
        let mut state = self.state();
        self.check_writable(&mut state)?;
        let base = state.base(found);
        let name = state.named().map(|id| id.name());
        let stored = base.map(|record| record.value(key).cloned());
        if state.changed(key).map_or_else(
            || match (&stored, name) {
                (Some(Some(stored)), Some(name)) => {
                    self.store().values.open(name, key, stored) == value
                }
                (Some(None), _) => value.is_none(),
                (None, _) => state.is_fresh() && value.is_none(),
                (Some(Some(_)), None) => false,
            },
            |changed| *changed == value,
        ) {
            return Ok(());
        }
        let stored = stored.filter(|_| self.0.layer.conflicts == Conflicts::Fail);
        state.change(key, value, base, stored)
    }

    /// The id of the user who is logged in. Costs as [`get`](Self::get) does.
    ///
    /// # Errors
    /// [`SessionError::Store`] when the session cannot be read: that is not a
    /// stranger, answer with an error. [`SessionError::Ended`] after a save that
    /// came too late.
    pub async fn user(&self) -> Result<Option<Arc<str>>, SessionError> {
        if self.state().has_logged_in() {
            let state = self.state();
            state.check_alive()?;
            return Ok(state.user(None));
        }
        let found = self.settled().await?;
        let state = self.state();
        state.check_alive()?;
        Ok(state.user(state.base(found)))
    }

    /// Whether a user is logged in; see [`user`](Self::user).
    ///
    /// # Errors
    /// As for [`user`](Self::user).
    pub async fn is_authenticated(&self) -> Result<bool, SessionError> {
        Ok(self.user().await?.is_some())
    }

    /// Whether the store could not be read and the request goes on without a
    /// session; see [`Trouble::Anonymous`].
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        matches!(self.0.found.get(), Some(Found::Degraded))
    }

    /// What happens when the store cannot be read, from here on in this
    /// request; [`Trouble`] as a layer says it for a route.
    pub fn on_trouble(&self, trouble: Trouble) {
        self.0.anonymous.store(trouble == Trouble::Anonymous, Relaxed);
    }

    /// Saves now what was changed so far, and not again with the response.
    ///
    /// Needed for changes made after the response's headers, by a streaming
    /// body, and useful to see a failure in the handler: after an error the
    /// layer does not try again and sends the handler's own response, without
    /// a cookie.
    ///
    /// # Errors
    /// [`SessionError::Store`] when the store does not confirm the save: it can
    /// be called again. [`SessionError::Ended`] when the session is gone,
    /// [`SessionError::Conflict`] when another request was faster,
    /// [`SessionError::TooManyKeys`] when there is no room;
    /// [`SessionError::ResponseStarted`] when a new session came too late.
    pub async fn save(&self) -> Result<(), SessionError> {
        let saved = self.write_out(None).await;
        if saved.is_err() {
            self.state().report();
        }
        saved.map(|_| ())
    }

    /// What becomes of the cookie, now that the headers go out.
    pub(crate) fn start_response(&self) -> CookieChange {
        self.state().start_response()
    }

    /// What the store holds under the request's id, as far as its current
    /// session depends on it.
    pub(crate) async fn settled(&self) -> Result<Option<&Found>, SessionError> {
        let Some(id) = self.state().readable() else { return Ok(self.found()) };
        self.0.found.get_or_try_init(|| self.load(id)).await.map(Some)
    }

    async fn load(&self, id: Id) -> Result<Found, SessionError> {
        let Handle { layer, started, anonymous, .. } = &*self.0;
        let found = match layer.store.load(&id, *started).await {
            Err(error) if error.is_trouble() && anonymous.load(Relaxed) => {
                tracing::warn!(%error, "a session was not read, and the request goes on without");
                Found::Degraded
            }
            found => found?,
        };
        match &found {
            Found::Live(record) if record.slid && layer.cookie.is_persistent() => {
                self.state().announce();
            }
            Found::Reused { by_schedule } => self.reused(id, *by_schedule).await,
            _ => {}
        }
        Ok(found)
    }

    /// Tells that a renewed id was used again, and ends the session if so set.
    pub(crate) async fn reused(&self, id: Id, by_schedule: bool) {
        let layer = &self.0.layer;
        layer.listener.tell(EventKind::Reused, id.name(), None);
        if by_schedule && layer.ends_reused {
            match layer.store.end_reused(&id).await {
                Ok(false) => {} // another request was faster
                Ok(true) => layer.listener.tell(EventKind::Revoked, id.name(), None),
                Err(error) => tracing::error!(%error, "a session could not be ended"),
            }
        }
    }

    /// Whether the session may be changed, as far as is known.
    pub(crate) fn check_writable(&self, state: &mut State) -> Result<(), SessionError> {
        state.check_alive()?;
        if state.readable().is_none() {
            return Ok(());
        }
        match self.found() {
            Some(Found::Gone | Found::Grace(_)) => Err(SessionError::Ended),
            Some(Found::Degraded) => Err(SessionError::ReadOnly),
            Some(Found::Nothing | Found::Reused { .. }) => {
                state.start_afresh();
                Ok(())
            }
            Some(Found::Live(_)) | None => Ok(()),
        }
    }

    pub(crate) fn found(&self) -> Option<&Found> {
        self.0.found.get()
    }

    /// The session as it was when it was read.
    pub(crate) fn record(&self) -> Base<'_> {
        let found = self.found();
        self.state().base(found)
    }

    pub(crate) fn layer(&self) -> &Arc<Shared> {
        &self.0.layer
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.layer.store
    }

    pub(crate) fn visitor(&self) -> &Visitor {
        &self.0.visitor
    }

    pub(crate) fn started(&self) -> u64 {
        self.0.started
    }

    pub(crate) fn cookie_came(&self) -> bool {
        self.0.cookie_came
    }

    /// Waits until no clone of this handle saves.
    pub(crate) async fn turn_to_save(&self) -> AsyncMutexGuard<'_, ()> {
        self.0.saving.lock().await
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if something did, state is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value as JSON, within the limits.
pub(crate) fn encode<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<Bytes, SessionError> {
    check_key(key)?;
    let json = serde_json::to_vec(value)
        .map_err(|_| SessionError::Encode { key: key.into(), given: type_name::<T>() })?;
    if json.len() > MAX_VALUE_BYTES {
        return Err(SessionError::ValueTooLarge { key: key.into(), bytes: json.len() });
    }
    Ok(json.into())
}

pub(crate) fn check_key(key: &str) -> Result<(), SessionError> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) {
        Ok(())
    } else {
        Err(SessionError::Key(key.len()))
    }
}

/// Whether the id of `record` is old enough to be renewed at `now`.
pub(crate) fn is_due(record: &Record, renew_every: u64, now: u64) -> bool {
    renew_every > 0 && now.saturating_sub(record.renewed) >= renew_every
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cookie = if self.0.cookie_came { "a cookie" } else { "no cookie" };
        let found = match self.0.found.get() {
            None => "not read",
            Some(Found::Live(_) | Found::Grace(_)) => "live",
            Some(_) => "not live",
        };
        write!(f, "Session({cookie}, {found})")
    }
}
