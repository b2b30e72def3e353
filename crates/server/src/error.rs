//! What can go wrong with a server, and what to do about it.

use std::{io, net::SocketAddr, time::Duration};

use tuckbox_engine::OpenError;

/// A server could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {cause}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Anybody who reaches the address could read and change everything.
    #[error(
        "{0} can be reached from other machines and there is no password: give one with \
         --password-file or TUCKBOX_PASSWORD, listen on 127.0.0.1, or say --open"
    )]
    Unprotected(SocketAddr),
    /// The operating system refused what the server cannot do without.
    #[error("the operating system refused {what}: {cause}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        #[source]
        cause: io::Error,
    },
    /// The engine could not be closed in order.
    #[error("not everything is saved: {0}")]
    Close(#[source] OpenError),
    /// The engine was not closed in time. Nothing that was acknowledged is lost.
    #[error(
        "the database could not be closed within {} s: the disk is too slow; what was acknowledged \
         is in the log, and the next start reads it from there", .0.as_secs()
    )]
    SlowClose(Duration),
}

impl ServerError {
    /// An error of the operating system, when it was asked for `what`.
    pub(crate) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |cause| Self::System { what, cause }
    }
}
