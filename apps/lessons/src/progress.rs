//! [`Progress`]: who has completed which lesson. The keys and commands of this
//! app are all in this file.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use tuckbox::{Db, Error, Reply, cmd};

use crate::domain::{LessonSlug, UserId};

/// A completed lesson and when it was completed, in RFC 3339.
pub(crate) type Completed = (Text, Text);

/// Text that the store has: a slice of its reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text(Bytes);

impl Text {
    /// The text. Others may write to the same store: what is not UTF-8 is shown
    /// as well as it can be.
    pub(crate) fn to_str(&self) -> Cow<'_, str> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(&self.0),
        }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str())
    }
}

/// Who has completed which lesson: a hash `lessons:{user}` of slug to time,
/// exactly as the tutorial keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    db: Db,
}

impl Progress {
    pub(crate) fn new(db: Db) -> Self {
        Self { db }
    }

    /// Notes that the user completed the lesson at `time`. One command.
    ///
    /// # Errors
    /// When the store does not confirm it.
    pub(crate) async fn complete(
        &self,
        user: &UserId,
        slug: &LessonSlug,
        time: &str,
    ) -> Result<(), Error> {
        self.db.call(cmd!("HSET", key(user), slug.as_str(), time)).await?;
        Ok(())
    }

    /// The lessons that the user has completed, by slug. One command.
    ///
    /// # Errors
    /// When the store does not answer, or has something else there.
    pub(crate) async fn completed(&self, user: &UserId) -> Result<Vec<Completed>, Error> {
        let pairs = self.db.call(cmd!("HGETALL", key(user))).await?.into_pairs()?;
        let mut completed = Vec::with_capacity(pairs.len());
        for (slug, time) in pairs {
            completed.push((text(slug)?, text(time)?));
        }
        completed.sort_unstable();
        Ok(completed)
    }

    /// Whether the store answers, and keeps what it is given; see [`Db::health`].
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn health(&self) -> Result<(), Error> {
        self.db.health().await
    }
}

fn key(user: &UserId) -> String {
    format!("lessons:{user}")
}

fn text(reply: Reply) -> Result<Text, Error> {
    Ok(Text(reply.into_bytes()?.unwrap_or_default()))
}
