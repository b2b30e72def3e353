//! What each route costs at the store, counted there.

use tuckbox_test_redis::{Monitor, RedisServer};

use crate::{
    client::Browser,
    program::Program,
    proxy::{Proxy, Traffic},
};

/// A row of the table: what is visited, and what it may cost.
struct Row {
    what: &'static str,
    path: &'static str,
    commands: usize,
    round_trips: usize,
}

/// Measures visits.
struct Meter<'a> {
    proxy: &'a Proxy,
    watch: Monitor,
}

impl Meter<'_> {
    fn measure(&mut self, browser: &mut Browser, path: &str) -> (Vec<String>, Traffic) {
        self.proxy.take_traffic();
        let answer = browser.get(path);
        assert!([200, 500].contains(&answer.status), "{path}: {answer:?}");
        (self.watch.sent(), self.proxy.take_traffic())
    }

    fn check(&mut self, browser: &mut Browser, row: &Row) {
        let (at_server, traffic) = self.measure(browser, row.path);
        println!(
            "| {:<28} | {:<15} | {:>8} | {:>11} | {:>10} | {:>14} | {}",
            row.what,
            row.path,
            at_server.len(),
            traffic.round_trips,
            traffic.bytes_sent,
            traffic.bytes_received,
            at_server.join(" "),
        );
        assert_eq!(traffic.commands, at_server, "{}", row.what);
        assert_eq!(at_server.len(), row.commands, "{}: {at_server:?}", row.what);
        assert_eq!(traffic.round_trips, row.round_trips, "{}: {at_server:?}", row.what);
    }
}

const fn row(what: &'static str, path: &'static str, commands: usize, round_trips: usize) -> Row {
    Row { what, path, commands, round_trips }
}

const WITHOUT_COOKIE: [Row; 6] = [
    row("no cookie, session not used", "/noop", 0, 0),
    row("no cookie, read", "/read", 0, 0),
    row("no cookie, logout", "/logout", 0, 0),
    row("no cookie, first value", "/write", 1, 1),
    row("no cookie, value and failure", "/err", 1, 1),
    row("no cookie, login", "/login", 2, 1),
];

/// One after the other, in a session of a user who has one more.
const WITH_COOKIE: [Row; 11] = [
    row("cookie, session not used", "/noop", 0, 0),
    row("read", "/read", 1, 1),
    row("blind write", "/write", 1, 1),
    row("blind write, again", "/write", 1, 1),
    row("value and failure", "/err", 1, 1),
    row("slow read", "/slowread", 1, 1),
    row("read, then write", "/slowwrite", 2, 2),
    row("list of 2 sessions", "/sessions", 4, 3),
    row("login over a session", "/login", 2, 1),
    row("revoke 1 other session", "/revoke-others", 6, 5),
    row("logout", "/logout", 1, 1),
];

#[test]
fn each_route_costs_what_is_promised_at_the_server() {
    let Some(redis) = RedisServer::start() else { return };
    let proxy = Proxy::before(redis.port);
    let program = Program::start(&proxy.url());
    // The connection's own commands, and the scripts that a new server does not know yet.
    let mut warm = program.logged_in("warm");
    for path in ["/write", "/sessions", "/logout"] {
        warm.get(path);
    }
    let mut meter = Meter { proxy: &proxy, watch: redis.monitor() };
    println!("| visit | route | commands | round trips | bytes sent | bytes received | commands");
    for row in &WITHOUT_COOKIE {
        meter.check(&mut program.browser(), row);
    }
    assert_eq!(redis.ask(&["FLUSHALL"]), "+OK\r\n");
    drop(program.logged_in("ada"));
    let mut browser = program.logged_in("ada");
    meter.watch.sent();
    for row in &WITH_COOKIE {
        meter.check(&mut browser, row);
    }
}

#[test]
fn robots_and_probes_store_nothing() {
    let Some(redis) = RedisServer::start() else { return };
    let program = Program::start(&redis.url());
    for agent in ["Googlebot/2.1", "kube-probe/1.30", "ELB-HealthChecker/2.0"] {
        let mut robot = program.browser();
        let answer = robot.get_with("/write", &format!("user-agent: {agent}\r\n"));
        assert_eq!((answer.status, answer.set_cookie()), (200, None), "{agent}");
    }
    for path in ["/healthz", "/readyz", "/noop", "/read"] {
        assert_eq!(program.browser().get(path).status, 200, "{path}");
    }
    assert_eq!(redis.ask(&["DBSIZE"]), ":0\r\n");
}
