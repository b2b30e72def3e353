//! Settings, and how they are read from the environment.

mod value;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};

use crate::log::{LogFilter, LogFormat};

/// How a server behaves. Every field has a default that suits a program run by hand.
///
/// [`Config::from_env`] reads the variable named at each field. A variable that is unset, empty
/// or blank leaves the default. Durations are a number with a unit (`250ms`, `30s`, `2m`), or a
/// bare number of seconds; sizes are a number with a unit (`64KiB`, `2MiB`), or a bare number of
/// bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `PORT`, default 5000. Port 0 lets the system choose; the chosen one is printed.
    pub port: u16,
    /// `BIND`, default 127.0.0.1, so that a program tried on a laptop is not offered to the
    /// network it happens to be in. Containers set 0.0.0.0: their traffic comes from outside.
    ///
    /// Not called `HOST`, because some shells set that one to the machine's name.
    pub bind: IpAddr,
    /// `REQUEST_TIMEOUT`, default 30 s: from the request's head to the response's head. Then the
    /// handler is dropped and the client gets 408 if its own body was still awaited, else 504.
    /// Streaming of a response body is not bounded by it, but by `write_timeout`.
    pub request_timeout: Duration,
    /// `HEADER_READ_TIMEOUT`, default 10 s: from the first byte of a request's head to its last.
    /// A client that drips its headers is disconnected.
    pub header_read_timeout: Duration,
    /// `KEEP_ALIVE_TIMEOUT`, default 75 s: how long a connection may be idle between requests
    /// (and before its first). Longer than the 60 s of common proxies, so that the proxy is the
    /// one that closes and no request meets a closing connection.
    pub keep_alive_timeout: Duration,
    /// `WRITE_TIMEOUT`, default 30 s: how long a client may take no byte of a response.
    pub write_timeout: Duration,
    /// `HEADER_LIMIT`, default 32 KiB, at least 8 KiB: request line and headers together; more
    /// gives 431. More than 100 headers give 431 too.
    pub header_limit: usize,
    /// `BODY_LIMIT`, default 1 MiB: bytes of a request body; more gives 413. A route that lays
    /// its own axum `DefaultBodyLimit` may be stricter, not laxer.
    pub body_limit: usize,
    /// `MAX_CONNECTIONS`, default 1024: at this bound no more connections are accepted; they
    /// wait in the system's queue. Each needs a file descriptor, see `ulimit -n`.
    pub max_connections: NonZeroUsize,
    /// `SHUTDOWN_GRACE`, default 10 s: how long requests in flight may take after the signal to
    /// stop. Then their connections are cut. Where the platform kills after 10 s itself, set 8.
    pub shutdown_grace: Duration,
    /// `SHUTDOWN_DELAY`, default 0: how long new requests are still taken after the signal,
    /// while `/readyz` already fails, for load balancers that learn of it only by asking.
    pub shutdown_delay: Duration,
    /// `LOG_FORMAT` = `auto` (default) | `human` | `json`.
    pub log_format: LogFormat,
    /// `LOG_LEVEL`, default `info`: `error`, `warn`, `info`, `debug`, `trace` or `off`, and for
    /// parts of the program `part=level`, separated by commas. The access log is the part
    /// `access`: `info,access=off` keeps the rest.
    pub log_level: LogFilter,
    /// `WORKERS`, default 1: threads that run requests, used by [`run`](crate::run()).
    ///
    /// One thread costs the least CPU per request and suits programs that wait more than they
    /// compute. Take more when one core is not enough, or when handlers compute for long.
    pub workers: NonZeroUsize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: 5000,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            request_timeout: Duration::from_secs(30),
            header_read_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            header_limit: 32 << 10,
            body_limit: 1 << 20,
            max_connections: NonZeroUsize::MIN.saturating_add(1023),
            shutdown_grace: Duration::from_secs(10),
            shutdown_delay: Duration::ZERO,
            log_format: LogFormat::Auto,
            log_level: LogFilter::default(),
            workers: NonZeroUsize::MIN,
        }
    }
}

/// The smallest head the HTTP parser can be limited to.
const HEADER_LIMIT_MIN: usize = 8 << 10;

/// The longest duration a setting may have: a day. Longer is a slip of the unit.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// [`ConfigError`] at the first variable whose value cannot be used.
    pub fn from_env() -> Result<Self, ConfigError> {
        // A value that is not Unicode becomes one with replacement characters, which no setting
        // accepts: so it is reported, not taken for unset.
        Self::from_lookup(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// Reads settings through `lookup`, which is asked for each variable's name.
    ///
    /// ```
    /// use tuckbox_serve::Config;
    ///
    /// let config = Config::from_lookup(|name| (name == "PORT").then(|| "8080".to_owned()))?;
    /// assert_eq!(config.port, 8080);
    /// # Ok::<(), tuckbox_serve::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] at the first variable whose value cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let settings = Settings { lookup: &lookup };
        settings.read("PORT", &mut config.port, value::port)?;
        settings.read("BIND", &mut config.bind, value::address)?;
        settings.read("REQUEST_TIMEOUT", &mut config.request_timeout, value::timeout)?;
        settings.read("HEADER_READ_TIMEOUT", &mut config.header_read_timeout, value::timeout)?;
        settings.read("KEEP_ALIVE_TIMEOUT", &mut config.keep_alive_timeout, value::timeout)?;
        settings.read("WRITE_TIMEOUT", &mut config.write_timeout, value::timeout)?;
        settings.read("HEADER_LIMIT", &mut config.header_limit, value::header_limit)?;
        settings.read("BODY_LIMIT", &mut config.body_limit, value::size)?;
        settings.read("MAX_CONNECTIONS", &mut config.max_connections, value::count)?;
        settings.read("SHUTDOWN_GRACE", &mut config.shutdown_grace, value::duration)?;
        settings.read("SHUTDOWN_DELAY", &mut config.shutdown_delay, value::duration)?;
        settings.read("LOG_FORMAT", &mut config.log_format, value::log_format)?;
        settings.read("LOG_LEVEL", &mut config.log_level, value::log_level)?;
        settings.read("WORKERS", &mut config.workers, value::workers)?;
        Ok(config)
    }

    /// The address to listen on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }
}

/// A variable whose value cannot be used.
///
/// The value is shown, because no setting of this crate is a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value:?}, but must be {expected}")]
pub struct ConfigError {
    name: &'static str,
    value: String,
    expected: &'static str,
}

impl ConfigError {
    /// The variable's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

struct Settings<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

impl Settings<'_> {
    /// Replaces `field` by the variable's value, if it has one.
    fn read<T>(
        &self,
        name: &'static str,
        field: &mut T,
        parse: fn(&str) -> Result<T, &'static str>,
    ) -> Result<(), ConfigError> {
        let Some(value) = (self.lookup)(name) else { return Ok(()) };
        let trimmed = value.trim();
        if trimmed.is_empty() {
            return Ok(());
        }
        *field = parse(trimmed).map_err(|expected| ConfigError {
            name,
            // Long enough to recognise, short enough for a line.
            value: trimmed.chars().take(80).collect(),
            expected,
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        let config = read(&[]).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.address().to_string(), "127.0.0.1:5000");
    }

    #[test]
    fn a_blank_variable_counts_as_unset() {
        assert_eq!(read(&[("PORT", ""), ("BIND", "  ")]).unwrap(), Config::default());
    }

    #[test]
    fn every_variable_sets_its_field() {
        let config = read(&[
            ("PORT", "8080"),
            ("BIND", "0.0.0.0"),
            ("REQUEST_TIMEOUT", "250ms"),
            ("HEADER_READ_TIMEOUT", "5"),
            ("KEEP_ALIVE_TIMEOUT", "2m"),
            ("WRITE_TIMEOUT", "7s"),
            ("HEADER_LIMIT", "16KiB"),
            ("BODY_LIMIT", "2MiB"),
            ("MAX_CONNECTIONS", "12"),
            ("SHUTDOWN_GRACE", "8s"),
            ("SHUTDOWN_DELAY", "1s"),
            ("LOG_FORMAT", "json"),
            ("LOG_LEVEL", "debug,access=off"),
            ("WORKERS", "3"),
        ])
        .unwrap();
        let expected = Config {
            port: 8080,
            bind: IpAddr::from([0, 0, 0, 0]),
            request_timeout: Duration::from_millis(250),
            header_read_timeout: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(7),
            header_limit: 16 << 10,
            body_limit: 2 << 20,
            max_connections: NonZeroUsize::new(12).unwrap(),
            shutdown_grace: Duration::from_secs(8),
            shutdown_delay: Duration::from_secs(1),
            log_format: LogFormat::Json,
            log_level: "debug,access=off".parse().unwrap(),
            workers: NonZeroUsize::new(3).unwrap(),
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn a_bad_value_is_an_error_that_names_the_variable_and_what_it_takes() {
        for (name, value) in [
            ("PORT", "http"),
            ("PORT", "70000"),
            ("BIND", "example.com"),
            ("REQUEST_TIMEOUT", "-1"),
            ("REQUEST_TIMEOUT", "0"),
            ("REQUEST_TIMEOUT", "9999999999999999h"),
            ("HEADER_READ_TIMEOUT", "5 parsecs"),
            ("KEEP_ALIVE_TIMEOUT", "3d"),
            ("WRITE_TIMEOUT", "1e3"),
            ("HEADER_LIMIT", "1KiB"),
            ("BODY_LIMIT", "99999999999GiB"),
            ("MAX_CONNECTIONS", "0"),
            ("SHUTDOWN_GRACE", "soon"),
            ("SHUTDOWN_DELAY", "1w"),
            ("LOG_FORMAT", "xml"),
            ("LOG_LEVEL", "loud"),
            ("WORKERS", "0"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.name(), name);
            let text = error.to_string();
            assert!(text.starts_with(&format!("{name} is \"{value}\", but must be ")), "{text}");
        }
    }

    #[test]
    fn a_grace_of_zero_is_allowed() {
        assert_eq!(read(&[("SHUTDOWN_GRACE", "0")]).unwrap().shutdown_grace, Duration::ZERO);
    }
}
