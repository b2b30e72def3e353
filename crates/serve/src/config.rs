//! Settings, and how they are read from the environment.

mod value;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};

use crate::{
    correlation::Naming,
    log::{LogFilter, LogFormat},
    platform::{NotDurable, Platform},
};

/// How a server behaves. Every field has a default that suits a program run by hand, and some
/// have another on a platform that is known here; see [`Config::for_platform`].
///
/// [`Config::from_env`] reads the variable named at each field. A variable that is unset, empty
/// or blank leaves the default. Durations are a number with a unit (`250ms`, `30s`, `2m`), or a
/// bare number of seconds; sizes are a number with a unit (`64KiB`, `2MiB`), or a bare number of
/// bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `PORT`, default [`App::default_port`](crate::App::default_port). Port 0 lets the system
    /// choose; the chosen one is printed.
    pub port: Option<u16>,
    /// `BIND`, default 127.0.0.1, so that a program tried on a laptop is not offered to the
    /// network it happens to be in. Containers set 0.0.0.0: their traffic comes from outside. On
    /// Cloud Run and AWS Lambda 0.0.0.0 is the default.
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
    /// stop. Then their connections are cut. On Cloud Run, which kills after 10 s, the default is
    /// 8 s.
    pub shutdown_grace: Duration,
    /// `SHUTDOWN_DELAY`, default 0: how long new requests are still taken after the signal,
    /// while `/readyz` already fails, for load balancers that learn of it only by asking.
    pub shutdown_delay: Duration,
    /// `LOG_FORMAT` = `auto` (default) | `human` | `json` | `cloud-logging`, the default on Cloud
    /// Run. On AWS Lambda the default follows `AWS_LAMBDA_LOG_FORMAT` = `JSON` | `Text`.
    pub log_format: LogFormat,
    /// `LOG_LEVEL`, default (on AWS Lambda after `AWS_LAMBDA_LOG_LEVEL`) `info`: `error`, `warn`, `info`, `debug`, `trace` or `off`, and for
    /// parts of the program `part=level`, separated by commas. The access log is the part
    /// `access`: `info,access=off` keeps the rest.
    pub log_level: LogFilter,
    /// `WORKERS`, default 1: threads that run requests, used by [`run`](crate::run()).
    ///
    /// One thread costs the least CPU per request and suits programs that wait more than they
    /// compute. Take more when one core is not enough, or when handlers compute for long.
    pub workers: NonZeroUsize,
    /// `TRUSTED_PROXY_HOPS`, default 0, at most 16: how many proxies before this server are known
    /// to add to `x-forwarded-for` and to set `x-forwarded-proto`. With n the client's address
    /// ([`Peer`](crate::Peer)) is the n-th from the right of that list. 1 on Cloud Run, 2 there
    /// behind a load balancer; too many lets clients choose their address.
    pub trusted_proxy_hops: usize,
    /// `GOOGLE_CLOUD_PROJECT`: the project whose traces the log lines refer to, with
    /// `LOG_FORMAT=cloud-logging`.
    pub google_cloud_project: Option<String>,
    /// `INVOKE_MODE` = `buffered` (default) | `response_stream`: how an AWS Lambda function
    /// answers. Must be what `InvokeMode` of its function URL says; API Gateway and load balancers
    /// take `buffered` alone.
    pub invoke_mode: InvokeMode,
    /// `WARM_UP` = `off` (default) | `on`: whether an AWS Lambda function does before its first
    /// request what [`App::warm_up`](crate::App::warm_up) says. Where the first request waits for
    /// the start, it waits as long either way; with provisioned concurrency it does not.
    pub warm_up: bool,
    /// `DATA_VOLUME` = `ephemeral` | `persistent`: whether a directory of this process outlives
    /// it. Defaults to what the platform is known for; see [`Config::require_durable`].
    pub data_volume: DataVolume,
    /// Where the process runs: [`Platform::detect`].
    pub platform: Platform,
}

/// How an AWS Lambda function answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvokeMode {
    /// In one piece of at most 6 MB.
    #[default]
    Buffered,
    /// Piece by piece, as the handler makes it.
    ResponseStream,
}

/// Whether files outlive the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataVolume {
    /// They do.
    #[default]
    Persistent,
    /// They are lost with it, sooner or later.
    Ephemeral,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            port: None,
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
            trusted_proxy_hops: 0,
            google_cloud_project: None,
            invoke_mode: InvokeMode::Buffered,
            warm_up: false,
            data_volume: DataVolume::Persistent,
            platform: Platform::Local,
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

    /// The defaults of a platform.
    #[must_use]
    pub fn for_platform(platform: Platform) -> Self {
        let local = Self { platform, ..Self::default() };
        if !platform.is_ephemeral() {
            return local;
        }
        // What runs there is reached from everywhere: whoever looks at the address to learn
        // whether only this machine is served must not be told so.
        let bind = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let there = Self { bind, data_volume: DataVolume::Ephemeral, ..local };
        match platform {
            Platform::CloudRun => Self {
                shutdown_grace: Duration::from_secs(8),
                log_format: LogFormat::CloudLogging,
                ..there
            },
            Platform::Local | Platform::Lambda => there,
        }
    }

    /// Reads settings through `lookup`, which is asked for each variable's name.
    ///
    /// ```
    /// use tuckbox_serve::Config;
    ///
    /// let config = Config::from_lookup(|name| (name == "PORT").then(|| "8080".to_owned()))?;
    /// assert_eq!(config.port, Some(8080));
    /// # Ok::<(), tuckbox_serve::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] at the first variable whose value cannot be used.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::for_platform(Platform::from_lookup(&lookup));
        let settings = Settings { lookup: &lookup };
        if config.platform == Platform::Lambda {
            settings.read("AWS_LAMBDA_LOG_FORMAT", &mut config.log_format, value::lambda_format)?;
            settings.read("AWS_LAMBDA_LOG_LEVEL", &mut config.log_level, value::lambda_level)?;
        }
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
        settings.read("TRUSTED_PROXY_HOPS", &mut config.trusted_proxy_hops, value::hops)?;
        let project = &mut config.google_cloud_project;
        settings.read("GOOGLE_CLOUD_PROJECT", project, value::project)?;
        settings.read("INVOKE_MODE", &mut config.invoke_mode, value::invoke_mode)?;
        settings.read("WARM_UP", &mut config.warm_up, value::switch)?;
        settings.read("DATA_VOLUME", &mut config.data_volume, value::data_volume)?;
        Ok(config)
    }

    /// The address to listen on, with `default_port` unless there is another.
    #[must_use]
    pub fn address(&self, default_port: u16) -> SocketAddr {
        SocketAddr::new(self.bind, self.port.unwrap_or(default_port))
    }

    /// Whether none but this machine can reach the program: it is bound to loopback, and no
    /// platform brings it requests from elsewhere.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.bind.is_loopback() && self.platform == Platform::Local
    }

    /// Refuses the URL of a database that would live within this process (`file:`, `memory:`)
    /// where that does not last: on AWS Lambda and Cloud Run, or with `DATA_VOLUME=ephemeral`.
    /// Other URLs pass unread.
    ///
    /// # Errors
    /// [`NotDurable`], which says what to use instead.
    pub fn require_durable(&self, url: &str) -> Result<(), NotDurable> {
        match NotDurable::scheme_of(url) {
            Some(scheme) if self.data_volume == DataVolume::Ephemeral => {
                Err(NotDurable { scheme, platform: self.platform })
            }
            _ => Ok(()),
        }
    }

    /// How requests are called in the log.
    pub(crate) fn naming(&self) -> Naming {
        match self.log_format {
            LogFormat::CloudLogging => {
                Naming::CloudLogging { project: self.google_cloud_project.clone() }
            }
            LogFormat::Auto | LogFormat::Human | LogFormat::Json => Naming::Plain,
        }
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
        assert_eq!(config.address(5000).to_string(), "127.0.0.1:5000");
        assert!(config.is_private());
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
            ("TRUSTED_PROXY_HOPS", "2"),
            ("GOOGLE_CLOUD_PROJECT", "shop-1"),
            ("INVOKE_MODE", "RESPONSE_STREAM"),
            ("WARM_UP", "on"),
            ("DATA_VOLUME", "ephemeral"),
        ])
        .unwrap();
        let expected = Config {
            port: Some(8080),
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
            trusted_proxy_hops: 2,
            google_cloud_project: Some("shop-1".to_owned()),
            invoke_mode: InvokeMode::ResponseStream,
            warm_up: true,
            data_volume: DataVolume::Ephemeral,
            platform: Platform::Local,
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
            ("TRUSTED_PROXY_HOPS", "17"),
            ("GOOGLE_CLOUD_PROJECT", "a/b"),
            ("INVOKE_MODE", "streaming"),
            ("WARM_UP", "no"),
            ("DATA_VOLUME", "yes"),
        ] {
            let error = read(&[(name, value)]).unwrap_err();
            assert_eq!(error.name(), name);
            let text = error.to_string();
            assert!(text.starts_with(&format!("{name} is \"{value}\", but must be ")), "{text}");
        }
    }

    const K_SERVICE: (&str, &str) = ("K_SERVICE", "lessons");
    const LAMBDA: (&str, &str) = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");

    #[test]
    fn on_cloud_run_the_defaults_are_what_it_asks_for() {
        let config = read(&[K_SERVICE, ("PORT", "8080")]).unwrap();
        assert_eq!(config.address(5000).to_string(), "0.0.0.0:8080");
        assert_eq!(config.shutdown_grace, Duration::from_secs(8));
        assert_eq!(config.log_format, LogFormat::CloudLogging);
        let config = read(&[K_SERVICE, ("BIND", "127.0.0.1"), ("LOG_FORMAT", "json")]).unwrap();
        assert_eq!(config.address(5000).to_string(), "127.0.0.1:5000");
        assert_eq!(config.log_format, LogFormat::Json);
        assert!(!config.is_private(), "the platform brings requests from elsewhere");
    }

    #[test]
    fn on_lambda_the_log_follows_the_functions_settings_and_then_ours() {
        let format = ("AWS_LAMBDA_LOG_FORMAT", "Text");
        let level = ("AWS_LAMBDA_LOG_LEVEL", "FATAL");
        let config = read(&[LAMBDA, format, level]).unwrap();
        assert_eq!(config.log_format, LogFormat::Human);
        assert_eq!(config.log_level.to_string(), "error");
        let ours = [("LOG_FORMAT", "json"), ("LOG_LEVEL", "debug")];
        let config = read(&[LAMBDA, format, level, ours[0], ours[1]]).unwrap();
        assert_eq!(config.log_format, LogFormat::Json);
        assert_eq!(config.log_level.to_string(), "debug");
        assert!(read(&[LAMBDA, ("AWS_LAMBDA_LOG_LEVEL", "loud")]).is_err());
        assert_eq!(read(&[format, level]).unwrap(), Config::default());
        assert!(!config.is_private());
    }

    #[test]
    fn a_database_in_a_sandbox_needs_a_volume_that_lasts() {
        for platform in [K_SERVICE, LAMBDA] {
            let config = read(&[platform]).unwrap();
            assert_eq!(config.require_durable("redis://:hunter2@example.com"), Ok(()));
            for url in ["file:/tmp/hunter2", "memory:"] {
                let text = config.require_durable(url).unwrap_err().to_string();
                assert!(text.contains("DATA_VOLUME=persistent"), "{text}");
                assert!(text.contains(&config.platform.to_string()), "{text}");
                assert!(!text.contains("hunter2"), "{text}");
            }
            let config = read(&[platform, ("DATA_VOLUME", "persistent")]).unwrap();
            assert_eq!(config.require_durable("file:/mnt/data"), Ok(()));
        }
        assert_eq!(read(&[]).unwrap().require_durable("memory:"), Ok(()));
    }

    #[test]
    fn a_grace_of_zero_is_allowed() {
        assert_eq!(read(&[("SHUTDOWN_GRACE", "0")]).unwrap().shutdown_grace, Duration::ZERO);
    }
}
