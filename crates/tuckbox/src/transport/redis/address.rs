//! [`RedisAddress`]: what a `redis://` URL says. It can hold a password, so no
//! error and no `Debug` here repeats more than host, port and database number.

use std::{fmt, path::PathBuf};

use crate::{UrlError, url::percent_decode};

/// Where a Redis server is and how to log in there.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RedisAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: u32,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) tls: bool,
    /// Ask for RESP3; off only when the URL says `protocol=resp2`.
    pub(crate) resp3: bool,
    pub(crate) ca_file: Option<PathBuf>,
}

impl RedisAddress {
    /// Reads `redis://[[user]:password@]host[:port][/db][?protocol=…&cacert=…]`.
    ///
    /// The credentials end at the last `@` of the authority, so that a password
    /// with an unescaped `@` works; `/`, `?`, `#` and `%` in it must be escaped.
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::NoScheme)?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, host) = match authority.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, authority),
        };
        let (username, password) = parse_credentials(credentials.unwrap_or_default())?;
        let (host, port) = parse_host(host)?;
        let mut address = Self {
            host,
            port,
            database: parse_database(path)?,
            username,
            password,
            tls: scheme.eq_ignore_ascii_case("rediss"),
            resp3: true,
            ca_file: None,
        };
        address.apply_query(query)?;
        Ok(address)
    }

    fn apply_query(&mut self, query: &str) -> Result<(), UrlError> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (name, value) {
                ("protocol", "2" | "resp2") => self.resp3 = false,
                ("protocol", "3" | "resp3") => self.resp3 = true,
                ("protocol", _) => {
                    return Err(UrlError::Invalid("protocol must be resp2 or resp3"));
                }
                ("cacert", path) if !path.is_empty() => {
                    self.ca_file = Some(PathBuf::from(percent_decode(path)?));
                }
                _ => {
                    return Err(UrlError::Invalid(
                        "unknown parameter; known are protocol and cacert",
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Scheme, host, port and database: what may be shown to anybody.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "rediss://" } else { "redis://" })?;
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)?;
        } else {
            write!(f, "{}:{}", self.host, self.port)?;
        }
        if self.database != 0 {
            write!(f, "/{}", self.database)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({self})")
    }
}

type Credentials = (Option<String>, Option<String>);

fn parse_credentials(text: &str) -> Result<Credentials, UrlError> {
    let (username, password) = text.split_once(':').unwrap_or((text, ""));
    let filled = |part: &str| -> Result<Option<String>, UrlError> {
        Ok(Some(percent_decode(part)?).filter(|part| !part.is_empty()))
    };
    match (filled(username)?, filled(password)?) {
        (Some(_), None) => {
            Err(UrlError::Invalid("a user without a password; write :password@ or user:password@"))
        }
        credentials => Ok(credentials),
    }
}

fn parse_host(text: &str) -> Result<(String, u16), UrlError> {
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
        Some("") => 6379,
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(UrlError::Invalid("the port is not a number from 1 to 65535")),
        },
        None => return Err(UrlError::Invalid("after the host only :port may follow")),
    };
    if host.is_empty() {
        return Err(UrlError::Invalid("there is no host"));
    }
    Ok((percent_decode(host)?, port))
}

fn parse_database(path: &str) -> Result<u32, UrlError> {
    match path.trim_end_matches('/') {
        "" => Ok(0),
        path => path.parse().map_err(|_| {
            UrlError::Invalid("the path must be a database number, as in redis://host:6379/0")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> RedisAddress {
        RedisAddress::parse(url).unwrap()
    }

    #[test]
    fn defaults_are_port_6379_and_database_0() {
        let address = parse("redis://localhost");
        assert_eq!((address.host.as_str(), address.port, address.database), ("localhost", 6379, 0));
        assert!(!address.tls && address.resp3);
        assert_eq!((address.username, address.password), (None, None));
    }

    #[test]
    fn every_part_is_read() {
        let address =
            parse("rediss://us%65r:p%40ss%2F@host.example:7000/5?protocol=2&cacert=/a%20b");
        assert_eq!(address.username.as_deref(), Some("user"));
        assert_eq!(address.password.as_deref(), Some("p@ss/"));
        assert_eq!((address.host.as_str(), address.port), ("host.example", 7000));
        assert_eq!(address.database, 5);
        assert!(address.tls && !address.resp3);
        assert_eq!(address.ca_file, Some(PathBuf::from("/a b")));
    }

    #[test]
    fn a_password_alone_and_one_with_an_at_sign_work() {
        assert_eq!(parse("redis://:secret@h").password.as_deref(), Some("secret"));
        assert_eq!(parse("redis://:se@cret@h").password.as_deref(), Some("se@cret"));
        assert_eq!(parse("redis://default:a:b@h").password.as_deref(), Some("a:b"));
    }

    #[test]
    fn ipv6_hosts_stand_in_brackets() {
        let address = parse("redis://[::1]:7000/");
        assert_eq!((address.host.as_str(), address.port), ("::1", 7000));
        assert_eq!(address.to_string(), "redis://[::1]:7000");
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
        ] {
            let error = RedisAddress::parse(url).unwrap_err();
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
