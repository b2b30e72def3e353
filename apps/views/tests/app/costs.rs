//! What requests cost at the store, counted there.

use tuckbox_test_redis::RedisServer;

use crate::program::Program;

#[test]
fn a_view_is_one_store_command() {
    let Some(redis) = RedisServer::start() else { return };
    let program = Program::start(&redis.url());
    let mut browser = program.browser();
    // The connection's own commands, and the script that a new server does not know yet.
    browser.assert_view("/foo", 1);
    browser.assert_view("/bar", 1);

    let mut watch = redis.monitor();
    browser.assert_view("/foo", 2);
    assert_eq!(watch.sent().len(), 1, "with a cookie");
    program.browser().assert_view("/foo", 1);
    assert_eq!(watch.sent().len(), 1, "without one");
}

#[test]
fn what_is_no_page_stores_nothing() {
    let Some(redis) = RedisServer::start() else { return };
    let program = Program::start(&redis.url());
    let mut browser = program.browser();
    browser.get("/readyz");

    let mut watch = redis.monitor();
    for path in ["/", "/healthz", "/nothing/here", "/foo/"] {
        browser.get(path);
        assert_eq!(watch.sent(), [""; 0], "{path}");
    }
    browser.get("/readyz");
    assert_eq!(watch.sent(), ["ping"]);
    assert_eq!(redis.ask(&["DBSIZE"]), ":0\r\n");
}
