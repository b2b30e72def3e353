//! A real server of the version that the tests are about.

use tuckbox_resp::{Reply, cmd};
use tuckbox_test_redis::{Connection, RedisServer};

/// A running server, or `None`, after saying so, when none is installed or it is
/// no version 7.
pub(crate) fn start() -> Option<RedisServer> {
    RedisServer::start_version("7.", &["--enable-debug-command", "yes"])
}

/// Everything the server answers to `bytes` on a connection of their own.
pub(crate) fn answer_to(server: &RedisServer, bytes: &[u8]) -> Vec<u8> {
    let mut connection = server.connect();
    connection.send(bytes);
    connection.read_to_end()
}

pub(crate) fn speak_resp3(connection: &mut Connection) {
    let hello = connection.call(&cmd!("HELLO", 3));
    assert!(matches!(hello, Reply::Map(_)), "{hello:?}");
}
