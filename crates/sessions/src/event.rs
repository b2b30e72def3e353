//! [`Event`]: what happens to sessions, for an audit log or an alarm.

use std::{fmt, sync::Arc};

use crate::PublicId;

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// It began.
    Created,
    /// It has a new id: a login, or the schedule of
    /// [`renew_every`](crate::ConfigBuilder::renew_every).
    Renewed,
    /// It ended by [`logout`](crate::Session::logout).
    Destroyed,
    /// It was ended from elsewhere: by its user's other session, by
    /// [`Sessions`](crate::Sessions), or to make room for a new one.
    Revoked,
    /// An id was presented that had been renewed, by a request that began after
    /// that and after the grace: somebody has a copy of an old cookie, or the
    /// answer with the new one was lost.
    Reused,
}

impl EventKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Renewed => "renewed",
            Self::Destroyed => "destroyed",
            Self::Revoked => "revoked",
            Self::Reused => "reused",
        }
    }
}

/// One thing that happened to one session, told once, after the store confirmed
/// it. (Where its answer was lost and a second try found that a session had
/// ended already, that end is not told.)
///
/// Every event also goes to `tracing` under the target
/// `tuckbox_sessions::event`, without the user: the level is INFO, and WARN for
/// [`EventKind::Reused`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The session's public name, which is no secret.
    pub session: PublicId,
    /// Whose session it is, where that is known without asking the store.
    pub user: Option<Arc<str>>,
}

/// Whom a layer tells.
#[derive(Clone, Default)]
pub(crate) struct Listener(Option<Arc<Hook>>);

type Hook = dyn Fn(&Event) + Send + Sync;

impl Listener {
    pub(crate) fn new(hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    pub(crate) fn tell(&self, kind: EventKind, session: PublicId, user: Option<Arc<str>>) {
        const TARGET: &str = "tuckbox_sessions::event";
        let event = kind.as_str();
        if kind == EventKind::Reused {
            tracing::warn!(target: TARGET, event, %session, "a renewed session id was used again");
        } else {
            tracing::info!(target: TARGET, event, %session, "session {event}");
        }
        if let Some(hook) = &self.0 {
            hook(&Event { kind, session, user });
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener(set)" } else { "Listener(none)" })
    }
}
