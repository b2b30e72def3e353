//! [`Index`]: the sessions of a user.
//!
//! A hash at `{prefix without its last :}s:{user}`, `sessions:ada` by default,
//! with one field for each session of the user: its name, and when it was last
//! known to be seen with what its login knew; see `index.lua`. It only says where
//! to look: who asks for a user's sessions looks at each, and takes out what is
//! over. So it needs no timer and no notifications, a logout does not have to
//! know of it, and it is right even when a write to it was lost after the session
//! was. It expires with the last of its sessions.
//!
//! A session is entered before it is saved and taken out after it ended, so that
//! none lives that is not listed.

use std::{
    net::IpAddr,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tuckbox::{Invocation, Reply, Script, cmd};

use super::{MARK_MS, Store, crowd::Note, has_ended, number};
use crate::{PublicId, SessionError, SessionInfo, id::NAME_LENGTH};

static INDEX: LazyLock<Script> = LazyLock::new(|| {
    Script::new(format!("local NAME = {NAME_LENGTH}\n{}", include_str!("index.lua")))
});

/// What a login notes of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) agent: Option<String>,
    pub(crate) address: Option<IpAddr>,
}

/// A user's index.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    pub(super) store: &'a Store,
    pub(super) user: &'a str,
}

/// A session in an index, and when the index knows it was seen.
pub(super) type Known = (PublicId, u64);

/// What a look at a session of an index gave.
enum Sight {
    Alive {
        created: u64,
        seen: u64,
    },
    Over,
    /// Its login may be about to save it.
    Undecided,
}

/// What is to be done when an index has too many sessions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beyond {
    /// Enter no other.
    Refuse,
    /// Say which were not seen for longest.
    Look,
    /// Give them out to be ended.
    End,
    Nothing,
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

    /// The command that tells the index what is known of others, and enters the
    /// request's session unless `entry` is empty.
    pub(super) fn update(
        &self,
        own: Option<PublicId>,
        entry: &str,
        (most, beyond): (usize, Beyond),
        notes: &[Note],
    ) -> Invocation {
        let beyond = match beyond {
            Beyond::Refuse => "refuse",
            Beyond::Look => "look",
            Beyond::End => "end",
            Beyond::Nothing => "nothing",
        };
        let own = own.as_ref().map_or("", PublicId::as_str);
        let update = INDEX.invoke().key(self.key()).arg(self.store.clock.now()).arg(most);
        let update = update.arg(beyond).arg(self.store.times.absolute).arg(own).arg(entry);
        notes.iter().fold(update, |update, note| note.add_to(update)).idempotent()
    }

    /// The entry of a session that begins now.
    pub(super) fn entry(&self, membership: &Membership) -> Result<String, SessionError> {
        let json = serde_json::to_string(membership).map_err(|_| SessionError::Encode {
            key: "the user's index".into(),
            given: std::any::type_name::<Membership>(),
        })?;
        Ok(format!("{:013} {json}", self.store.clock.now()))
    }

    /// Tells the index what is known of its sessions. Costs 1 command, none when
    /// that is nothing.
    pub(super) async fn tell(&self, notes: &[Note]) -> Result<(), SessionError> {
        if !notes.is_empty() {
            let update = self.update(None, "", (0, Beyond::Nothing), notes);
            self.store.eval(&update).await?;
        }
        Ok(())
    }

    /// The user's sessions, the one that was seen last first. Costs 1 command,
    /// 1 for each session in the same round trip, and 1 more when some of them
    /// are over and leave the index.
    pub(crate) async fn list(
        &self,
        current: Option<PublicId>,
    ) -> Result<Vec<SessionInfo>, SessionError> {
        let reply = self.store.call(cmd!("HGETALL", self.key())).await?;
        let entries = entries(reply)?;
        let known: Vec<_> = entries.iter().map(|(known, _)| *known).collect();
        let sights = self.look(&known).await?;
        let over = known.iter().zip(&sights).filter(|(_, sight)| matches!(sight, Sight::Over));
        let over: Vec<_> = over.map(|((name, seen), _)| Note::over(*name, *seen)).collect();
        self.tell(&over).await?;

        let time = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        let info = |(((id, _), membership), sight): ((Known, Membership), Sight)| match sight {
            Sight::Alive { created, seen } => Some(SessionInfo {
                id,
                created: time(created),
                last_seen: time(seen),
                user_agent: membership.agent,
                address: membership.address,
                current: current == Some(id),
            }),
            Sight::Over | Sight::Undecided => None,
        };
        let mut all: Vec<_> = entries.into_iter().zip(sights).filter_map(info).collect();
        all.sort_by_key(|info| (std::cmp::Reverse(info.last_seen), info.id));
        Ok(all)
    }

    /// Ends the session called `name`; `false` when it is not there or not this
    /// user's. Costs 2 commands, 1 when it is not.
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
        let all: Vec<_> =
            names.iter().map(|name| self.store.revocation(*name, self.user)).collect();
        let replies = if all.is_empty() { Vec::new() } else { self.store.eval_all(&all).await? };
        let mut replies = replies.iter();
        names.retain(|_| replies.next().is_some_and(has_ended));
        let over: Vec<_> = names.iter().map(|name| Note::ended(*name)).collect();
        // An index that is too long is harmless.
        if let Err(error) = self.tell(&over).await {
            tracing::warn!(%error, "sessions that ended stay in their user's index for now");
        }
        Ok(names)
    }

    /// What a look at sessions says of them that the index does not know. Costs 1
    /// command for each, in 1 round trip.
    pub(super) async fn learn(&self, known: &[Known]) -> Result<Vec<Note>, SessionError> {
        let sights = self.look(known).await?;
        let note = |(&(name, known), sight): (&Known, &Sight)| match sight {
            Sight::Alive { seen, .. } => (*seen > known).then(|| Note::seen(name, *seen)),
            Sight::Over => Some(Note::over(name, known)),
            Sight::Undecided => None,
        };
        Ok(known.iter().zip(&sights).filter_map(note).collect())
    }

    async fn look(&self, known: &[Known]) -> Result<Vec<Sight>, SessionError> {
        let fields = |name| cmd!("HMGET", self.store.key(name), "user", "created", "seen", "ended");
        let commands = known.iter().map(|(name, _)| fields(*name)).collect();
        let replies = self.store.pipeline(commands).await?;
        known.iter().zip(replies).map(|((_, known), reply)| self.judge(*known, reply)).collect()
    }

    fn judge(&self, known: u64, reply: Reply) -> Result<Sight, SessionError> {
        let unexpected = tuckbox::Error::from;
        let fields = reply.into_array().map_err(unexpected)?.into_iter();
        let fields = fields.map(Reply::into_bytes).collect::<Result<Vec<Option<Bytes>>, _>>();
        let fields = fields.map_err(unexpected)?;
        let [user, created, seen, ended] = fields.as_slice() else { return Ok(Sight::Over) };
        if user.as_deref() != Some(self.user.as_bytes()) {
            let undecided = ended.is_none() && self.is_young(known);
            return Ok(if undecided { Sight::Undecided } else { Sight::Over });
        }
        let time = |field: &Option<Bytes>| number(field.as_deref()?);
        let (Some(created), Some(seen)) = (time(created), time(seen)) else {
            return Ok(Sight::Over);
        };
        let (now, times) = (self.store.clock.now(), &self.store.times);
        let lives =
            now.saturating_sub(seen) < times.idle && now.saturating_sub(created) < times.absolute;
        Ok(if lives { Sight::Alive { created, seen } } else { Sight::Over })
    }

    /// Whether a session of that time may be one that is about to be saved.
    pub(super) fn is_young(&self, known: u64) -> bool {
        self.store.clock.now().saturating_sub(known) < MARK_MS
    }
}

/// The entries of an index; what is none is passed over.
fn entries(reply: Reply) -> Result<Vec<(Known, Membership)>, SessionError> {
    let pairs = reply.into_pairs().map_err(tuckbox::Error::from)?;
    let entry = |(name, text): (Reply, Reply)| {
        let name = PublicId::from_bytes(&name.into_bytes().ok()??)?;
        let text = text.into_bytes().ok()??;
        let mut words = text.splitn(2, |b| *b == b' ');
        let seen = number(words.next()?)?;
        Some(((name, seen), serde_json::from_slice(words.next()?).ok()?))
    };
    Ok(pairs.into_iter().filter_map(entry).collect())
}

/// Sessions with when they were seen, as `index.lua` answers them.
pub(super) fn known(reply: Reply) -> Result<Vec<Known>, SessionError> {
    let mut words = reply.into_array().map_err(tuckbox::Error::from)?.into_iter();
    let mut known = Vec::with_capacity(words.len() / 2);
    while let (Some(name), Some(text)) = (words.next(), words.next()) {
        let name = name.into_bytes().map_err(tuckbox::Error::from)?;
        let text = text.into_bytes().map_err(tuckbox::Error::from)?;
        let name = name.and_then(|name| PublicId::from_bytes(&name));
        // What follows it is what its login knew.
        let seen = text.and_then(|text| number(text.split(|b| *b == b' ').next()?));
        known.extend(name.zip(seen));
    }
    Ok(known)
}
