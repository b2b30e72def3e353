//! [`SessionData`]: a struct of one's own in the session, with versions.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Session, SessionError};

/// A struct that lies in the session as a whole, under a key of its own, and
/// knows what its earlier versions looked like.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use serde_json::Value;
/// use tuckbox_sessions::{Session, SessionData, SessionError};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Cart {
///     articles: Vec<u64>,
/// }
///
/// impl SessionData for Cart {
///     const KEY: &'static str = "cart";
///     const VERSION: u32 = 2;
///
///     /// Version 1 knew one article only.
///     fn upgrade(version: u32, stored: Value) -> Option<Self> {
///         match version {
///             1 => Some(Self { articles: vec![stored.get("article")?.as_u64()?] }),
///             _ => None,
///         }
///     }
/// }
///
/// async fn put(session: Session, article: u64) -> Result<(), SessionError> {
///     let mut cart: Cart = session.data().await?.unwrap_or_default();
///     cart.articles.push(article);
///     session.set_data(&cart).await
/// }
/// # let _ = put;
/// ```
pub trait SessionData: Serialize + DeserializeOwned {
    /// The session key under which it lies.
    const KEY: &'static str;

    /// The version that this type is. Raise it when what was stored before
    /// cannot be read as it is.
    const VERSION: u32;

    /// What was stored as another `version`; `None` when it cannot be used, so
    /// that it is put aside.
    ///
    /// By default it is read as it is, which suits fields that were added with
    /// a default, and a newer version met by an older program while both run.
    #[must_use]
    fn upgrade(version: u32, stored: Value) -> Option<Self> {
        let _ = version;
        serde_json::from_value(stored).ok()
    }
}

/// How it lies in the store.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    data: T,
}

impl Session {
    /// The `T` in the session, upgraded where it is of another version; `None`
    /// when there is none. One that cannot be used is put aside, as
    /// [`get`](Self::get) does. Costs as `get` does.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub async fn data<T: SessionData>(&self) -> Result<Option<T>, SessionError> {
        let Some(json) = self.json(T::KEY).await? else { return Ok(None) };
        let data = serde_json::from_slice::<Versioned<Value>>(&json).ok().and_then(|stored| {
            if stored.v == T::VERSION {
                serde_json::from_value(stored.data).ok()
            } else {
                T::upgrade(stored.v, stored.data)
            }
        });
        if data.is_none() {
            tracing::warn!(key = T::KEY, "session data was put aside");
            self.put_aside(T::KEY);
        }
        Ok(data)
    }

    /// Puts `data` into the session, in place of what was there. Costs as
    /// [`insert`](Self::insert) does.
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert).
    pub async fn set_data<T: SessionData>(&self, data: &T) -> Result<(), SessionError> {
        self.insert(T::KEY, &Versioned { v: T::VERSION, data }).await
    }
}
