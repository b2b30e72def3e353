//! [`Express`]: sessions that an Express service shares.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Blob, BlobCookie, BlobError, DEFAULT_TTL_SECONDS, SidSecrets,
    object::{Object, quoted},
};
use crate::SessionError;

/// How an Express service keeps its sessions, so that a layer can share them:
/// express-session with connect-redis.
///
/// What is weaker than in the layer's own form is in the
/// [module's documentation](crate::express).
///
/// ```
/// use tuckbox_sessions::{
///     Config, Cookies,
///     express::{Express, SidSecrets},
/// };
///
/// let secrets = SidSecrets::new(["keyboard cat"])?;
/// let config = Config::builder().cookies(Cookies::plain()).express(Express::new(secrets)).build()?;
/// assert_eq!(config.cookie_name(), "connect.sid");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Express {
    pub(crate) secrets: SidSecrets,
    pub(crate) cookie_name: String,
    pub(crate) prefix: String,
    user_key: String,
    ttl_seconds: u64,
}

impl Express {
    /// As express-session and connect-redis are by default, with the secrets of
    /// the option `secret`.
    #[must_use]
    pub fn new(secrets: SidSecrets) -> Self {
        Self {
            secrets,
            cookie_name: "connect.sid".to_owned(),
            prefix: "sess:".to_owned(),
            user_key: "user".to_owned(),
            ttl_seconds: DEFAULT_TTL_SECONDS,
        }
    }

    /// The option `name` of express-session. Default `connect.sid`.
    #[must_use]
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = name.into();
        self
    }

    /// The option `prefix` of connect-redis. Default `sess:`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Where the Express service keeps the id of the user who is logged in: a
    /// key of `req.session`, or two with a dot between, as `passport.user` or
    /// `user.id`. The id is a string or a number there; a login of ours writes a
    /// string. Default `user`.
    ///
    /// [`Session::get`](crate::Session::get) reads that key as any other; to set
    /// or remove it is [`BlobError::User`] at the save. Of an object, a login of
    /// the same user leaves everything but the id.
    #[must_use]
    pub fn user_key(mut self, key: impl Into<String>) -> Self {
        self.user_key = key.into();
        self
    }

    /// The option `ttl` of connect-redis, in seconds: how long a session lives
    /// whose cookie does not expire. Default 86,400.
    #[must_use]
    pub fn ttl_seconds(mut self, seconds: u64) -> Self {
        self.ttl_seconds = seconds.max(1);
        self
    }

    pub(crate) fn form(&self, cookie: BlobCookie) -> ExpressForm {
        let (user_key, inner) = match self.user_key.split_once('.') {
            Some((key, inner)) => (key.to_owned(), Some(inner.to_owned())),
            None => (self.user_key.clone(), None),
        };
        ExpressForm { cookie, user_key, inner, ttl_seconds: self.ttl_seconds }
    }
}

/// What the store has to know of Express.
#[derive(Clone, Debug)]
pub(crate) struct ExpressForm {
    pub(crate) cookie: BlobCookie,
    user_key: String,
    inner: Option<String>,
    pub(crate) ttl_seconds: u64,
}

impl ExpressForm {
    /// Who is logged in.
    pub(crate) fn user_of(&self, blob: &Blob) -> Option<Arc<str>> {
        let value: Value = serde_json::from_slice(blob.get(&self.user_key)?).ok()?;
        let value = match &self.inner {
            Some(inner) => value.get(inner)?,
            None => &value,
        };
        match value {
            Value::String(user) if !user.is_empty() => Some(user.as_str().into()),
            Value::Number(user) => Some(user.to_string().into()),
            _ => None,
        }
    }

    /// Refuses the value that says who is logged in: whoever changes that gets
    /// another id.
    pub(crate) fn check(&self, key: &str) -> Result<(), SessionError> {
        if key == self.user_key {
            return Err(SessionError::Express(BlobError::User(key.into())));
        }
        Ok(())
    }

    /// Logs `user` in.
    pub(crate) fn set_user(&self, blob: &mut Blob, user: &str) -> Result<(), SessionError> {
        let mut value = quoted(user);
        if let Some(inner) = &self.inner {
            let outer = blob.get(&self.user_key).and_then(|outer| Object::parse(outer).ok());
            let mut outer = outer.unwrap_or_default();
            outer.set(inner, value);
            value = outer.to_text();
        }
        blob.set(&self.user_key, &value).map_err(SessionError::Express)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(user_key: &str) -> ExpressForm {
        let secrets = SidSecrets::new(["secret"]).unwrap();
        Express::new(secrets).user_key(user_key).form(BlobCookie::default())
    }

    #[test]
    fn the_user_is_found_where_express_keeps_it() {
        let blob = |rest: &str| Blob::parse(format!(r#"{{"cookie":{{}}{rest}}}"#).into()).unwrap();
        let user = |key: &str, rest: &str| form(key).user_of(&blob(rest));
        assert_eq!(user("user", r#","user":"ada""#).as_deref(), Some("ada"));
        assert_eq!(user("user", r#","user":42"#).as_deref(), Some("42"));
        assert_eq!(user("passport.user", r#","passport":{"user":"ada"}"#).as_deref(), Some("ada"));
        for rest in ["", r#","user":null"#, r#","user":"""#, r#","user":{"name":"ada"}"#] {
            assert_eq!(user("user", rest), None, "{rest}");
        }
        assert_eq!(user("passport.user", r#","passport":{}"#), None);
    }

    #[test]
    fn a_login_is_where_express_looks_for_it() {
        for key in ["user", "passport.user"] {
            let mut blob = Blob::new(&BlobCookie::default(), 0);
            form(key).set_user(&mut blob, "a\"b").unwrap();
            assert_eq!(form(key).user_of(&blob).as_deref(), Some("a\"b"));
        }
    }

    #[test]
    fn a_login_leaves_what_express_keeps_beside_the_id() {
        for (before, after) in [
            (r#"{"user":7,"at":1.50}"#, r#"{"user":"ada","at":1.50}"#),
            ("{}", r#"{"user":"ada"}"#),
            ("null", r#"{"user":"ada"}"#),
        ] {
            let text = format!(r#"{{"cookie":{{}},"passport":{before}}}"#);
            let mut blob = Blob::parse(text.into()).unwrap();
            form("passport.user").set_user(&mut blob, "ada").unwrap();
            assert_eq!(blob.get("passport").unwrap(), after);
        }
    }
}
