//! [`Settings`]: what the environment says.

use std::{fmt, net::IpAddr};

use tuckbox_serve::Peer;
use tuckbox_sessions::{Config, ConfigBuilder, ConfigError, Cookies};

/// Where the data lives unless `REDIS_URL` says otherwise.
const DEFAULT_URL: &str = "file:./data";

/// Who may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Anybody, as anybody: the tutorial's login by user id alone.
    Open,
    /// Nobody, until there are passwords.
    Closed,
}

/// What the environment says about the app; the server's part is
/// [`tuckbox_serve::Config`].
///
/// | variable | meaning | default |
/// |---|---|---|
/// | `REDIS_URL` | where the data lives; `UPSTASH_REDIS_URL` is read as well | `file:./data` |
/// | `SESSION_COOKIE` | the cookie's name | `session`, on HTTPS `__Host-session` |
/// | `COOKIE_SECURE` | `true`: browsers reach the app by HTTPS; `false`: by plain HTTP | `false` when bound to loopback |
/// | `LOGIN` | `open`: anybody can log in as anybody | `open` when bound to loopback |
#[derive(Clone)]
pub struct Settings {
    /// The URL of the database; may hold a password.
    pub database_url: String,
    /// How sessions are kept.
    pub sessions: Config,
    /// Who may log in.
    pub login: Login,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the URL: it may hold a password.
        f.debug_struct("Settings").field("login", &self.login).finish_non_exhaustive()
    }
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A variable has a word that it does not know.
    #[error("{name} is {value:?}: use {allowed}")]
    Word {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
        /// What it could say.
        allowed: &'static str,
    },
    /// The cookie cannot be as it was asked for.
    #[error("the session cookie cannot be as SESSION_COOKIE and COOKIE_SECURE say: {0}")]
    Cookie(#[from] ConfigError),
}

impl Settings {
    /// Reads the settings by `lookup`, for an app that listens on `bind`.
    ///
    /// # Errors
    /// [`SettingsError`] names the variable.
    pub fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
        bind: IpAddr,
    ) -> Result<Self, SettingsError> {
        let local = bind.is_loopback();
        let word = |name| lookup(name).map(|value| value.trim().to_owned());
        let word = |name| word(name).filter(|value| !value.is_empty());

        let secure = match word("COOKIE_SECURE").as_deref() {
            None => !local,
            Some("true") => true,
            Some("false") => false,
            Some(other) => return Err(unknown("COOKIE_SECURE", other, "true or false")),
        };
        let login = match word("LOGIN").as_deref() {
            None if local => Login::Open,
            None | Some("closed") => Login::Closed,
            Some("open") => Login::Open,
            Some(other) => return Err(unknown("LOGIN", other, "open or closed")),
        };
        let mut cookies = if secure { Cookies::secure() } else { Cookies::plain() };
        if let Some(name) = word("SESSION_COOKIE") {
            cookies = cookies.name(name);
        }
        let url = tuckbox::url_from_env(&lookup);
        Ok(Self {
            database_url: url.unwrap_or_else(|| DEFAULT_URL.to_owned()),
            sessions: sessions(cookies).build()?,
            login,
        })
    }
}

/// How the app keeps its sessions: as the layer does by default. The list of a
/// user's sessions, which each login enters, says from which address: that of
/// the connection, which behind a proxy is the proxy's. What a header says of
/// the client, anybody can write.
pub fn sessions(cookies: Cookies) -> ConfigBuilder {
    Config::builder().cookies(cookies).client_address(|_, extensions| {
        // An IPv4 client of an IPv6 socket is called by its IPv4 address.
        extensions.get().map(|Peer(peer)| peer.ip().to_canonical())
    })
}

fn unknown(name: &'static str, value: &str, allowed: &'static str) -> SettingsError {
    SettingsError::Word { name, value: value.to_owned(), allowed }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn settings(bind: Ipv4Addr, env: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let find = |name: &str| env.iter().find(|(known, _)| *known == name);
        let lookup = |name: &str| find(name).map(|(_, value)| (*value).to_owned());
        Settings::from_lookup(lookup, bind.into())
    }

    #[test]
    fn on_loopback_the_demo_just_works() {
        let settings = settings(Ipv4Addr::LOCALHOST, &[]).unwrap();
        assert_eq!(settings.database_url, "file:./data");
        assert_eq!(settings.login, Login::Open);
        assert_eq!(settings.sessions.cookie_name(), "session");
    }

    #[test]
    fn elsewhere_the_cookie_is_secure_and_nobody_logs_in_without_a_password() {
        let settings = settings(Ipv4Addr::UNSPECIFIED, &[]).unwrap();
        assert_eq!(settings.login, Login::Closed);
        assert_eq!(settings.sessions.cookie_name(), "__Host-session");
    }

    #[test]
    fn the_environment_wins() {
        let env = [
            ("UPSTASH_REDIS_URL", " redis://:secret@db.example:6379 "),
            ("SESSION_COOKIE", "xxx_session_id"),
            ("LOGIN", "open"),
        ];
        let settings = settings(Ipv4Addr::UNSPECIFIED, &env).unwrap();
        assert_eq!(settings.database_url, "redis://:secret@db.example:6379");
        assert_eq!(settings.login, Login::Open);
        assert_eq!(settings.sessions.cookie_name(), "xxx_session_id");
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn a_word_that_is_not_known_is_named() {
        let error = settings(Ipv4Addr::LOCALHOST, &[("LOGIN", "yes")]).unwrap_err();
        assert_eq!(error.to_string(), r#"LOGIN is "yes": use open or closed"#);
    }
}
