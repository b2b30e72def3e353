//! Logging in and out, and renewing ids.

use std::time::{Duration, SystemTime};

use crate::{MAX_USER_BYTES, Session, SessionError, store::Found};

impl Session {
    /// Logs `user` in, under a new id (OWASP: renew the session id after any
    /// privilege level change). An id that somebody else may have planted or
    /// seen before the login is worth nothing afterwards. The session's values
    /// stay, unless they belong to another user. Its absolute time begins anew.
    ///
    /// Reads nothing. The save costs 2 commands in 1 round trip: the session,
    /// and the index of its user's sessions. 1 more round trip when the cookie's
    /// session is over, and what [`MaxSessions`](crate::MaxSessions) says when
    /// the user has as many as are allowed.
    ///
    /// # Errors
    /// [`SessionError::User`] when `user` is empty or too long;
    /// [`SessionError::ReadOnly`]. What is only known to the store, the save
    /// says.
    #[expect(clippy::unused_async, reason = "as all methods that change the session")]
    pub async fn login(&self, user: &str) -> Result<(), SessionError> {
        if !(1..=MAX_USER_BYTES).contains(&user.len()) {
            return Err(SessionError::User(user.len()));
        }
        let mut state = self.state();
        match self.found() {
            Some(Found::Degraded) => return Err(SessionError::ReadOnly),
            Some(Found::Nothing | Found::Gone | Found::Reused { .. })
                if state.readable().is_some() =>
            {
                state.start_afresh();
            }
            _ => {}
        }
        let before = state.whose(self.found());
        state.login(user.into(), before);
        Ok(())
    }

    /// Ends the session for everyone who has its id and removes the cookie. The
    /// request goes on without a session; a value it sets then begins a new one.
    ///
    /// The save costs 1 command, none without a cookie.
    ///
    /// # Errors
    /// None today: ending is part of the save.
    #[expect(clippy::unused_async, reason = "as all methods that change the session")]
    pub async fn logout(&self) -> Result<(), SessionError> {
        let held = !matches!(self.found(), Some(Found::Nothing | Found::Gone));
        self.state().logout(held, self.cookie_came());
        Ok(())
    }

    /// Gives the session another id with the save. The old one still reads for
    /// [`grace`](crate::ConfigBuilder::grace), so that requests which are under
    /// way do not fail; they cannot write any more. Nothing happens without a
    /// session. Costs nothing beside a save that there is anyway, else 1
    /// command.
    ///
    /// # Errors
    /// [`SessionError::Store`] when the session cannot be read,
    /// [`SessionError::Ended`] when it is gone.
    pub async fn renew(&self) -> Result<(), SessionError> {
        let found = self.settled().await?;
        let mut state = self.state();
        state.check_alive()?;
        match found.filter(|_| state.readable().is_some()) {
            Some(Found::Live(_)) | None if !state.is_fresh() => state.renew(),
            Some(Found::Grace(_)) => return Err(SessionError::Ended),
            _ => {}
        }
        Ok(())
    }

    /// When the user of the session logged in; `None` when nobody is. Costs as
    /// [`get`](Self::get) does.
    ///
    /// # Errors
    /// As for [`user`](Self::user).
    pub async fn authenticated_at(&self) -> Result<Option<SystemTime>, SessionError> {
        let time = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        if self.state().has_logged_in() {
            self.state().check_alive()?;
            return Ok(Some(time(self.started())));
        }
        self.settled().await?;
        self.state().check_alive()?;
        Ok(self.record().and_then(|record| record.authenticated).map(time))
    }

    /// Whether the user logged in so short a while ago that the request may do
    /// what needs a recent login ("sudo mode"): at most
    /// [`sudo`](crate::ConfigBuilder::sudo) ago. If not, ask for the password
    /// and call [`login`](Self::login) again. Costs as [`get`](Self::get) does.
    ///
    /// # Errors
    /// As for [`user`](Self::user).
    pub async fn is_recent(&self) -> Result<bool, SessionError> {
        let Some(at) = self.authenticated_at().await? else { return Ok(false) };
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let age = u128::from(self.layer().clock.now()).saturating_sub(at);
        Ok(age <= self.layer().sudo.as_millis())
    }
}
