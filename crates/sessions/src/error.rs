//! [`SessionError`]: why a session could not be read or saved.

use std::sync::Arc;

use http::StatusCode;

use crate::{SealError, express::BlobError};

/// When a client may try again after the store failed: a store that restarts or
/// fails over is back within seconds, and there is no better estimate.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Why a session could not be read or saved.
///
/// A store that cannot be read is always an error, never "no session": an
/// application that passes errors on cannot mistake trouble for a stranger.
/// No variant holds an id or a stored value.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The store gave no usable answer. Asking again later is safe.
    #[error("the session store failed: {0}")]
    Store(#[source] Arc<tuckbox::Error>),

    /// The store failed several times in a row and is not asked for a second.
    #[error("the session store failed repeatedly and is given a pause; try again in a second")]
    StoreDown,

    /// The store cannot be read, and the route goes on without it
    /// ([`Trouble::Anonymous`](crate::Trouble::Anonymous)): nothing can be
    /// changed.
    #[error("the session store cannot be read, so this request cannot change the session")]
    ReadOnly,

    /// The session ended while this request was using it (a logout, a renewal
    /// or its lifetime): what the request changed was not saved. Answer as to
    /// someone without a session.
    #[error("the session ended during the request, so its changes were not saved")]
    Ended,

    /// Another request changed the value under `key` after this one read it,
    /// and [`Conflicts::Fail`](crate::Conflicts::Fail) is set. Nothing was saved;
    /// the client may try again.
    #[error("session key {key:?} was changed by another request, so nothing was saved")]
    Conflict {
        /// The session key.
        key: Box<str>,
    },

    /// The response is on its way, so no cookie can be sent any more: a new
    /// session cannot be stored, and `login` comes too late. Do it before
    /// returning the response.
    #[error("the response has started: no session can be created or renewed after its headers")]
    ResponseStarted,

    /// The value under `key` is nothing that the operation works on: an
    /// increment needs an integer of 64 bits before and after, an append a list
    /// that stays within [`MAX_VALUE_BYTES`](crate::MAX_VALUE_BYTES).
    #[error("the value of session key {key:?} does not allow this operation")]
    Unfit {
        /// The session key.
        key: Box<str>,
    },

    /// Other requests changed the value under `key` again and again. Nothing
    /// was saved; try again.
    #[error("session key {key:?} is changed by too many requests at once")]
    Contended {
        /// The session key.
        key: Box<str>,
    },

    /// The value for `key` cannot be written as JSON, for instance because it
    /// holds a map whose keys are not strings.
    #[error("the {given} for session key {key:?} cannot be written as JSON")]
    Encode {
        /// The session key.
        key: Box<str>,
        /// The type that was given.
        given: &'static str,
    },

    /// A value could not be sealed.
    #[error("a session value could not be sealed: {0}")]
    Seal(#[source] SealError),

    /// A session key is empty or longer than [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES).
    #[error("a session key has 1 to {max} bytes, not {0}", max = crate::MAX_KEY_BYTES)]
    Key(usize),

    /// A value's JSON is longer than [`MAX_VALUE_BYTES`](crate::MAX_VALUE_BYTES).
    /// Keep large things in the database and their key in the session.
    #[error("the value of session key {key:?} is {bytes} bytes of JSON, more than {max}",
        max = crate::MAX_VALUE_BYTES)]
    ValueTooLarge {
        /// The session key.
        key: Box<str>,
        /// The length of the JSON.
        bytes: usize,
    },

    /// The session holds [`MAX_KEYS`](crate::MAX_KEYS) keys already.
    #[error("the session holds {max} keys already; remove one first", max = crate::MAX_KEYS)]
    TooManyKeys,

    /// The user's id at login is empty or longer than
    /// [`MAX_USER_BYTES`](crate::MAX_USER_BYTES).
    #[error("a user's id has 1 to {max} bytes, not {0}", max = crate::MAX_USER_BYTES)]
    User(usize),

    /// The user has as many sessions as
    /// [`MaxSessions::Refuse`](crate::MaxSessions::Refuse) allows: nobody was
    /// logged in.
    #[error("the user has {0} sessions already; one must end before another begins")]
    TooManySessions(usize),

    /// Nobody is logged in, so there is no user whose sessions could be listed
    /// or ended.
    #[error("nobody is logged in")]
    NoUser,

    /// The form in which sessions are stored here does not have this.
    #[error("sessions in the form of Express do not have {0}")]
    Unsupported(&'static str),

    /// A value cannot be kept in a session that Express shares, or the session
    /// is too large.
    #[error("{0}")]
    Express(#[source] BlobError),

    /// The operating system gave no random bits for a new id.
    #[error("the operating system gave no random bits for a session id: {0}")]
    Random(#[source] getrandom::Error),
}

impl SessionError {
    /// The status that fits: 503 when the store failed (with `Retry-After`),
    /// 409 when the session ended or was changed meanwhile, 403 when the user
    /// has too many sessions, 401 when nobody is logged in, else 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) | Self::StoreDown | Self::ReadOnly => StatusCode::SERVICE_UNAVAILABLE,
            Self::Ended | Self::Conflict { .. } | Self::Contended { .. } => StatusCode::CONFLICT,
            Self::TooManySessions(_) => StatusCode::FORBIDDEN,
            Self::NoUser => StatusCode::UNAUTHORIZED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The seconds that `Retry-After` says beside a 503; `None` for all other
    /// statuses.
    #[must_use]
    pub fn retry_after(&self) -> Option<u32> {
        (self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS)
    }

    /// Whether the store is in trouble, rather than the request.
    pub(crate) fn is_trouble(&self) -> bool {
        matches!(self, Self::Store(_) | Self::StoreDown)
    }
}

impl From<tuckbox::Error> for SessionError {
    fn from(error: tuckbox::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<tuckbox::ErrorReply> for SessionError {
    fn from(error: tuckbox::ErrorReply) -> Self {
        Self::from(tuckbox::Error::from(error))
    }
}
