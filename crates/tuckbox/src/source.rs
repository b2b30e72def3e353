//! [`Source`]: who knows the store's URL.

use std::{error::Error as StdError, pin::Pin};

/// Why a source of URLs is asked; see [`Db::from_source`](crate::Db::from_source).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {
    /// The URL is needed for the first time: one that the source remembers will
    /// do.
    Cached,
    /// The server refused the credentials of the last one, or it was no URL:
    /// look again.
    Again,
}

/// The URL, or why there is none. It goes on where it stopped when the call
/// that waited for it has given up, so it lives as long as it likes.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<String, Problem>> + Send>>;

/// Why a source has no URL.
pub(crate) type Problem = Box<dyn StdError + Send + Sync>;

/// Who knows the store's URL.
pub(crate) type Source = Box<dyn Fn(Refresh) -> Answer + Send + Sync>;

/// Any function, as a source.
pub(crate) fn boxed<F, A, E>(ask: F) -> Source
where
    F: Fn(Refresh) -> A + Send + Sync + 'static,
    A: Future<Output = Result<String, E>> + Send + 'static,
    E: Into<Problem>,
{
    Box::new(move |refresh| {
        let answer = ask(refresh);
        Box::pin(async move { answer.await.map_err(Into::into) })
    })
}
