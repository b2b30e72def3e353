//! The Redis that the exceptions are about.

use tuckbox_test_redis::RedisServer;

/// A running server, or `None`, after saying so, when none is installed or it is
/// of another version.
pub(crate) fn start() -> Option<RedisServer> {
    RedisServer::start_version("7.0.", &[])
}
