//! [`Config`]: what a session layer is told when it is built.

use std::{net::IpAddr, time::Duration};

use http::{Extensions, HeaderMap};

use crate::{
    Clock, Cookies, Event, KeyRing, MaxSessions, Robots, Trouble,
    cookies::CookieForm,
    event::Listener,
    express::{Express, ExpressForm},
    store::Times,
    visitor::AddressOf,
};

/// The longest that browsers keep a cookie (RFC 6265bis, 5.5).
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 3600);

/// The longest that an id may read after it was renewed.
const MAX_GRACE: Duration = Duration::from_secs(300);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What happens when two requests at the same time change one session key. What
/// they change under different keys always stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflicts {
    /// The later write stays. The default.
    #[default]
    LastWrite,
    /// A request that read the session and changes a key which another request
    /// has changed since gets [`SessionError::Conflict`](crate::SessionError),
    /// and its client 409; nothing of it is saved. A value that is written
    /// without the session having been read is written upon anything.
    Fail,
}

/// What happens to a session when an id is presented that was renewed by
/// schedule, after the grace: somebody has an old copy of the cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// It ends, for everyone: who of two is the thief cannot be known. The
    /// default.
    #[default]
    End,
    /// Nothing but the event.
    Report,
}

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
    pub(crate) times: Times,
    pub(crate) express: Option<ExpressForm>,
    pub(crate) rest: Rest,
}

impl Config {
    /// Starts from the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder {
            cookies: Cookies::secure(),
            idle: HOUR,
            absolute: 30 * DAY,
            slide_percent: 10,
            jitter_percent: 5,
            renew_every: None,
            grace: Duration::from_secs(10),
            rest: Rest {
                sudo: 15 * MINUTE,
                prefix: "session:".to_owned(),
                deadline: Duration::from_millis(250),
                conflicts: Conflicts::default(),
                trouble: Trouble::default(),
                robots: Robots::default(),
                reuse: Reuse::default(),
                max_sessions: MaxSessions::EndOldest(100),
                seal: None,
                express: None,
                listener: Listener::default(),
                address_of: None,
                clock: Clock::system(),
            },
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
    absolute: Duration,
    slide_percent: u8,
    jitter_percent: u8,
    renew_every: Option<Duration>,
    grace: Duration,
    rest: Rest,
}

/// The settings that go over as they are.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    pub(crate) sudo: Duration,
    pub(crate) prefix: String,
    pub(crate) deadline: Duration,
    pub(crate) conflicts: Conflicts,
    pub(crate) trouble: Trouble,
    pub(crate) robots: Robots,
    pub(crate) reuse: Reuse,
    pub(crate) max_sessions: MaxSessions,
    pub(crate) seal: Option<KeyRing>,
    pub(crate) express: Option<Express>,
    pub(crate) listener: Listener,
    pub(crate) address_of: Option<AddressOf>,
    pub(crate) clock: Clock,
}

impl ConfigBuilder {
    /// How the cookie looks. Default [`Cookies::secure`].
    pub fn cookies(mut self, cookies: Cookies) -> Self {
        self.cookies = cookies;
        self
    }

    /// How long a session lives without a request that touches it, in the store
    /// and in the browser: whole seconds, from 1 second to 400 days. Default
    /// 1 hour. Reading it and writing to it are touching it.
    ///
    /// The store forgets the session by itself then; besides, the time of the
    /// last touch is checked at every read and write, so that a session is
    /// refused also where the store lost its expiry (a restored dump, a
    /// `PERSIST`). A shorter time therefore holds for existing sessions at once.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How long a session lives at the most, however much it is used, counted
    /// from its login, or from its beginning while nobody is logged in: whole
    /// seconds, from 1 second to 400 days. Default 30 days, as NIST SP 800-63B
    /// asks at its first level; 12 hours at the second. Checked as
    /// [`idle`](Self::idle) is.
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = absolute;
        self
    }

    /// How long after its login a session passes
    /// [`Session::is_recent`](crate::Session::is_recent). Default 15 minutes.
    pub fn sudo(mut self, sudo: Duration) -> Self {
        self.rest.sudo = sudo;
        self
    }

    /// Which part of [`idle`](Self::idle) must have passed before a touch is
    /// written to the store and the cookie is sent again, in percent: 0 to 90.
    /// Default 10: a session in constant use has one such write in 6 minutes,
    /// and may end 6 minutes early, counted from its last touch. 0 writes at
    /// every request that touches the session. It never costs a command: the
    /// read or write that is made anyway does it.
    pub fn slide_percent(mut self, percent: u8) -> Self {
        self.slide_percent = percent;
        self
    }

    /// How much longer than [`idle`](Self::idle) the store may keep a session,
    /// in percent of it, by chance: 0 to 50. Default 5: sessions that began
    /// together do not leave the store together. Nobody can use one that is past
    /// its time.
    pub fn jitter_percent(mut self, percent: u8) -> Self {
        self.jitter_percent = percent;
        self
    }

    /// Gives a session another id when its id is this old, with the next
    /// request that reads it (OWASP: renewal timeout): at least 10 seconds.
    /// Default `None`: at logins only. Costs 1 command each time, none beside a
    /// save.
    pub fn renew_every(mut self, age: Option<Duration>) -> Self {
        self.renew_every = age;
        self
    }

    /// How long an id still reads after it was renewed by schedule, so that
    /// requests sent with it do not fail: up to 300 seconds. Default 10 seconds.
    /// It cannot write, and after a login it does not read either. An id that is
    /// presented after the grace raises [`EventKind::Reused`](crate::EventKind).
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What happens to a session whose old id is presented after the grace.
    pub fn reuse(mut self, reuse: Reuse) -> Self {
        self.rest.reuse = reuse;
        self
    }

    /// What the store's keys start with, 1 to 64 bytes. Default `session:`. Two
    /// applications on one database need two prefixes, or they share sessions.
    /// The users' indexes start with the same and an `s`: `sessions:`. So one
    /// prefix must not be another's with such an `s`, or without its last colon.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.rest.prefix = prefix.into();
        self
    }

    /// What happens when requests at the same time change one session key.
    pub fn conflicts(mut self, conflicts: Conflicts) -> Self {
        self.rest.conflicts = conflicts;
        self
    }

    /// How many sessions a user may have, at least 1 and at most 10,000.
    pub fn max_sessions(mut self, most: MaxSessions) -> Self {
        self.rest.max_sessions = most;
        self
    }

    /// How long one call of the store may take: from 1 millisecond. Default 250
    /// milliseconds. A connection that is lost is tried once more within that
    /// time where the call can be made twice; so is a call that a server refused
    /// because it is no primary any more. After 5 failures in a row the store is
    /// not asked for a second ([`SessionError::StoreDown`](crate::SessionError)).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.rest.deadline = deadline;
        self
    }

    /// What routes do when the store cannot be read, unless they say otherwise.
    pub fn trouble(mut self, trouble: Trouble) -> Self {
        self.rest.trouble = trouble;
        self
    }

    /// What requests of robots do to the store.
    pub fn robots(mut self, robots: Robots) -> Self {
        self.rest.robots = robots;
        self
    }

    /// Seals every value with the current key of `ring` before it goes to the
    /// store (AES-256-GCM-SIV, bound to the session and the session key), so
    /// that neither the store nor a backup of it shows them. Names of session
    /// keys, users and times stay readable. Default: values are plain JSON.
    ///
    /// The store cannot compute with sealed values: `increment`, `append` and
    /// `compare_and_set` then cost 2 commands, a read and a compare-and-set, and
    /// 2 more each time that another request came between.
    pub fn seal(mut self, ring: KeyRing) -> Self {
        self.rest.seal = Some(ring);
        self
    }

    /// Keeps sessions as an Express service does, to share them with it. The
    /// cookie's name and the prefix are Express' then; what else is different is
    /// in [`express`](crate::express). It excludes [`seal`](Self::seal), signed
    /// cookies and [`renew_every`](Self::renew_every).
    pub fn express(mut self, express: Express) -> Self {
        self.rest.prefix.clone_from(&express.prefix);
        self.rest.express = Some(express);
        self
    }

    /// Whom to tell what happens to sessions, besides `tracing`. It is called
    /// in the middle of a request and should be quick.
    pub fn on_event(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.rest.listener = Listener::new(hook);
        self
    }

    /// How to find the client's address in a request, for the list of a user's
    /// sessions. Default: it is not known. Which header can be trusted depends
    /// on the proxies before the application.
    pub fn client_address(
        mut self,
        find: impl Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.rest.address_of = Some(AddressOf::new(find));
        self
    }

    /// Where the time comes from. Default [`Clock::system`].
    pub fn clock(mut self, clock: Clock) -> Self {
        self.rest.clock = clock;
        self
    }

    /// The checked configuration.
    ///
    /// # Errors
    /// [`ConfigError`] says which setting to change.
    pub fn build(mut self) -> Result<Config, ConfigError> {
        if let Some(express) = &self.rest.express {
            if self.rest.seal.is_some() || self.renew_every.is_some() || self.cookies.is_signed() {
                return Err(ConfigError::Express);
            }
            self.cookies = self.cookies.name(&express.cookie_name);
        }
        self.cookies.check()?;
        let is_life = |time: Duration| {
            (Duration::from_secs(1)..=MAX_AGE).contains(&time) && time.subsec_nanos() == 0
        };
        let most = match self.rest.max_sessions {
            MaxSessions::EndOldest(most) | MaxSessions::Refuse(most) => most,
        };
        let checks = [
            (is_life(self.idle), ConfigError::Idle),
            (is_life(self.absolute), ConfigError::Absolute),
            (self.idle <= self.absolute, ConfigError::IdleBeyondAbsolute),
            (self.slide_percent <= 90, ConfigError::SlidePercent),
            (self.jitter_percent <= 50, ConfigError::JitterPercent),
            (
                self.renew_every.is_none_or(|age| age >= Duration::from_secs(10)),
                ConfigError::RenewEvery,
            ),
            (self.grace <= MAX_GRACE, ConfigError::Grace),
            (self.rest.deadline >= Duration::from_millis(1), ConfigError::Deadline),
            ((1..=64).contains(&self.rest.prefix.len()), ConfigError::Prefix),
            ((1..=10_000).contains(&most), ConfigError::MaxSessions),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, error)) => Err(error),
            None => Ok(self.assemble()),
        }
    }

    fn assemble(self) -> Config {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let idle = ms(self.idle);
        let mut cookie = CookieForm::new(&self.cookies, self.idle);
        let mut form = None;
        if let Some(express) = &self.rest.express {
            cookie = cookie.express(express.secrets.clone());
            form = Some(express.form(self.cookies.blob_cookie(self.idle)));
        }
        Config {
            cookie,
            express: form,
            times: Times {
                idle,
                absolute: ms(self.absolute),
                slide_after: idle * u64::from(self.slide_percent) / 100,
                jitter: idle * u64::from(self.jitter_percent) / 100,
                grace: ms(self.grace),
                renew_every: self.renew_every.map_or(0, ms),
            },
            rest: self.rest,
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
    #[error("a cookie's path starts with / and holds visible ASCII without ;, at most 1024 bytes")]
    CookiePath,
    /// Not a host name.
    #[error("a cookie's domain holds letters, digits, - and . only, at most 1024 bytes")]
    CookieDomain,
    /// Browsers would drop it.
    #[error(
        "a cookie called __Host-… must be Secure, have Path=/ and no Domain: choose another name or other attributes"
    )]
    HostPrefix,
    /// Browsers would drop it.
    #[error(
        "a cookie called __Secure-… or __Http-… must be Secure: start from Cookies::secure() or choose another name"
    )]
    SecurePrefix,
    /// Browsers would drop it.
    #[error("SameSite=None needs a Secure cookie: start from Cookies::secure()")]
    SameSiteNone,
    /// Browsers would drop it.
    #[error("a Partitioned cookie must be Secure: start from Cookies::secure()")]
    Partitioned,
    /// Firebase Hosting would drop it.
    #[error("Firebase Hosting passes on one cookie only, called __session: keep that name")]
    FirebaseName,
    /// Too short, too long, or with a part of a second.
    #[error("the idle time must be whole seconds from 1 second to 400 days")]
    Idle,
    /// Too short, too long, or with a part of a second.
    #[error("the absolute time must be whole seconds from 1 second to 400 days")]
    Absolute,
    /// It could never be reached.
    #[error("the idle time must not be longer than the absolute time")]
    IdleBeyondAbsolute,
    /// Sessions in use would end.
    #[error("the slide must be due after 0 to 90 percent of the idle time")]
    SlidePercent,
    /// More than spreading needs.
    #[error("the jitter must be 0 to 50 percent of the idle time")]
    JitterPercent,
    /// Requests at the same time would chase each other.
    #[error("ids must be allowed to become 10 seconds old before they are renewed")]
    RenewEvery,
    /// An old id must not be as good as the new one for long.
    #[error("a renewed id may read for up to 300 seconds more")]
    Grace,
    /// No call would succeed.
    #[error("the deadline of the store's calls must be at least 1 millisecond")]
    Deadline,
    /// Empty or long.
    #[error("the prefix of the store's keys must have 1 to 64 bytes")]
    Prefix,
    /// Express knows none of it.
    #[error(
        "sessions that Express shares cannot be sealed, have their ids renewed by schedule, or have another signature"
    )]
    Express,
    /// None, or more than can be looked at in a login.
    #[error("a user may have from 1 to 10000 sessions")]
    MaxSessions,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_refused() {
        let new = Config::builder;
        let second = Duration::from_secs(1);
        for ms in [0, 999, 1500, 401 * 24 * 3600 * 1000] {
            let time = Duration::from_millis(ms);
            assert_eq!(new().idle(time).build().unwrap_err(), ConfigError::Idle, "{ms}");
            assert_eq!(new().absolute(time).build().unwrap_err(), ConfigError::Absolute, "{ms}");
        }
        let refused = [
            (new().idle(2 * second).absolute(second), ConfigError::IdleBeyondAbsolute),
            (new().slide_percent(91), ConfigError::SlidePercent),
            (new().jitter_percent(51), ConfigError::JitterPercent),
            (new().renew_every(Some(9 * second)), ConfigError::RenewEvery),
            (new().grace(301 * second), ConfigError::Grace),
            (new().deadline(Duration::ZERO), ConfigError::Deadline),
            (new().prefix(""), ConfigError::Prefix),
            (new().prefix("p".repeat(65)), ConfigError::Prefix),
            (new().max_sessions(MaxSessions::Refuse(0)), ConfigError::MaxSessions),
            (new().max_sessions(MaxSessions::EndOldest(10_001)), ConfigError::MaxSessions),
        ];
        for (builder, error) in refused {
            assert_eq!(builder.build().unwrap_err(), error);
        }
    }

    #[test]
    fn the_defaults_pass_their_own_check() {
        let built = Config::builder().build().unwrap();
        assert_eq!(format!("{built:?}"), format!("{:?}", Config::default()));
        assert_eq!(built.cookie_name(), "__Host-session");
        assert_eq!(built.times.slide_after, 360_000);
    }
}
