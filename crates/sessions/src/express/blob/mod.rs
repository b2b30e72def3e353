//! [`Blob`]: the JSON that connect-redis stores.

use std::time::Duration;

use bytes::Bytes;

use super::{
    date,
    object::{Object, ObjectError, json, quoted},
};
use crate::SameSite;

/// The longest text of a session, in bytes.
pub const MAX_BLOB_BYTES: usize = 1024 * 1024;

/// How long connect-redis keeps a session whose cookie does not expire, unless
/// its option `ttl` says otherwise: one day.
pub const DEFAULT_TTL_SECONDS: u64 = 86_400;

const COOKIE: &str = "cookie";
const EXPIRES: &str = "expires";
const MAX_AGE: &str = "originalMaxAge";

/// Names that express-session drops when it reads a session, because its own
/// session object has something of that name.
const DROPPED: [&str; 20] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "destroy",
    "hasOwnProperty",
    "id",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "regenerate",
    "reload",
    "req",
    "resetMaxAge",
    "save",
    "toLocaleString",
    "toString",
    "touch",
    "valueOf",
];

/// A session as connect-redis stores it under `sess:{id}`: a JSON object with
/// the cookie's attributes under `cookie` and the application's values beside
/// it.
///
/// Values that are not changed keep their very bytes, and all names their
/// order, so that an Express service finds everything as it left it.
///
/// ```
/// use tuckbox_sessions::express::Blob;
///
/// let text = r#"{"cookie":{"originalMaxAge":null,"expires":null,"path":"/"},"n":1.50,"user":"ada"}"#;
/// let mut blob = Blob::parse(text.into())?;
/// blob.set("user", b"\"bob\"")?;
/// assert_eq!(blob.to_text()?, text.replace("ada", "bob"));
/// # Ok::<(), tuckbox_sessions::express::BlobError>(())
/// ```
///
/// When a session ends, the expiry of its key in the store says, and nothing
/// else: Express moves that expiry without writing the text, so `expires` in it
/// may have passed in a session that is in use.
#[derive(Clone, Debug)]
pub struct Blob {
    /// The text that was read, as long as it is still right.
    text: Option<Bytes>,
    members: Object,
    cookie: Object,
}

/// The attributes of the cookie that a new session's text holds. Express sends
/// its cookie with these.
#[derive(Clone, Debug)]
pub struct BlobCookie {
    /// How long the browser and the store keep the session after a touch;
    /// `None` for a cookie that the browser drops when it is closed, and
    /// connect-redis' `ttl` in the store.
    pub max_age: Option<Duration>,
    /// Over HTTPS only.
    pub secure: bool,
    /// Not for scripts.
    pub http_only: bool,
    /// The hosts that get it, or the one that set it.
    pub domain: Option<String>,
    /// The paths that get it.
    pub path: String,
    /// Which requests from other sites carry it.
    pub same_site: Option<SameSite>,
    /// A jar of its own under each top-level site.
    pub partitioned: bool,
}

/// As express-session has them: `Path=/`, `HttpOnly`.
impl Default for BlobCookie {
    fn default() -> Self {
        Self {
            max_age: None,
            secure: false,
            http_only: true,
            domain: None,
            path: "/".to_owned(),
            same_site: None,
            partitioned: false,
        }
    }
}

impl BlobCookie {
    fn to_object(&self) -> Object {
        let mut cookie = Object::default();
        let truth = |value: bool| Bytes::from_static(if value { b"true" } else { b"false" });
        // Express's order.
        cookie.set(MAX_AGE, NULL);
        if self.partitioned {
            cookie.set("partitioned", truth(true));
        }
        cookie.set(EXPIRES, NULL);
        cookie.set("secure", truth(self.secure));
        cookie.set("httpOnly", truth(self.http_only));
        if let Some(domain) = &self.domain {
            cookie.set("domain", quoted(domain));
        }
        cookie.set("path", quoted(&self.path));
        if let Some(same_site) = self.same_site {
            let text: &[u8] = match same_site {
                SameSite::Strict => b"\"strict\"",
                SameSite::Lax => b"\"lax\"",
                SameSite::None => b"\"none\"",
            };
            cookie.set("sameSite", Bytes::from_static(text));
        }
        cookie
    }
}

const NULL: Bytes = Bytes::from_static(b"null");

impl Blob {
    /// A session without values. `now` is in milliseconds since 1970.
    #[must_use]
    pub fn new(cookie: &BlobCookie, now: u64) -> Self {
        let (members, mut blob_cookie) = (Object::default(), cookie.to_object());
        if let Some(max_age) = cookie.max_age {
            let ms = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
            blob_cookie.set(MAX_AGE, ms.to_string().into());
        }
        let mut blob = Self { text: None, members, cookie: blob_cookie };
        blob.touch(now);
        blob
    }

    /// The session in a text from the store, sharing its bytes.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`], [`BlobError::NotJson`],
    /// [`BlobError::NotAnObject`], [`BlobError::NoCookie`].
    pub fn parse(text: Bytes) -> Result<Self, BlobError> {
        if text.len() > MAX_BLOB_BYTES {
            return Err(BlobError::TooLarge(text.len()));
        }
        let members = Object::parse(&text).map_err(|error| match error {
            ObjectError::NotJson => BlobError::NotJson,
            ObjectError::NotAnObject => BlobError::NotAnObject,
        })?;
        let cookie = members.get(COOKIE).ok_or(BlobError::NoCookie)?;
        let cookie = Object::parse(cookie).map_err(|_| BlobError::NoCookie)?;
        Ok(Self { text: Some(text), members, cookie })
    }

    /// The session's text: the very one that was parsed, if nothing changed.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`].
    pub fn to_text(&self) -> Result<Bytes, BlobError> {
        let text = self.text.clone().unwrap_or_else(|| self.members.to_text());
        if text.len() > MAX_BLOB_BYTES {
            return Err(BlobError::TooLarge(text.len()));
        }
        Ok(text)
    }

    /// The JSON of the value called `name`. The cookie's attributes are none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Bytes> {
        if name == COOKIE { None } else { self.members.get(name) }
    }

    /// The names of the values and their JSON, in their order, without the
    /// cookie's attributes.
    pub fn values(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.members.iter().filter(|(name, _)| *name != COOKIE)
    }

    /// Sets the value called `name`, in its place if there is one of that name,
    /// else last. The same value as before changes nothing.
    ///
    /// # Errors
    /// [`BlobError::Name`] for a name that Express has for itself,
    /// [`BlobError::Value`] when `value` is not JSON.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<(), BlobError> {
        if name == COOKIE || DROPPED.contains(&name) {
            return Err(BlobError::Name(name.into()));
        }
        let value = json(value).ok_or_else(|| BlobError::Value(name.into()))?;
        if self.members.get(name).is_none_or(|before| before != value) {
            self.members.set(name, Bytes::copy_from_slice(value.as_bytes()));
            self.text = None;
        }
        Ok(())
    }

    /// Takes the value called `name` out; `false` when there is none. The
    /// cookie's attributes stay.
    pub fn remove(&mut self, name: &str) -> bool {
        let removed = name != COOKIE && self.members.remove(name);
        if removed {
            self.text = None;
        }
        removed
    }

    /// The time that the text gives for the cookie's end, in milliseconds since
    /// 1970; `None` when the browser keeps it until it is closed, or the time
    /// cannot be read.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        let value = self.cookie.get(EXPIRES)?;
        if let Ok(text) = serde_json::from_slice::<String>(value) {
            return date::from_iso(&text);
        }
        // Nothing that Express writes, but what it would read; 0 is "none".
        whole(value).filter(|ms| *ms != 0)
    }

    /// How long the browser and the store keep the session after a touch, in
    /// milliseconds; `None` when the cookie does not expire.
    #[must_use]
    pub fn max_age(&self) -> Option<i64> {
        whole(self.cookie.get(MAX_AGE)?)
    }

    /// Another time for which the browser and the store keep the session, as
    /// `req.session.cookie.maxAge` sets it in Express. `now` is in milliseconds
    /// since 1970.
    pub fn set_max_age(&mut self, max_age: Option<Duration>, now: u64) {
        let ms = max_age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        self.cookie.set(MAX_AGE, ms.map_or(NULL, |ms| ms.to_string().into()));
        self.touch(now);
    }

    /// Moves the cookie's end to [`max_age`](Self::max_age) after `now`, in
    /// milliseconds since 1970, as Express does before it saves. All its other
    /// attributes stay.
    pub fn touch(&mut self, now: u64) {
        let end = |age: i64| i64::try_from(now).unwrap_or(i64::MAX).saturating_add(age);
        let expires = self.max_age().map_or(NULL, |age| quoted(&date::to_iso(end(age))));
        self.cookie.set(EXPIRES, expires);
        self.members.set(COOKIE, self.cookie.to_text());
        self.text = None;
    }

    /// For how many seconds from `now`, in milliseconds since 1970, connect-redis
    /// would have the store keep this text: to the cookie's end, rounded up, or
    /// `ttl` without one. 0 when the end has passed: it would delete the session.
    #[must_use]
    pub fn ttl_seconds(&self, now: u64, ttl: u64) -> u64 {
        let Some(expires) = self.expires() else { return ttl };
        u64::try_from(expires).unwrap_or(0).saturating_sub(now).div_ceil(1000)
    }
}

/// A number of milliseconds; parts of one do not count.
fn whole(value: &[u8]) -> Option<i64> {
    let number: f64 = serde_json::from_slice(value).ok()?;
    // Casts of floats saturate.
    number.is_finite().then_some(number as i64)
}

/// Why a text is no session of Express, or cannot become one. No variant holds
/// a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// Longer than [`MAX_BLOB_BYTES`]. Keep large things in the database and
    /// their key in the session.
    #[error("the Express session has {0} bytes of JSON, more than {MAX_BLOB_BYTES}")]
    TooLarge(usize),
    /// Not JSON in UTF-8.
    #[error("the Express session is not JSON: does its store have a serializer of its own?")]
    NotJson,
    /// JSON, but not an object.
    #[error("the Express session is not a JSON object")]
    NotAnObject,
    /// Without the attributes of a cookie, on which Express would fail.
    #[error(
        "the Express session has no object called cookie: another program's keys under the same prefix?"
    )]
    NoCookie,
    /// Express drops values of this name when it reads a session.
    #[error(
        "a value called {0:?} would be lost in Express, which has something of that name: choose another"
    )]
    Name(Box<str>),
    /// The value of this name says who is logged in.
    #[error(
        "the value called {0:?} says who is logged in: it is changed by a login or a logout only"
    )]
    User(Box<str>),
    /// The value given for this name is not JSON.
    #[error("the value for {0:?} is not JSON")]
    Value(Box<str>),
}

#[cfg(test)]
mod tests;
