//! [`Crowd`]: more sessions in a user's index than the user may have.
//!
//! The index itself gives each login other sessions to end, so that many at the
//! same time do not end the same. A session that was given out stays listed till
//! it is known to be over; then it is taken out with the next login's command,
//! which costs nothing more. Should nobody tell the index what became of it,
//! because a process ended or was another, it is given out again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tuckbox::{Invocation, Reply};

use super::{
    Index,
    index::{Beyond, Known, Membership, known},
};
use crate::{MaxSessions, PublicId, SessionError};

/// Up to so many sessions are all looked at before one of them ends.
const LOOKS_AT_ALL: usize = 8;

/// The most users of whom [`Untold`] keeps notes.
const USERS: usize = 1000;

/// Later than any session is seen that an index knows.
const END_OF_TIME: u64 = 9_999_999_999_999;

/// What is known of a session in an index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    what: &'static str,
    name: PublicId,
    seen: u64,
}

impl Note {
    /// It is over, unless the index has heard of it after `seen`.
    pub(super) fn over(name: PublicId, seen: u64) -> Self {
        Self { what: "over", name, seen }
    }

    /// It has ended.
    pub(super) fn ended(name: PublicId) -> Self {
        Self::over(name, END_OF_TIME)
    }

    /// It lives.
    pub(super) fn seen(name: PublicId, seen: u64) -> Self {
        Self { what: "seen", name, seen }
    }

    /// It was given out to be ended, and lives.
    fn back(name: PublicId, seen: u64) -> Self {
        Self { what: "back", name, seen }
    }

    pub(super) fn add_to(&self, update: Invocation) -> Invocation {
        update.arg(self.what).arg(self.name).arg(format_args!("{:013}", self.seen).to_string())
    }
}

/// What this process has yet to tell indexes. It may get lost.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    by_user: Mutex<HashMap<Box<str>, Vec<Note>>>,
}

impl Untold {
    fn add(&self, user: &str, notes: impl IntoIterator<Item = Note>) {
        let mut notes = notes.into_iter().peekable();
        if notes.peek().is_none() {
            return;
        }
        let mut all = self.lock();
        if all.len() >= USERS && !all.contains_key(user) {
            all.clear();
        }
        all.entry(user.into()).or_default().extend(notes);
    }

    fn take(&self, user: &str) -> Vec<Note> {
        self.lock().remove(user).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Vec<Note>>> {
        self.by_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an index answers when a session was entered.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// It was not in the index before.
    new: bool,
    crowd: Option<Crowd>,
}

/// Sessions that are too many.
#[derive(Debug)]
enum Crowd {
    /// All there are, when nothing was entered.
    Refused(Vec<Known>),
    /// Those not seen for longest, to be looked at.
    Candidates(Vec<Known>),
    /// Those that are to end. `again`: some were given out before.
    Given { sessions: Vec<Known>, again: bool },
}

impl Index<'_> {
    /// The command that enters a login's session.
    pub(crate) fn entering(
        &self,
        name: PublicId,
        membership: &Membership,
        most: MaxSessions,
    ) -> Result<Invocation, SessionError> {
        let limit = match most {
            MaxSessions::EndOldest(most) if most <= LOOKS_AT_ALL => (most, Beyond::Look),
            MaxSessions::EndOldest(most) => (most, Beyond::End),
            MaxSessions::Refuse(most) => (most, Beyond::Refuse),
        };
        let notes = self.store.untold.take(self.user);
        Ok(self.update(Some(name), &self.entry(membership)?, limit, &notes))
    }

    /// Enters a login's session where that may be refused. Costs 1 command; in a
    /// full index 1 for each session and 1 more, in 2 more round trips.
    pub(crate) async fn enter(
        &self,
        name: PublicId,
        membership: &Membership,
        most: usize,
    ) -> Result<Entrance, SessionError> {
        let entry = self.entry(membership)?;
        let mut notes = self.store.untold.take(self.user);
        for _ in 0..2 {
            let update = self.update(Some(name), &entry, (most, Beyond::Refuse), &notes);
            let entrance = Entrance::of(self.store.eval(&update).await?)?;
            match entrance.crowd {
                Some(Crowd::Refused(all)) => notes = self.learn(&all).await?,
                _ => return Ok(entrance),
            }
        }
        Err(SessionError::TooManySessions(most))
    }

    /// Takes note that a login's session was entered, but not saved. `unknown`:
    /// because there is no such session.
    pub(crate) fn leave(&self, name: PublicId, entrance: Entrance, unknown: bool) {
        let over = (entrance.new && unknown).then(|| Note::over(name, self.store.clock.now()));
        let given = match entrance.crowd {
            Some(Crowd::Given { sessions, .. }) => sessions,
            _ => Vec::new(),
        };
        let back = given.into_iter().map(|(name, seen)| Note::back(name, seen));
        self.store.untold.add(self.user, over.into_iter().chain(back));
    }

    /// Ends the sessions that are too many now that the login's session `own` was
    /// entered. Answers the names of those that it ended, and the error that
    /// kept it from ending the rest, which another login will.
    pub(crate) async fn thin(
        &self,
        own: PublicId,
        entrance: Entrance,
        most: usize,
    ) -> (Vec<PublicId>, Result<(), SessionError>) {
        let mut ended = Vec::new();
        let result = self.thin_into(&mut ended, own, entrance.crowd, most).await;
        (ended, result)
    }

    async fn thin_into(
        &self,
        ended: &mut Vec<PublicId>,
        own: PublicId,
        mut crowd: Option<Crowd>,
        most: usize,
    ) -> Result<(), SessionError> {
        if let Some(Crowd::Given { sessions, again }) = crowd {
            let alive = self.end(ended, &sessions, again, true).await?;
            if alive.is_empty() {
                return Ok(());
            }
            let back: Vec<_> = alive.iter().map(|(name, seen)| Note::back(*name, *seen)).collect();
            crowd = self.crowd_after(own, (most, Beyond::Look), &back).await?;
        }
        if let Some(Crowd::Candidates(candidates)) = crowd {
            let notes = self.learn(&candidates).await?;
            crowd = self.crowd_after(own, (most, Beyond::End), &notes).await?;
        }
        if let Some(Crowd::Given { sessions, again }) = crowd {
            self.end(ended, &sessions, again, false).await?;
        }
        Ok(())
    }

    async fn crowd_after(
        &self,
        own: PublicId,
        limit: (usize, Beyond),
        notes: &[Note],
    ) -> Result<Option<Crowd>, SessionError> {
        let update = self.update(Some(own), "", limit, notes);
        Ok(Entrance::of(self.store.eval(&update).await?)?.crowd)
    }

    /// Ends sessions that this login was given; with `if_unseen` only those not
    /// seen since the index heard of them. Answers the others. Costs 1 command
    /// for each, and 1 to tell the index of those that were given out before.
    async fn end(
        &self,
        ended: &mut Vec<PublicId>,
        sessions: &[Known],
        again: bool,
        if_unseen: bool,
    ) -> Result<Vec<Known>, SessionError> {
        let all: Vec<_> = sessions
            .iter()
            .map(|(name, seen)| match self.store.revocation(*name, self.user) {
                end if if_unseen => end.arg(*seen),
                end => end,
            })
            .collect();
        let replies = self.store.eval_all(&all).await?;
        let (mut notes, mut alive) = (Vec::new(), Vec::new());
        for (&(name, known), reply) in sessions.iter().zip(replies) {
            match reply.into_integer().map_err(tuckbox::Error::from)? {
                1 => {
                    ended.push(name);
                    notes.push(Note::ended(name));
                }
                -1 => notes.push(Note::ended(name)),
                0 if self.is_young(known) => {}
                0 => notes.push(Note::over(name, known)),
                seen => alive.extend(u64::try_from(seen).ok().map(|seen| (name, seen))),
            }
        }
        if again {
            self.tell(&notes).await?;
        } else {
            self.store.untold.add(self.user, notes);
        }
        Ok(alive)
    }
}

impl Entrance {
    pub(crate) fn of(reply: Reply) -> Result<Self, SessionError> {
        let mut parts = reply.into_array().map_err(tuckbox::Error::from)?.into_iter();
        let new = parts.next() == Some(Reply::Integer(1));
        let Some((what, sessions)) = parts.next().zip(parts.next()) else {
            return Ok(Self { new, crowd: None });
        };
        let what = what.into_bytes().map_err(tuckbox::Error::from)?.unwrap_or_default();
        let sessions = known(sessions)?;
        let crowd = match &*what {
            b"refused" => Crowd::Refused(sessions),
            b"look" => Crowd::Candidates(sessions),
            what => Crowd::Given { sessions, again: what == b"again" },
        };
        Ok(Self { new, crowd: Some(crowd) })
    }
}
