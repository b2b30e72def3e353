//! [`RedisAddress`]: where one server is and how to log in there. It can hold a
//! password, so no `Debug` here shows more than host, port and database number.

use std::{fmt, path::PathBuf};

/// Host and port; or the path of a Unix socket, and port 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Endpoint {
    /// The path, when it is a Unix socket. No host begins like one.
    pub(super) fn unix(&self) -> Option<&str> {
        Some(self.host.as_str()).filter(|host| host.starts_with('/'))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.unix() {
            f.write_str(path)
        } else if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A user and a password; without a user, the default one.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
}

/// Where a server is and how to log in there.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RedisAddress {
    pub(super) endpoint: Endpoint,
    pub(super) database: u32,
    pub(super) login: Login,
    pub(super) tls: bool,
    /// Ask for RESP3; off only when the URL says `protocol=resp2`.
    pub(super) resp3: bool,
    pub(super) ca_file: Option<PathBuf>,
}

/// Scheme, host, port and database: what may be shown to anybody.
impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unix = if self.endpoint.unix().is_some() { "+unix" } else { "" };
        write!(f, "redis{}{unix}://{}", if self.tls { "s" } else { "" }, self.endpoint)?;
        if self.endpoint.unix().is_some() && self.database != 0 {
            return write!(f, "?db={}", self.database);
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
