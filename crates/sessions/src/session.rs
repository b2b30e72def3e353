//! [`Session`]: the handle that a request's handler works with.

use std::{
    any::type_name,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::Extensions;
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::OnceCell;

use crate::{
    Clock, Config, MAX_KEY_BYTES, MAX_USER_BYTES, MAX_VALUE_BYTES, SessionError,
    cookies::{CookieForm, Presented},
    id::Id,
    state::{Base, CookieChange, State, base_of, dead_of},
    store::{Found, Store},
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

struct Handle {
    layer: Arc<Shared>,
    presented: Presented,
    /// What the store held under the presented id, once it was asked.
    found: OnceCell<Found>,
    state: Mutex<State>,
}

/// What all sessions of a layer share.
#[derive(Debug)]
pub(crate) struct Shared {
    store: Store,
    pub(crate) cookie: CookieForm,
    slide_after_ms: u64,
    clock: Clock,
}

impl Shared {
    pub(crate) fn new(db: tuckbox::Db, config: Config) -> Self {
        Self {
            store: Store::new(db, config.prefix, config.idle),
            cookie: config.cookie,
            slide_after_ms: u64::try_from(config.slide_after.as_millis()).unwrap_or(u64::MAX),
            clock: config.clock,
        }
    }
}

impl Session {
    pub(crate) fn new(layer: Arc<Shared>, presented: Presented) -> Self {
        let (found, state) = (OnceCell::new(), Mutex::default());
        Self(Arc::new(Handle { layer, presented, found, state }))
    }

    /// The session among a request's extensions, where
    /// [`SessionLayer`](crate::SessionLayer) puts it; `None` outside the layer.
    #[must_use]
    pub fn from_extensions(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The value under `key`; `None` when there is none, or no session.
    ///
    /// Costs 1 store command for the first access of a request, none later,
    /// and none without a cookie.
    ///
    /// # Errors
    /// [`SessionError::Store`] when the session cannot be read,
    /// [`SessionError::Decode`] when the value is not a `T`,
    /// [`SessionError::Ended`] after a save that came too late.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, SessionError> {
        let found = self.settled().await?;
        let value = {
            let state = self.state();
            state.check_alive()?;
            state.value(key, self.base(found))
        };
        let Some(json) = value else { return Ok(None) };
        // The parser's own message would show parts of the value.
        serde_json::from_slice(&json)
            .map(Some)
            .map_err(|_| SessionError::Decode { key: key.into(), wanted: type_name::<T>() })
    }

    /// Sets the value under `key`. Without a live session a new one begins,
    /// which nobody is logged in to.
    ///
    /// Reads the session first if that has not been done, as [`get`](Self::get)
    /// does. The save costs 2 commands for a new session, 2 for changes of an
    /// existing one and 1 more when the slide is due. A value equal to the
    /// present one is not written.
    ///
    /// # Errors
    /// [`SessionError::Key`], [`SessionError::ValueTooLarge`],
    /// [`SessionError::TooManyKeys`] and [`SessionError::Encode`] when the value
    /// cannot be kept; [`SessionError::Store`] when the session cannot be read;
    /// [`SessionError::Ended`] after a save that came too late.
    pub async fn insert<T: Serialize + ?Sized>(
        &self,
        key: &str,
        value: &T,
    ) -> Result<(), SessionError> {
        if !(1..=MAX_KEY_BYTES).contains(&key.len()) {
            return Err(SessionError::Key(key.len()));
        }
        let json = serde_json::to_vec(value)
            .map_err(|_| SessionError::Encode { key: key.into(), given: type_name::<T>() })?;
        if json.len() > MAX_VALUE_BYTES {
            return Err(SessionError::ValueTooLarge { key: key.into(), bytes: json.len() });
        }
        self.change(key, Some(json.into())).await
    }

    /// Removes the value under `key`; nothing happens when there is none. Costs
    /// as [`insert`](Self::insert) does.
    ///
    /// # Errors
    /// [`SessionError::Store`] when the session cannot be read;
    /// [`SessionError::Ended`] after a save that came too late.
    pub async fn remove(&self, key: &str) -> Result<(), SessionError> {
        self.change(key, None).await
    }

    async fn change(&self, key: &str, value: Option<bytes::Bytes>) -> Result<(), SessionError> {
        let found = self.settled().await?;
        let mut state = self.state();
        state.check_alive()?;
        state.change(key, value, self.base(found), dead_of(self.presented_id(), found))
    }

    /// The id of the user who is logged in. Costs as [`get`](Self::get) does.
    ///
    /// # Errors
    /// [`SessionError::Store`] when the session cannot be read: that is not a
    /// stranger, answer with an error. [`SessionError::Ended`] after a save that
    /// came too late.
    pub async fn user(&self) -> Result<Option<Arc<str>>, SessionError> {
        let found = self.settled().await?;
        let state = self.state();
        state.check_alive()?;
        Ok(state.user(self.base(found)))
    }

    /// Whether a user is logged in; see [`user`](Self::user).
    ///
    /// # Errors
    /// As for [`user`](Self::user).
    pub async fn is_authenticated(&self) -> Result<bool, SessionError> {
        Ok(self.user().await?.is_some())
    }

    /// Logs `user` in, under a new id. An id that somebody else may have planted
    /// or seen before the login is worth nothing afterwards: the session it
    /// named is deleted. Its values go over to the new one, unless they belong
    /// to another user.
    ///
    /// The save costs 2 commands in one round trip. A request that presents a
    /// cookie costs 1 more, to read what it names, and if that was a session 1
    /// more to delete it, after the new one is stored. A value that another
    /// request writes to the old session at the same moment is lost.
    ///
    /// # Errors
    /// [`SessionError::User`] when `user` is empty or too long;
    /// [`SessionError::Store`] when the previous session cannot be read.
    pub async fn login(&self, user: &str) -> Result<(), SessionError> {
        if !(1..=MAX_USER_BYTES).contains(&user.len()) {
            return Err(SessionError::User(user.len()));
        }
        let found = self.settled().await?;
        let dead = dead_of(self.presented_id(), found);
        self.state().login(user.into(), self.base(found), dead);
        Ok(())
    }

    /// Ends the session for everyone who has its id and removes the cookie. The
    /// request goes on without a session; a value it sets then begins a new one.
    ///
    /// The save costs 1 command, none without a cookie.
    ///
    /// # Errors
    /// None today: deleting is part of the save.
    #[expect(clippy::unused_async, reason = "as all methods; a store may have to be asked")]
    pub async fn logout(&self) -> Result<(), SessionError> {
        let held = !matches!(self.0.found.get(), Some(Found::Nothing));
        let cookie_came = self.0.presented != Presented::Nothing;
        self.state().logout(self.presented_id().filter(|_| held), cookie_came);
        Ok(())
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
    /// be called again. [`SessionError::Ended`] when the session is gone;
    /// [`SessionError::ResponseStarted`] when a new session came too late.
    pub async fn save(&self) -> Result<(), SessionError> {
        let saved = self.write_out().await;
        if saved.is_err() {
            self.state().report();
        }
        saved
    }

    /// Whether [`finish`](Self::finish) has anything to write.
    pub(crate) fn must_finish(&self) -> bool {
        let state = self.state();
        state.must_save() || (state.may_slide() && self.slide_is_due(self.now_if_found()))
    }

    /// Writes what the request leaves to be written.
    pub(crate) async fn finish(self) -> Result<(), SessionError> {
        if self.state().must_save() {
            self.write_out().await?;
        }
        let now = self.now_if_found();
        let may_slide = self.state().may_slide();
        if let (true, true, Some(id)) = (may_slide, self.slide_is_due(now), self.presented_id()) {
            let store = &self.0.layer.store;
            match store.write(store.slide(id, now)).await {
                Ok(true) => self.state().slide(),
                // It ended meanwhile: nothing of this request's is lost by that.
                Ok(false) => {}
                // The session only lives less long than it could.
                Err(error) => tracing::warn!(%error, "a session's lifetime was not extended"),
            }
        }
        Ok(())
    }

    async fn write_out(&self) -> Result<(), SessionError> {
        let Handle { layer, found, .. } = &*self.0;
        let now = layer.clock.now();
        let mut plan = {
            let base = self.base(found.get());
            self.state().plan(&layer.store, now, base, self.slide_is_due(now))?
        };
        if let Some(write) = plan.write.take() {
            if !layer.store.write(write).await? {
                self.state().end();
                return Err(SessionError::Ended);
            }
            self.state().written(&plan);
        }
        if !plan.retired.is_empty() {
            layer.store.delete(&plan.retired).await?;
            self.state().deleted(&plan);
        }
        Ok(())
    }

    /// What becomes of the cookie, now that the headers go out.
    pub(crate) fn start_response(&self) -> CookieChange {
        self.state().start_response(self.presented_id())
    }

    pub(crate) fn cookie(&self) -> &CookieForm {
        &self.0.layer.cookie
    }

    /// What the store holds under the presented id, as far as the request's
    /// current session depends on it.
    async fn settled(&self) -> Result<Option<&Found>, SessionError> {
        let Handle { layer, found, .. } = &*self.0;
        match self.presented_id() {
            Some(id) if self.state().is_presented() => {
                let load = || async move { layer.store.load(&id, layer.clock.now()).await };
                found.get_or_try_init(load).await.map(Some)
            }
            _ => Ok(found.get()),
        }
    }

    fn base<'a>(&self, found: Option<&'a Found>) -> Base<'a> {
        base_of(self.presented_id(), found)
    }

    fn presented_id(&self) -> Option<Id> {
        match self.0.presented {
            Presented::Id(id) => Some(id),
            _ => None,
        }
    }

    /// The time, or 0 when no session was read and none can be due.
    fn now_if_found(&self) -> u64 {
        if self.0.found.initialized() { self.0.layer.clock.now() } else { 0 }
    }

    fn slide_is_due(&self, now: u64) -> bool {
        match self.0.found.get() {
            // The difference either way: after the clock was put back, sessions
            // must not wait for it to catch up.
            Some(Found::Live(record)) => now.abs_diff(record.seen) >= self.0.layer.slide_after_ms,
            _ => false,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; if something did, state is whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let presented = match self.0.presented {
            Presented::Nothing => "no cookie",
            Presented::Unusable => "an unusable cookie",
            Presented::Id(_) => "a cookie",
        };
        write!(
            f,
            "Session({presented}, {})",
            match self.0.found.get() {
                None => "not read",
                Some(Found::Live(_)) => "live",
                Some(_) => "not live",
            }
        )
    }
}
