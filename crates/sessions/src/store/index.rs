//! [`Index`]: the sessions of a user.
//!
//! A hash at `{prefix without its last :}s:{user}`, `sessions:ada` by default,
//! with one field for each session of the user: its name, and `"{expiry}
//! {JSON}"` with what its login knew. It only says where to look: who asks for a
//! user's sessions looks at each, and takes out what is over. So it needs no
//! timer and no notifications, a logout does not have to know of it, and it is
//! right even when a write to it was lost after the session was. It has as many
//! entries as a user may have sessions, and expires with the last of them.

use std::{
    net::IpAddr,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tuckbox::{Invocation, Reply, Script, cmd};

use super::{Store, has_ended, number};
use crate::{MaxSessions, PublicId, SessionError, SessionInfo, id::Id};

static INDEX: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("index.lua")));

/// What a login notes of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) agent: Option<String>,
    pub(crate) address: Option<IpAddr>,
}

/// A user's index.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    store: &'a Store,
    user: &'a str,
}

/// What a look at one session of an index gave.
struct Entry {
    name: PublicId,
    membership: Membership,
    /// When it began, when it was last seen; `None` when it is over, or not
    /// this user's.
    alive: Option<(u64, u64)>,
}

impl Store {
    pub(crate) fn index<'a>(&'a self, user: &'a str) -> Index<'a> {
        Index { store: self, user }
    }
}

impl Index<'_> {
    fn key(&self) -> String {
        let prefix = self.store.prefix.strip_suffix(':').unwrap_or(&self.store.prefix);
        format!("{prefix}s:{}", self.user)
    }

    /// The command that adds the session of `id`.
    pub(crate) fn addition(
        &self,
        id: &Id,
        membership: &Membership,
        most: MaxSessions,
    ) -> Result<Invocation, SessionError> {
        let now = self.store.clock.now();
        let absolute = self.store.times.absolute;
        let json = serde_json::to_string(membership).map_err(|_| SessionError::Encode {
            key: "the user's index".into(),
            given: std::any::type_name::<Membership>(),
        })?;
        let entry = format!("{} {json}", now.saturating_add(absolute));
        let (most, refuses) = match most {
            MaxSessions::EndOldest(most) => (most, "0"),
            MaxSessions::Refuse(most) => (most, "1"),
        };
        let add = INDEX.invoke().key(self.key()).arg(now).arg(id.name()).arg(entry);
        Ok(add.arg(absolute).arg(most).arg(refuses).idempotent())
    }

    /// Reads the reply to an [`addition`](Self::addition): the names in the
    /// index when there are too many, and whether the addition was refused.
    pub(crate) fn crowd(reply: Reply) -> Result<Option<Crowd>, SessionError> {
        let mut parts = reply.into_array().map_err(tuckbox::Error::from)?.into_iter();
        let count = parts.next().unwrap_or(Reply::Null);
        let count = count.into_integer().map_err(tuckbox::Error::from)?;
        let Some(some) = parts.next() else { return Ok(None) };
        Ok(Some(Crowd { count: usize::try_from(count).ok(), entries: entries(some)? }))
    }

    /// The user's sessions, the one that was seen last first. Costs 1 command,
    /// 1 for each session in the same round trip, and 1 more when some of them
    /// are over and leave the index.
    pub(crate) async fn list(
        &self,
        current: Option<PublicId>,
    ) -> Result<Vec<SessionInfo>, SessionError> {
        let reply = self.store.call(cmd!("HGETALL", self.key())).await?;
        let mut alive = self.look(entries(reply)?).await?;
        alive.sort_by_key(|(entry, _, seen)| (std::cmp::Reverse(*seen), entry.name));
        let time = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let info = |(Entry { name, membership, .. }, created, seen)| SessionInfo {
            id: name,
            created: time(created),
            last_seen: time(seen),
            user_agent: membership.agent,
            address: membership.address,
            current: current == Some(name),
        };
        Ok(alive.into_iter().map(info).collect())
    }

    /// Ends the session called `name`; `false` when it is not there or not this
    /// user's. Costs 2 commands in one round trip.
    pub(crate) async fn revoke(&self, name: PublicId) -> Result<bool, SessionError> {
        Ok(!self.revoke_all([name]).await?.is_empty())
    }

    /// Ends sessions of this user; answers which of them. Costs 1 command for
    /// each, and 1.
    pub(crate) async fn revoke_all(
        &self,
        names: impl IntoIterator<Item = PublicId>,
    ) -> Result<Vec<PublicId>, SessionError> {
        let mut names: Vec<_> = names.into_iter().collect();
        if names.is_empty() {
            return Ok(names);
        }
        let all: Vec<_> =
            names.iter().map(|name| self.store.revocation(*name, self.user)).collect();
        let replies = self.store.eval_all(&all).await?;
        // After they ended: an index that is too long is harmless.
        if let Err(error) = self.forget(&names).await {
            tracing::warn!(%error, "sessions that ended stay in their user's index for now");
        }
        let mut replies = replies.iter();
        names.retain(|_| replies.next().is_some_and(has_ended));
        Ok(names)
    }

    /// Makes room among `most`: of the oldest logins takes out what is over and,
    /// where that is not enough, ends those that were not seen for the longest
    /// time. Answers the names of those that it ended.
    pub(crate) async fn thin(
        &self,
        crowd: Crowd,
        most: usize,
    ) -> Result<Vec<PublicId>, SessionError> {
        let looked_at = crowd.entries.len();
        let mut alive = self.look(crowd.entries).await?;
        let left = crowd.count.unwrap_or(0).saturating_sub(looked_at - alive.len());
        let Some(excess) = left.checked_sub(most).filter(|&n| n > 0) else {
            return Ok(Vec::new());
        };
        alive.sort_by_key(|(entry, _, seen)| (*seen, entry.name));
        let oldest: Vec<_> = alive.iter().take(excess).map(|(entry, ..)| entry.name).collect();
        self.revoke_all(oldest).await
    }

    /// Takes out of a full index what is over; whether there is room then.
    pub(crate) async fn make_room(&self, crowd: Crowd, most: usize) -> Result<bool, SessionError> {
        Ok(self.look(crowd.entries).await?.len() < most)
    }

    /// Looks at each session; takes those out of the index that are over.
    async fn look(
        &self,
        entries: Vec<(PublicId, Membership)>,
    ) -> Result<Vec<(Entry, u64, u64)>, SessionError> {
        let commands = entries
            .iter()
            .map(|(name, _)| cmd!("HMGET", self.store.key(*name), "user", "created", "seen"))
            .collect();
        let replies = self.store.pipeline(commands).await?;
        let (mut alive, mut over) = (Vec::new(), Vec::new());
        for ((name, membership), reply) in entries.into_iter().zip(replies) {
            let entry = Entry { name, membership, alive: self.judge(reply)? };
            match entry.alive {
                Some((created, seen)) => alive.push((entry, created, seen)),
                None => over.push(name),
            }
        }
        self.forget(&over).await?;
        Ok(alive)
    }

    fn judge(&self, reply: Reply) -> Result<Option<(u64, u64)>, SessionError> {
        let unexpected = tuckbox::Error::from;
        let fields = reply.into_array().map_err(unexpected)?.into_iter();
        let fields = fields.map(Reply::into_bytes).collect::<Result<Vec<Option<Bytes>>, _>>();
        let fields = fields.map_err(unexpected)?;
        let [Some(user), Some(created), Some(seen)] = fields.as_slice() else { return Ok(None) };
        let (Some(created), Some(seen)) = (number(created), number(seen)) else { return Ok(None) };
        let (now, times) = (self.store.clock.now(), &self.store.times);
        let lives = *user == self.user.as_bytes()
            && now.saturating_sub(seen) < times.idle
            && now.saturating_sub(created) < times.absolute;
        Ok(lives.then_some((created, seen)))
    }

    async fn forget(&self, names: &[PublicId]) -> Result<(), SessionError> {
        if names.is_empty() {
            return Ok(());
        }
        let mut hdel = tuckbox::Command::new("HDEL").arg(self.key());
        for name in names {
            hdel = hdel.arg(name);
        }
        self.store.call(hdel.build()).await?;
        Ok(())
    }
}

/// An index with too many entries.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// How many there are; `None` when the addition was refused.
    count: Option<usize>,
    /// The oldest logins; all when the addition was refused.
    entries: Vec<(PublicId, Membership)>,
}

impl Crowd {
    /// Whether the addition was refused.
    pub(crate) fn refused(&self) -> bool {
        self.count.is_none()
    }
}

/// The entries of an index; what cannot be read is passed over.
fn entries(reply: Reply) -> Result<Vec<(PublicId, Membership)>, SessionError> {
    let pairs = reply.into_pairs().map_err(tuckbox::Error::from)?;
    let entry = |(name, text): (Reply, Reply)| {
        let name = PublicId::from_bytes(&name.into_bytes().ok()??)?;
        let text = text.into_bytes().ok()??;
        let json = text.splitn(2, |b| *b == b' ').nth(1)?;
        Some((name, serde_json::from_slice(json).ok()?))
    };
    Ok(pairs.into_iter().filter_map(entry).collect())
}
