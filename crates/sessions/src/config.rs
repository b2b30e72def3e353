//! [`Config`]: what a session layer is told when it is built.

use std::time::Duration;

use crate::{Clock, Cookies, cookies::CookieForm};

/// The longest that browsers keep a cookie (RFC 6265bis, 5.5).
const MAX_IDLE: Duration = Duration::from_secs(400 * 24 * 3600);

/// What a [`SessionLayer`](crate::SessionLayer) is told when it is built.
///
/// `Config::default()` is for production on HTTPS. Everything else is checked
/// by [`ConfigBuilder::build`].
///
/// ```
/// use std::time::Duration;
/// use tuckbox_sessions::{Config, Cookies};
///
/// let config = Config::builder()
///     .cookies(Cookies::plain()) // a development server without HTTPS
///     .idle(Duration::from_secs(30 * 60))
///     .build()?;
/// assert_eq!(config.cookie_name(), "session");
/// # Ok::<(), tuckbox_sessions::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) cookie: CookieForm,
    pub(crate) idle: Duration,
    pub(crate) slide_after: Duration,
    pub(crate) prefix: String,
    pub(crate) clock: Clock,
}

impl Config {
    /// Starts from the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder {
            cookies: Cookies::secure(),
            idle: Duration::from_secs(3600),
            slide_percent: 10,
            prefix: "session:".to_owned(),
            clock: Clock::system(),
        }
    }

    /// The name of the cookie.
    #[must_use]
    pub fn cookie_name(&self) -> &str {
        self.cookie.name()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::builder().assemble()
    }
}

/// Collects what a [`Config`] holds; see [`Config::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder {
    cookies: Cookies,
    idle: Duration,
    slide_percent: u8,
    prefix: String,
    clock: Clock,
}

impl ConfigBuilder {
    /// How the cookie looks. Default [`Cookies::secure`].
    pub fn cookies(mut self, cookies: Cookies) -> Self {
        self.cookies = cookies;
        self
    }

    /// How long a session lives without a request that touches it, in the store
    /// and in the browser: whole seconds, from 1 second to 400 days. Default
    /// 1 hour.
    ///
    /// The store forgets the session by itself then; besides, the time of the
    /// last touch is checked at every read, so that a session is refused also
    /// where the store lost its expiry (a restored dump, a `PERSIST`). A shorter
    /// time therefore holds for existing sessions at once.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Which part of [`idle`](Self::idle) must have passed before a touch is
    /// written to the store and the cookie is sent again, in percent: 0 to 90.
    /// Default 10: a session in constant use costs one such write in 6 minutes,
    /// and may end 6 minutes early, counted from its last touch. 0 writes at
    /// every request that touches the session.
    pub fn slide_percent(mut self, percent: u8) -> Self {
        self.slide_percent = percent;
        self
    }

    /// What the store's keys start with, 1 to 64 bytes. Default `session:`. Two
    /// applications on one database need two prefixes, or they share sessions.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Where the time comes from. Default [`Clock::system`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The checked configuration.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting to change.
    pub fn build(self) -> Result<Config, ConfigError> {
        self.cookies.check()?;
        if self.idle < Duration::from_secs(1)
            || self.idle > MAX_IDLE
            || self.idle.subsec_nanos() != 0
        {
            return Err(ConfigError::Idle);
        }
        if self.slide_percent > 90 {
            return Err(ConfigError::SlidePercent);
        }
        if self.prefix.is_empty() || self.prefix.len() > 64 {
            return Err(ConfigError::Prefix);
        }
        Ok(self.assemble())
    }

    fn assemble(self) -> Config {
        Config {
            cookie: CookieForm::new(&self.cookies, self.idle),
            idle: self.idle,
            slide_after: self.idle * u32::from(self.slide_percent) / 100,
            prefix: self.prefix,
            clock: self.clock,
        }
    }
}

/// Which setting of a [`Config`] cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a token of HTTP.
    #[error("a cookie's name has letters, digits and !#$%&'*+-.^_`|~ only, and at least one")]
    CookieName,
    /// Browsers would drop it.
    #[error("the cookie's name and value have more than 4096 bytes: choose a shorter name")]
    CookieTooLong,
    /// Not a path.
    #[error("a cookie's path starts with / and holds visible ASCII without ;")]
    CookiePath,
    /// Not a host name.
    #[error("a cookie's domain holds letters, digits, - and . only")]
    CookieDomain,
    /// Browsers would drop it.
    #[error(
        "a cookie called __Host-… must be Secure, have Path=/ and no Domain: choose another name or other attributes"
    )]
    HostPrefix,
    /// Browsers would drop it.
    #[error(
        "a cookie called __Secure-… must be Secure: start from Cookies::secure() or choose another name"
    )]
    SecurePrefix,
    /// Browsers would drop it.
    #[error("SameSite=None needs a Secure cookie: start from Cookies::secure()")]
    SameSiteNone,
    /// Too short, too long, or with a part of a second.
    #[error("the idle time must be whole seconds from 1 second to 400 days")]
    Idle,
    /// Sessions in use would end.
    #[error("the slide must be due after 0 to 90 percent of the idle time")]
    SlidePercent,
    /// Empty or long.
    #[error("the prefix of the store's keys must have 1 to 64 bytes")]
    Prefix,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_prefixes_out_of_range_are_refused() {
        let refused = |builder: ConfigBuilder| builder.build().unwrap_err();
        for idle in [0, 999, 1500, 401 * 24 * 3600 * 1000] {
            let builder = Config::builder().idle(Duration::from_millis(idle));
            assert_eq!(refused(builder), ConfigError::Idle, "{idle}");
        }
        assert_eq!(refused(Config::builder().slide_percent(91)), ConfigError::SlidePercent);
        assert_eq!(refused(Config::builder().prefix("")), ConfigError::Prefix);
        assert_eq!(refused(Config::builder().prefix("p".repeat(65))), ConfigError::Prefix);
    }

    #[test]
    fn the_defaults_pass_their_own_check() {
        let built = Config::builder().build().unwrap();
        assert_eq!(format!("{built:?}"), format!("{:?}", Config::default()));
        assert_eq!(built.cookie_name(), "__Host-session");
        assert_eq!(built.slide_after, Duration::from_secs(360));
    }
}
