//! [`RedisUrl`]: what the URL of one server or of several says. It can hold
//! passwords, so no error and no `Debug` here repeats more than hosts, ports
//! and names.

use std::{fmt, path::PathBuf};

use super::address::{Endpoint, Login, RedisAddress};
use crate::{UrlError, url::percent_decode};

/// What stands behind a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One server.
    Server,
    /// One server on this machine, by the path of its socket.
    Unix,
    /// The nodes of a cluster.
    #[cfg(feature = "redis-cluster")]
    Cluster,
    /// Sentinels, which know where the server is.
    #[cfg(feature = "redis-cluster")]
    Sentinel,
}

impl Kind {
    fn suffix(self) -> &'static str {
        match self {
            Self::Server => "",
            Self::Unix => "+unix",
            #[cfg(feature = "redis-cluster")]
            Self::Cluster => "+cluster",
            #[cfg(feature = "redis-cluster")]
            Self::Sentinel => "+sentinel",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            #[cfg(feature = "redis-cluster")]
            Self::Sentinel => 26379,
            _ => 6379,
        }
    }
}

/// What a `redis://`, `redis+cluster://` or `redis+sentinel://` URL says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RedisUrl {
    kind: Kind,
    /// Whom to ask first; at least one.
    pub(super) endpoints: Vec<Endpoint>,
    /// The name by which sentinels know the server.
    pub(super) service: String,
    /// How to log in at the sentinels.
    pub(super) sentinel_login: Login,
    /// How to log in at a server; its endpoint is the first one named.
    pub(super) address: RedisAddress,
}

impl RedisUrl {
    /// Reads `redis://[[user]:password@]host[:port][,…][/[service/]db][?…]`.
    ///
    /// The credentials end at the last `@` of the authority, so that a password
    /// with an unescaped `@` works; `/`, `?`, `#` and `%` in it must be escaped.
    pub(super) fn parse(url: &str, kind: Kind) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::NoScheme)?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let endpoints = match kind {
            Kind::Unix => vec![parse_socket(hosts, path)?],
            _ => parse_hosts(hosts, kind)?,
        };
        let first = endpoints.first().ok_or(UrlError::Invalid("there is no host"))?;
        let (service, database) = parse_path(path, kind)?;
        let address = RedisAddress {
            endpoint: first.clone(),
            database,
            login: parse_credentials(credentials)?,
            tls: scheme.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("rediss")),
            resp3: true,
            ca_file: None,
        };
        let sentinel_login = Login::default();
        let mut url = Self { kind, endpoints, service, sentinel_login, address };
        url.apply_query(query)?;
        Ok(url)
    }

    /// The address of the only server.
    pub(super) fn into_address(self) -> RedisAddress {
        self.address
    }

    fn apply_query(&mut self, query: &str) -> Result<(), UrlError> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (name, value) {
                ("protocol", "2" | "resp2") => self.address.resp3 = false,
                ("protocol", "3" | "resp3") => self.address.resp3 = true,
                ("protocol", _) => {
                    return Err(UrlError::Invalid("protocol must be resp2 or resp3"));
                }
                ("db", number) if self.kind == Kind::Unix => {
                    self.address.database = parse_database(number)?;
                }
                ("cacert", path) if !path.is_empty() => {
                    self.address.ca_file = Some(PathBuf::from(percent_decode(path)?));
                }
                #[cfg(feature = "redis-cluster")]
                ("sentinel_username", name) if self.kind == Kind::Sentinel => {
                    self.sentinel_login.username = Some(percent_decode(name)?);
                }
                #[cfg(feature = "redis-cluster")]
                ("sentinel_password", password) if self.kind == Kind::Sentinel => {
                    self.sentinel_login.password = Some(percent_decode(password)?);
                }
                _ => {
                    return Err(UrlError::Invalid(
                        "unknown parameter; known are protocol and cacert, with redis+unix:// db, \
                        and with redis+sentinel:// sentinel_username and sentinel_password",
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Scheme, hosts, ports and names: what may be shown to anybody.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if matches!(self.kind, Kind::Server | Kind::Unix) {
            return self.address.fmt(f);
        }
        let encrypted = if self.address.tls { "s" } else { "" };
        write!(f, "redis{encrypted}{}://", self.kind.suffix())?;
        for (number, endpoint) in self.endpoints.iter().enumerate() {
            write!(f, "{}{endpoint}", if number > 0 { "," } else { "" })?;
        }
        if !self.service.is_empty() {
            write!(f, "/{}", self.service)?;
        }
        if self.address.database != 0 {
            write!(f, "/{}", self.address.database)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

fn parse_credentials(text: &str) -> Result<Login, UrlError> {
    let (username, password) = text.split_once(':').unwrap_or((text, ""));
    let filled = |part: &str| -> Result<Option<String>, UrlError> {
        Ok(Some(percent_decode(part)?).filter(|part| !part.is_empty()))
    };
    match (filled(username)?, filled(password)?) {
        (Some(_), None) => {
            Err(UrlError::Invalid("a user without a password; write :password@ or user:password@"))
        }
        (username, password) => Ok(Login { username, password }),
    }
}

fn parse_hosts(text: &str, kind: Kind) -> Result<Vec<Endpoint>, UrlError> {
    let hosts: Vec<&str> = text.split(',').collect();
    if kind == Kind::Server && hosts.len() > 1 {
        return Err(UrlError::Invalid(
            "several hosts stand only in redis+cluster:// and redis+sentinel:// URLs",
        ));
    }
    hosts.into_iter().map(|host| parse_host(host, kind.default_port())).collect()
}

fn parse_host(text: &str, default_port: u16) -> Result<Endpoint, UrlError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) =
            rest.split_once(']').ok_or(UrlError::Invalid("the IPv6 address has no closing ]"))?;
        (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
    } else {
        match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("")),
        }
    };
    let port = match port {
        Some("") => default_port,
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(UrlError::Invalid("the port is not a number from 1 to 65535")),
        },
        None => return Err(UrlError::Invalid("after the host only :port may follow")),
    };
    if host.is_empty() {
        return Err(UrlError::Invalid("there is no host"));
    }
    Ok(Endpoint { host: percent_decode(host)?, port })
}

fn parse_socket(host: &str, path: &str) -> Result<Endpoint, UrlError> {
    if !host.is_empty() || path.is_empty() || path.contains('\0') {
        return Err(UrlError::Invalid(
            "the path of the socket must be a whole one, as in redis+unix:///run/redis.sock",
        ));
    }
    Ok(Endpoint { host: format!("/{}", percent_decode(path)?), port: 0 })
}

/// The service's name and the database's number.
fn parse_path(path: &str, kind: Kind) -> Result<(String, u32), UrlError> {
    let path = path.trim_end_matches('/');
    #[cfg(feature = "redis-cluster")]
    if kind == Kind::Sentinel {
        let (service, database) = path.split_once('/').unwrap_or((path, ""));
        if service.is_empty() {
            return Err(UrlError::Invalid(
                "the path must name the service, as in redis+sentinel://host:26379/mymaster",
            ));
        }
        return Ok((percent_decode(service)?, parse_database(database)?));
    }
    if kind == Kind::Unix {
        return Ok((String::new(), 0));
    }
    Ok((String::new(), parse_database(path)?))
}

fn parse_database(text: &str) -> Result<u32, UrlError> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        UrlError::Invalid("the path must be a database number, as in redis://host:6379/0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> RedisAddress {
        RedisUrl::parse(url, Kind::Server).unwrap().into_address()
    }

    #[test]
    fn defaults_are_port_6379_and_database_0() {
        let address = parse("redis://localhost");
        assert_eq!(
            (address.endpoint.to_string().as_str(), address.database),
            ("localhost:6379", 0)
        );
        assert!(!address.tls && address.resp3);
        assert!(address.login == Login::default());
    }

    #[test]
    fn every_part_is_read() {
        let address =
            parse("rediss://us%65r:p%40ss%2F@host.example:7000/5?protocol=2&cacert=/a%20b");
        assert_eq!(address.login.username.as_deref(), Some("user"));
        assert_eq!(address.login.password.as_deref(), Some("p@ss/"));
        assert_eq!(address.endpoint.to_string(), "host.example:7000");
        assert_eq!(address.database, 5);
        assert!(address.tls && !address.resp3);
        assert_eq!(address.ca_file, Some(PathBuf::from("/a b")));
    }

    #[test]
    fn a_password_alone_and_one_with_an_at_sign_work() {
        for (url, password) in [
            ("redis://:secret@h", "secret"),
            ("redis://:se@cret@h", "se@cret"),
            ("redis://default:a:b@h", "a:b"),
        ] {
            assert_eq!(parse(url).login.password.as_deref(), Some(password));
        }
    }

    #[test]
    fn ipv6_hosts_stand_in_brackets() {
        let address = parse("redis://[::1]:7000/");
        assert_eq!((address.endpoint.host.as_str(), address.endpoint.port), ("::1", 7000));
        assert_eq!(address.to_string(), "redis://[::1]:7000");
    }

    #[cfg(feature = "redis-cluster")]
    #[test]
    fn clusters_have_several_hosts_and_one_login() {
        let text = "rediss+cluster://ada:hunter2@a:7000,[::1],c:7002/3";
        let url = RedisUrl::parse(text, Kind::Cluster).unwrap();
        assert_eq!(url.to_string(), "rediss+cluster://a:7000,[::1]:6379,c:7002/3");
        assert_eq!(url.address.login.password.as_deref(), Some("hunter2"));
        assert!(url.address.tls);
        assert_eq!(format!("{url:?}"), format!("RedisUrl({url})"));
    }

    #[cfg(feature = "redis-cluster")]
    #[test]
    fn sentinels_have_a_service_and_a_login_of_their_own() {
        let text = "redis+sentinel://:hunter2@a,b:1/my%20master/2?sentinel_password=hunter%33";
        let url = RedisUrl::parse(text, Kind::Sentinel).unwrap();
        assert_eq!(url.to_string(), "redis+sentinel://a:26379,b:1/my master/2");
        assert_eq!(url.address.login.password.as_deref(), Some("hunter2"));
        assert_eq!(url.sentinel_login.password.as_deref(), Some("hunter3"));
        for bad in ["redis+sentinel://a", "redis+sentinel://a/", "redis+sentinel://a/m/x"] {
            assert!(RedisUrl::parse(bad, Kind::Sentinel).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_socket_has_a_path_a_login_and_a_database() {
        let text = "redis+unix://:hunter2@/run/my%20redis.sock?db=3";
        let url = RedisUrl::parse(text, Kind::Unix).unwrap();
        assert_eq!(url.address.endpoint.unix(), Some("/run/my redis.sock"));
        assert_eq!(
            (url.address.database, url.address.login.password.as_deref()),
            (3, Some("hunter2"))
        );
        assert_eq!(url.to_string(), "redis+unix:///run/my redis.sock?db=3");
        for bad in ["redis+unix://", "redis+unix://host/path", "unix:///s?db=x"] {
            assert!(RedisUrl::parse(bad, Kind::Unix).is_err(), "{bad}");
        }
    }

    #[test]
    fn bad_urls_are_refused_without_showing_their_secrets() {
        for url in [
            "localhost:6379",
            "redis://:hunter2@",
            "redis://:hunter2@h:0",
            "redis://:hunter2@h:seven",
            "redis://:hunter2@h/hunter2",
            "redis://:hunter2@[::1",
            "redis://:hunter2@[::1]x",
            "redis://:hunter2%zz@h",
            "redis://hunter2@h",
            "redis://:hunter2@h?hunter2=1",
            "redis://:hunter2@h?protocol=hunter2",
            "redis://:hunter2@h,h2",
            "redis://:hunter2@h?sentinel_password=hunter2",
        ] {
            let error = RedisUrl::parse(url, Kind::Server).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn shown_addresses_hold_no_credentials() {
        let address = parse("redis://ada:hunter2@host/3");
        assert_eq!(address.to_string(), "redis://host:6379/3");
        assert_eq!(format!("{address:?}"), "RedisAddress(redis://host:6379/3)");
    }
}
