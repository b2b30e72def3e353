//! [`SessionError`]: why a session could not be read or saved.

use std::sync::Arc;

use http::StatusCode;

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

    /// The session ended while this request was using it (a logout, a renewal
    /// or its lifetime): what the request changed was not saved. Answer as to
    /// someone without a session.
    #[error("the session ended during the request, so its changes were not saved")]
    Ended,

    /// The response is on its way, so no cookie can be sent any more: a new
    /// session cannot be stored, and `login` comes too late. Do it before
    /// returning the response.
    #[error("the response has started: no session can be created or renewed after its headers")]
    ResponseStarted,

    /// The value under `key` is not JSON for the wanted type. Remove it, or
    /// read it as [`serde_json::Value`] to see what it is.
    #[error("the value of session key {key:?} cannot be read as {wanted}")]
    Decode {
        /// The session key.
        key: Box<str>,
        /// The type that was asked for.
        wanted: &'static str,
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

    /// The operating system gave no random bits for a new id.
    #[error("the operating system gave no random bits for a session id: {0}")]
    Random(#[source] getrandom::Error),
}

impl SessionError {
    /// The status that fits: 503 when the store failed (with `Retry-After`),
    /// 409 when the session ended meanwhile, else 500.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Ended => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<tuckbox::Error> for SessionError {
    fn from(error: tuckbox::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}
