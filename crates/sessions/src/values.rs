//! [`Values`]: how a session's values lie in the store.

use bytes::Bytes;

use crate::{KeyRing, OpenError, PublicId, SessionError};

/// How a session's values lie in the store: as JSON, or sealed by a key ring.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(Option<KeyRing>);

impl Values {
    pub(crate) fn new(ring: Option<KeyRing>) -> Self {
        Self(ring)
    }

    /// Whether the store cannot read the values, and so cannot compute with
    /// them.
    pub(crate) fn are_sealed(&self) -> bool {
        self.0.is_some()
    }

    /// `json` as the store gets it for `key` of the session called `name`.
    pub(crate) fn seal(
        &self,
        name: PublicId,
        key: &str,
        json: &Bytes,
    ) -> Result<Bytes, SessionError> {
        match &self.0 {
            Some(ring) => ring.seal(&companion(name, key), json).map_err(SessionError::Seal),
            None => Ok(json.clone()),
        }
    }

    /// The JSON in what the store has; `None` when it was not sealed for here.
    pub(crate) fn open(&self, name: PublicId, key: &str, stored: &Bytes) -> Option<Bytes> {
        match &self.0 {
            Some(ring) => match ring.open(&companion(name, key), stored) {
                Ok((json, _)) => Some(json),
                Err(error) => {
                    tracing::warn!(%error, session = %name, key, "a sealed value does not open");
                    None
                }
            },
            None => Some(stored.clone()),
        }
    }

    /// Whether what does not open here may do so where the key ring is another:
    /// during a rotation, some servers know a key that others do not know yet.
    pub(crate) fn opens_elsewhere(&self, stored: &Bytes) -> bool {
        let opened = self.0.as_ref().map(|ring| ring.open(&[], stored));
        matches!(opened, Some(Err(OpenError::UnknownKey(_))))
    }
}

/// What a value is sealed together with, so that it opens in its own place only.
fn companion(name: PublicId, key: &str) -> Vec<u8> {
    [name.as_str(), ":", key].concat().into_bytes()
}
