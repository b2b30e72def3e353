//! Flash messages: shown once, on the next page.

use serde::{Deserialize, Serialize};

use crate::{Session, SessionError};

/// The session key of the messages that wait.
const KEY: &str = "_flash";

/// A message that waits for the next page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// What sort of message it is: `info`, `error`, …
    pub kind: String,
    /// The message.
    pub text: String,
}

impl Session {
    /// Leaves a message for the next page, which
    /// [`take_flashes`](Self::take_flashes) gets. Costs as
    /// [`append`](Self::append) does: 1 command.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub async fn flash(
        &self,
        kind: impl Into<String>,
        text: impl Into<String>,
    ) -> Result<(), SessionError> {
        self.append(KEY, &Flash { kind: kind.into(), text: text.into() }).await
    }

    /// The messages that wait, the oldest first; each is given once, also to
    /// requests at the same time. Costs as [`take`](Self::take) does: nothing
    /// when the session was read before and none wait, else 1 command.
    ///
    /// # Errors
    /// Those of [`take`](Self::take).
    pub async fn take_flashes(&self) -> Result<Vec<Flash>, SessionError> {
        Ok(self.take(KEY).await?.unwrap_or_default())
    }
}
