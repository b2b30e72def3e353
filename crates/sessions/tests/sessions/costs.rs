//! What requests cost, counted at a real Redis.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use tuckbox::Db;
use tuckbox_sessions::{Clock, ConfigBuilder, MaxSessions};

use crate::{
    app::{Browser, app, plain},
    redis_server::{Meter, RedisServer},
};

struct Bench {
    meter: Meter,
    browser: Browser,
    clock: Clock,
    _server: RedisServer,
}

impl Bench {
    async fn start() -> Option<Self> {
        Self::with(plain()).await
    }

    /// A metered server that knows the scripts, with an application that is
    /// connected already.
    async fn with(config: ConfigBuilder) -> Option<Self> {
        let server = RedisServer::start()?;
        let db = Db::open(&server.url()).await.unwrap();
        let clock = Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let app = app(&db, config.clock(clock.clone()));
        let mut warm = Browser::logged_in(app.clone(), "warm").await;
        warm.visit("/user").await;
        warm.visit("/logout").await;
        let meter = Meter::on(&server);
        Some(Self { meter, browser: Browser::new(app), clock, _server: server })
    }

    /// How many commands the server gets for a request.
    async fn commands(&mut self, path: &str) -> usize {
        let (commands, visit) = self.meter.commands(self.browser.visit(path)).await;
        assert_eq!(visit.status, StatusCode::OK);
        let scripts = commands.iter().filter(|name| *name == "evalsha").count();
        assert_eq!(scripts, commands.len(), "{commands:?}");
        scripts
    }
}

#[tokio::test]
async fn a_request_without_a_cookie_costs_nothing_until_it_writes() {
    let Some(mut bench) = Bench::start().await else { return };
    for path in ["/ignore", "/untouched", "/user", "/get/n", "/remove/n", "/logout", "/take/n"] {
        assert_eq!(bench.commands(path).await, 0, "{path}");
    }
    assert_eq!(bench.commands("/set/n/1").await, 1);
}

#[tokio::test]
async fn a_session_that_is_not_touched_costs_nothing() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/login/ada").await;
    bench.clock.advance(Duration::from_secs(1800));
    assert_eq!(bench.commands("/ignore").await, 0);
    assert_eq!(bench.commands("/untouched").await, 0);
}

#[tokio::test]
async fn a_read_costs_one_command_with_the_slide_and_without() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/login/ada").await;
    for minutes in [0, 1, 7, 59, 0] {
        bench.clock.advance(Duration::from_secs(60 * minutes));
        assert_eq!(bench.commands("/user").await, 1);
    }
}

#[tokio::test]
async fn a_blind_write_costs_one_command() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/login/ada").await;
    for path in ["/set/n/1", "/remove/n", "/count/n", "/append/l/x", "/add/a/1", "/take/l"] {
        assert_eq!(bench.commands(path).await, 1, "{path}");
        bench.clock.advance(Duration::from_secs(1800));
    }
}

#[tokio::test]
async fn an_increment_in_a_new_session_is_part_of_its_creation() {
    let Some(mut bench) = Bench::start().await else { return };
    assert_eq!(bench.commands("/count/n").await, 1);
}

#[tokio::test]
async fn a_read_then_a_write_cost_two_commands() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/login/ada").await;
    bench.commands("/set/n/1").await;
    assert_eq!(bench.commands("/move/n/m").await, 2);
}

#[tokio::test]
async fn a_write_that_is_known_to_change_nothing_is_not_sent() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.commands("/login/ada").await;
    assert_eq!(bench.commands("/move/absent/m").await, 1);
}

#[tokio::test]
async fn a_cookie_that_cannot_be_ours_costs_nothing() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.browser.cookie = Some("session=nonsense".to_owned());
    assert_eq!(bench.commands("/user").await, 0);
}

#[tokio::test]
async fn a_login_costs_the_session_and_its_users_index_and_a_logout_one_command() {
    let Some(mut bench) = Bench::start().await else { return };
    assert_eq!(bench.commands("/login/ada").await, 2);
    assert_eq!(bench.commands("/login/ada").await, 2, "over a session");
    assert_eq!(bench.commands("/logout").await, 1);
}

#[tokio::test]
async fn a_stale_cookie_costs_a_write_or_a_login_one_round_trip_more() {
    let Some(mut bench) = Bench::start().await else { return };
    let stale = Some(format!("session={}", "a".repeat(52)));
    bench.browser.cookie = stale.clone();
    assert_eq!(bench.commands("/set/n/1").await, 2);
    bench.browser.cookie = stale;
    assert_eq!(bench.commands("/login/ada").await, 4);
}

#[tokio::test]
async fn a_renewal_by_schedule_costs_one_command_and_none_beside_a_write() {
    let minute = Duration::from_secs(60);
    let Some(mut bench) = Bench::with(plain().renew_every(Some(10 * minute))).await else { return };
    bench.commands("/login/ada").await;
    bench.clock.advance(10 * minute);
    assert_eq!(bench.commands("/user").await, 2);
    assert_eq!(bench.commands("/user").await, 1);
    bench.clock.advance(10 * minute);
    assert_eq!(bench.commands("/set/n/1").await, 1, "not read, so its age is not known");
    assert_eq!(bench.commands("/move/n/m").await, 2);
}

#[tokio::test]
async fn robots_cost_nothing() {
    let Some(mut bench) = Bench::start().await else { return };
    bench.browser.agent = Some("Googlebot/2.1");
    for path in ["/set/n/1", "/count/n", "/get/n"] {
        assert_eq!(bench.commands(path).await, 0, "{path}");
    }
    assert_eq!(bench.commands("/login/ada").await, 2);
}

#[tokio::test]
async fn a_login_below_the_limit_of_sessions_costs_no_more() {
    let config = plain().max_sessions(MaxSessions::EndOldest(2));
    let Some(mut bench) = Bench::with(config).await else { return };
    for _ in 0..2 {
        bench.browser.cookie = None;
        assert_eq!(bench.commands("/login/ada").await, 2);
    }
}
