//! [`Config`]: how a server is to run.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

use sha2::{Digest, Sha256};

/// How a server is to run. `Config::default()` listens on a free port of
/// 127.0.0.1, without a password.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What clients log in with; `None` lets everybody in.
    pub password: Option<Password>,
    /// Whether other machines may come without a password.
    pub open: bool,
    /// How many clients may be connected at one time.
    pub max_clients: usize,
    /// Who may use `DEBUG`, of which there is what does no lasting harm.
    pub debug_from: DebugFrom,
}

/// Who may use `DEBUG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugFrom {
    /// Nobody.
    Nobody,
    /// Clients on this machine.
    Local,
    /// All clients.
    Everybody,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            password: None,
            open: false,
            max_clients: 10_000,
            debug_from: DebugFrom::Local,
        }
    }
}

/// The longest password, in bytes: who has not logged in cannot send more.
pub(crate) const PASSWORD_MAX: usize = 16 * 1024;

/// A password, of which only the digest is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Password([u8; 32]);

impl Password {
    /// The password `text`.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// Whether `text` is the password. How long this takes tells nothing of it:
    /// what is compared are digests.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        *self == Self::new(text)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}
