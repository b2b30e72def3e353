//! All sessions of a user: to be shown to them, and to be ended.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use tuckbox::Db;

use crate::{Config, EventKind, PublicId, Session, SessionError, shared::Shared};

/// How many sessions a user may have at the same time.
///
/// Below the limit a login costs nothing for it, and logins at the same time do
/// not pass it either: each ends another session. A login that is lost on its way
/// leaves at most what it was to end, still listed, till the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxSessions {
    /// At most so many; beyond them a login ends the session that was not seen
    /// for the longest time. The default, with 100.
    ///
    /// Up to 8, sessions that are over do not count. It costs a login at the
    /// limit 1 command for each session, which it looks at, and 2 more, in 3 more
    /// round trips.
    ///
    /// Above, a logout does not make room before its session would have gone
    /// idle. A login at the limit costs 1 command more, in 1 more round trip: it
    /// ends the session whose login is the oldest, unless that was seen since.
    /// Then up to 8 more are looked at, and the one not seen for longest of all
    /// ends, as far as was looked; up to 13 commands in 5 round trips. 2 more
    /// commands follow a login in another process: what that ended is ended once
    /// more, and taken out of the list.
    EndOldest(usize),
    /// At most so many; beyond them a login is
    /// [`SessionError::TooManySessions`]. Sessions that are over do not count: a
    /// login at the limit looks at all of them, which costs 1 command for each
    /// and 1 more. The index comes first: 1 more round trip, 3 at the limit.
    Refuse(usize),
}

/// One session of a user, as [`Session::sessions`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its public name, to revoke it by.
    pub id: PublicId,
    /// When its user logged in.
    pub created: SystemTime,
    /// When it was last seen, with the precision of the slide.
    pub last_seen: SystemTime,
    /// The user agent of the login, at most 256 bytes of it.
    pub user_agent: Option<String>,
    /// The address of the login, where
    /// [`client_address`](crate::ConfigBuilder::client_address) finds it.
    pub address: Option<IpAddr>,
    /// Whether it is the session of this request.
    pub current: bool,
}

impl Session {
    /// The sessions of the user who is logged in, the one seen last first.
    ///
    /// Costs the reading of the session, 1 command, and 1 for each of the
    /// user's sessions in 1 round trip; 1 more when some of them are over, which
    /// leave the index with it. A login of this request is in it only after
    /// [`save`](Self::save).
    ///
    /// # Errors
    /// [`SessionError::NoUser`]; [`SessionError::Store`].
    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, SessionError> {
        let user = self.required_user().await?;
        check_listed(self.layer())?;
        self.store().index(&user).list(self.public_id()).await
    }

    /// Ends one of the user's sessions; `false` when it is not there, or another
    /// user's. Requests of it that are under way cannot bring it back. Costs 2
    /// commands, 1 when it is not there, and the reading of the session.
    ///
    /// # Errors
    /// [`SessionError::NoUser`]; [`SessionError::Store`].
    pub async fn revoke(&self, id: PublicId) -> Result<bool, SessionError> {
        let user = self.required_user().await?;
        revoke(self.layer(), &user, id).await
    }

    /// Ends all sessions of the user but this one; answers how many. Costs as
    /// [`sessions`](Self::sessions) does, and 1 command for each that ends and
    /// 1, in 2 round trips. One that begins meanwhile may stay.
    ///
    /// # Errors
    /// [`SessionError::NoUser`]; [`SessionError::Store`]: some may have ended.
    pub async fn revoke_others(&self) -> Result<usize, SessionError> {
        let user = self.required_user().await?;
        revoke_all(self.layer(), &user, self.public_id()).await
    }

    /// Ends all sessions of the user, and this one as [`logout`](Self::logout)
    /// does; answers how many others. Costs as
    /// [`revoke_others`](Self::revoke_others) and `logout` do.
    ///
    /// # Errors
    /// As for [`revoke_others`](Self::revoke_others).
    pub async fn revoke_all(&self) -> Result<usize, SessionError> {
        let ended = self.revoke_others().await?;
        self.logout().await?;
        Ok(ended)
    }

    /// The public name of the session, for a log; `None` while it is not
    /// stored. That there is a name does not say that the session is alive.
    #[must_use]
    pub fn public_id(&self) -> Option<PublicId> {
        self.state().named().map(|id| id.name())
    }

    async fn required_user(&self) -> Result<Arc<str>, SessionError> {
        self.user().await?.ok_or(SessionError::NoUser)
    }
}

/// The sessions of all users, for whoever administers them: outside of any
/// request, or in one of somebody else's.
///
/// ```
/// use tuckbox_sessions::{Config, Sessions};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let db = tuckbox::Db::open("memory:").await?;
/// let sessions = Sessions::new(&db, Config::default());
/// // An account was disabled, or its password changed:
/// let ended = sessions.revoke_all("ada").await?;
/// # assert_eq!(ended, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Sessions {
    shared: Arc<Shared>,
}

impl Sessions {
    /// The sessions in `db`, under the configuration of the layers that make
    /// them.
    #[must_use]
    pub fn new(db: &Db, config: Config) -> Self {
        Self { shared: Arc::new(Shared::new(db, config)) }
    }

    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The sessions of `user`; see [`Session::sessions`].
    ///
    /// # Errors
    /// [`SessionError::Store`].
    pub async fn list(&self, user: &str) -> Result<Vec<SessionInfo>, SessionError> {
        check_listed(&self.shared)?;
        self.shared.store.index(user).list(None).await
    }

    /// Ends the session of `user` called `id`; see [`Session::revoke`].
    ///
    /// # Errors
    /// [`SessionError::Store`].
    pub async fn revoke(&self, user: &str, id: PublicId) -> Result<bool, SessionError> {
        revoke(&self.shared, user, id).await
    }

    /// Ends all sessions of `user`; answers how many. See
    /// [`Session::revoke_others`].
    ///
    /// # Errors
    /// [`SessionError::Store`]: some may have ended.
    pub async fn revoke_all(&self, user: &str) -> Result<usize, SessionError> {
        revoke_all(&self.shared, user, None).await
    }
}

/// Express keeps no list of a user's sessions.
fn check_listed(shared: &Shared) -> Result<(), SessionError> {
    if shared.store.is_express() {
        return Err(SessionError::Unsupported("a list of a user's sessions"));
    }
    Ok(())
}

async fn revoke(shared: &Shared, user: &str, id: PublicId) -> Result<bool, SessionError> {
    check_listed(shared)?;
    let ended = shared.store.index(user).revoke(id).await?;
    if ended {
        shared.listener.tell(EventKind::Revoked, id, Some(user.into()));
    }
    Ok(ended)
}

async fn revoke_all(
    shared: &Shared,
    user: &str,
    but: Option<PublicId>,
) -> Result<usize, SessionError> {
    check_listed(shared)?;
    let index = shared.store.index(user);
    let all = index.list(but).await?;
    let names: Vec<_> = all.iter().map(|info| info.id).filter(|id| Some(*id) != but).collect();
    let ended = index.revoke_all(names).await?;
    for name in &ended {
        shared.listener.tell(EventKind::Revoked, *name, Some(user.into()));
    }
    Ok(ended.len())
}
