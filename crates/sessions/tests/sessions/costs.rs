//! What requests cost, counted at a real Redis.

use tuckbox::Db;

use crate::{
    app::{Browser, app, plain},
    redis_server::{Meter, RedisServer},
};
use axum::Router;
use http::StatusCode;
use std::time::{Duration, SystemTime};
use tuckbox_sessions::Clock;

struct Bench {
    meter: Meter,
    browser: Browser,
    clock: Clock,
    _server: RedisServer,
}

impl Bench {
    /// A metered server with an application that is connected already.
    async fn start() -> Option<Self> {
        let server = RedisServer::start()?;
        let db = Db::open(&server.url()).await.unwrap();
        db.call(tuckbox::cmd!("PING")).await.unwrap();
        let clock = Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let app: Router = app(&db, plain().clock(clock.clone()));
        let meter = Meter::on(&server).await;
        Some(Self { meter, browser: Browser::new(app), clock, _server: server })
    }

    async fn commands(&mut self, path: &str) -> String {
        let (commands, visit) = self.meter.commands(self.browser.visit(path)).await;
        assert_eq!(visit.status, StatusCode::OK);
        commands.join(" ")
    }
}

#[tokio::test]
async fn a_request_without_a_cookie_costs_nothing_until_it_writes() {
    let Some(mut bench) = Bench::start().await else { return };
    for path in ["/ignore", "/untouched", "/user", "/get/n", "/remove/n", "/logout"] {
        assert_eq!(bench.commands(path).await, "", "{path}");
    }
    assert_eq!(bench.commands("/set/n/1").await, "hset pexpire");
}

#[tokio::test]
async fn a_session_that_is_not_touched_costs_nothing() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/login/ada").await;
    bench.clock.advance(Duration::from_secs(1800));
    assert_eq!(bench.commands("/ignore").await, "");
    assert_eq!(bench.commands("/untouched").await, "");
}

#[tokio::test]
async fn a_read_costs_one_command_and_the_slide_two_more_when_it_is_due() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/login/ada").await;
    assert_eq!(bench.commands("/user").await, "hgetall");
    bench.clock.advance(Duration::from_secs(359));
    assert_eq!(bench.commands("/get/n").await, "hgetall");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.commands("/get/n").await, "hgetall hset pexpire");
    assert_eq!(bench.commands("/get/n").await, "hgetall");
}

#[tokio::test]
async fn a_cookie_that_cannot_be_ours_costs_nothing() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.browser.cookie = Some("session=nonsense".to_owned());
    assert_eq!(bench.commands("/user").await, "");
}

#[tokio::test]
async fn a_login_costs_two_commands_and_a_logout_one() {
    let Some(mut bench) = Bench::start().await else { return };
    assert_eq!(bench.commands("/login/ada").await, "hset pexpire");
    assert_eq!(bench.commands("/logout").await, "del");
}

#[tokio::test]
async fn a_login_over_a_session_reads_and_deletes_it() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/set/cart/1").await;
    assert_eq!(bench.commands("/login/ada").await, "del hgetall hset pexpire");
    bench.browser.cookie = Some(format!("session={}", "a".repeat(43)));
    assert_eq!(bench.commands("/login/ada").await, "hgetall hset pexpire");
}

#[tokio::test]
async fn a_write_costs_two_commands_beside_the_read_and_the_slide_one_more() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/login/ada").await;
    assert_eq!(bench.commands("/set/n/1").await, "hexists hgetall hset");
    let moved = bench.commands("/move/n/m").await;
    assert_eq!(moved, "exec hdel hexists hgetall hset multi");
    assert_eq!(bench.commands("/remove/m").await, "hdel hexists hgetall");
    bench.clock.advance(Duration::from_secs(400));
    assert_eq!(bench.commands("/set/n/2").await, "hexists hgetall hset pexpire");
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_not_sent() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/set/n/1").await;
    assert_eq!(bench.commands("/set/n/1").await, "hgetall");
    assert_eq!(bench.commands("/remove/absent").await, "hgetall");
}
