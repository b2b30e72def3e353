use std::{io, net::SocketAddr};

use crate::{app::BoxError, config::ConfigError};

/// Why a server could not run. Every message names what to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// A setting has a value that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another program listens on the address.
    #[error(
        "port {} is already in use on {}: stop the program that holds it{}, or choose another \
         port with PORT, for example PORT={}",
        address.port(), address.ip(), usual_holder(*address), neighbour(*address)
    )]
    PortTaken {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The system does not let this user listen there.
    #[error(
        "no permission to listen on {address}: ports below 1024 need privileges; choose a port \
         above that with PORT, for example PORT=5000"
    )]
    Forbidden {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// The address is not one of this machine's.
    #[error(
        "{} is not an address of this machine: set BIND to 127.0.0.1 (this machine only) or to \
         0.0.0.0 (every network, as containers need)",
        address.ip()
    )]
    NotOurAddress {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// Listening failed for another reason.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// What the app gave to [`App::on_close`](crate::App::on_close) failed.
    #[error("closing failed: {0}")]
    Close(#[source] BoxError),
    /// The program is a Lambda function, and was not started by AWS Lambda.
    #[cfg(feature = "lambda")]
    #[error(
        "{variable} is not set: this program is an AWS Lambda function, which Lambda's runtime or \
         an emulator of it starts; to listen on a port, run the program's other binary"
    )]
    NotOnLambda {
        /// The variable that Lambda would have set.
        variable: &'static str,
    },
    /// AWS Lambda's runtime interface failed, or answered what it must not.
    #[cfg(feature = "lambda")]
    #[error("the Lambda runtime interface failed: {0}")]
    Lambda(#[source] BoxError),
    /// The system refused a signal handler, a thread or an event queue.
    #[error("the system refused {what}: {source}")]
    System {
        /// What was asked of the system.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl ServeError {
    /// Sorts a failed bind by what its user can do about it.
    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortTaken { address },
            io::ErrorKind::PermissionDenied => Self::Forbidden { address },
            io::ErrorKind::AddrNotAvailable => Self::NotOurAddress { address },
            _ => Self::Listen { address, source },
        }
    }
}

/// A program that is known for holding a port that nobody remembers having given to it.
fn usual_holder(address: SocketAddr) -> &'static str {
    if address.port() == 5000 { " (on macOS, AirPlay Receiver holds 5000)" } else { "" }
}

/// A port to suggest instead: the next one, or the default after the last.
fn neighbour(address: SocketAddr) -> u16 {
    address.port().checked_add(1).unwrap_or(5000)
}
