//! A store that hangs, is away, or answers with errors.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tuckbox_test_redis::RedisServer;

use crate::{
    client::{Browser, SOON},
    program::Program,
    proxy::{Mode, Proxy},
};

/// Much longer than the layer waits for its store, much shorter than for ever.
const BOUND: Duration = Duration::from_secs(5);

/// What uses the session of a browser that has one.
const ROUTES: [&str; 8] =
    ["/read", "/write", "/slowwrite", "/slowread", "/err", "/login", "/sessions", "/logout"];

/// The program, with a proxy between it and its store.
struct Stage {
    program: Program,
    proxy: Proxy,
    redis: RedisServer,
}

impl Stage {
    fn set() -> Option<Self> {
        let redis = RedisServer::start()?;
        let proxy = Proxy::before(redis.port);
        Some(Self { program: Program::start(&proxy.url()), proxy, redis })
    }

    /// A browser whose session has `n` 1, and a user.
    fn visitor(&self) -> Browser {
        let mut browser = self.program.logged_in("ada");
        assert_eq!(browser.text("/write"), "1");
        browser
    }

    /// Asserts that nothing which needs the store is served, that everything
    /// else is, and that no browser loses its cookie.
    fn assert_trouble(&self, browser: &Browser, routes: &[&str]) {
        for route in routes {
            let begin = Instant::now();
            let mut tab = browser.clone();
            tab.get(route).assert_unavailable();
            assert_eq!(tab.cookie, browser.cookie, "{route}");
            assert!(begin.elapsed() < BOUND, "{route} took {:?}", begin.elapsed());
        }
        assert_eq!(browser.clone().text("/noop"), "ok");
        let mut stranger = self.program.browser();
        assert_eq!(stranger.values(), json!({}));
        stranger.get("/write").assert_unavailable();
        stranger.get("/login").assert_unavailable();
    }
}

/// Waits until the store is asked again and has the session.
fn recovered(browser: &mut Browser) -> serde_json::Value {
    let begin = Instant::now();
    loop {
        let answer = browser.get("/read");
        if answer.status == 200 {
            return serde_json::from_str(&answer.body).unwrap();
        }
        answer.assert_unavailable();
        assert!(begin.elapsed() < SOON, "the store is back, but nobody asks it");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_store_that_hangs_is_503_in_time_and_costs_no_session() {
    let Some(stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    stage.proxy.set(Mode::Hang);
    // Not the logout: it is carried out when the store goes on.
    let routes = ["/read", "/slowwrite", "/slowread", "/sessions", "/revoke-others"];
    stage.assert_trouble(&browser, &routes);
    stage.proxy.set(Mode::Pass);
    assert_eq!(recovered(&mut browser), json!({"n": 1, "user": "ada"}));
    assert_eq!(browser.text("/write"), "2");
}

#[test]
fn a_write_that_hung_is_counted_once_or_not_at_all() {
    let Some(stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    stage.proxy.set(Mode::Hang);
    for route in ["/write", "/err"] {
        browser.get(route).assert_unavailable();
    }
    stage.proxy.set(Mode::Pass);
    let values = recovered(&mut browser);
    assert_eq!(values["user"], "ada");
    assert!(values["n"] == 1 || values["n"] == 2, "{values}");
    let next: u64 = browser.text("/write").parse().unwrap();
    assert!(next == 2 || next == 3, "{next}");
}

#[test]
fn a_logout_that_hung_is_not_shown_as_one() {
    let Some(stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    let cookie = browser.cookie.clone();
    stage.proxy.set(Mode::Hang);
    browser.get("/logout").assert_unavailable();
    assert_eq!(browser.cookie, cookie);
    stage.proxy.set(Mode::Pass);
    recovered(&mut browser);
    assert_eq!(browser.text("/logout"), "ok");
    browser.cookie = cookie;
    assert_eq!(browser.values(), json!({}));
}

#[test]
fn a_store_that_is_away_is_503_and_its_sessions_are_back_with_it() {
    let Some(stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    stage.proxy.set(Mode::Refuse);
    stage.assert_trouble(&browser, &ROUTES);
    stage.proxy.set(Mode::Pass);
    assert_eq!(recovered(&mut browser), json!({"n": 1, "user": "ada"}));
    assert_eq!(browser.text("/write"), "2");
}

#[test]
fn a_store_that_restarts_is_503_meanwhile_and_its_sessions_are_back_with_it() {
    let Some(mut stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    stage.redis.save_and_kill();
    stage.assert_trouble(&browser, &ROUTES);
    stage.redis.start_again();
    assert_eq!(recovered(&mut browser), json!({"n": 1, "user": "ada"}));
    // The server that has started again knows no script.
    assert_eq!(browser.text("/write"), "2");
    assert_eq!(browser.text("/logout"), "ok");
}

#[test]
fn a_connection_that_was_dropped_while_idle_is_not_noticed() {
    let Some(stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    for n in 2..5 {
        stage.proxy.set(Mode::Refuse);
        stage.proxy.set(Mode::Pass);
        assert_eq!(browser.values()["n"], n - 1);
        assert_eq!(browser.text("/write"), n.to_string());
    }
}

#[test]
fn a_reply_that_was_lost_is_asked_for_again_where_that_is_safe_and_else_503() {
    let Some(stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    let mut lose = |route: &str| {
        stage.proxy.set(Mode::LoseOneReply);
        let answer = browser.get(route);
        stage.proxy.set(Mode::Pass);
        (answer, recovered(&mut browser))
    };
    for route in ["/read", "/slowread", "/sessions", "/err"] {
        let (answer, _) = lose(route);
        assert!([200, 500].contains(&answer.status), "{route}: {answer:?}");
    }
    // Whether it was counted the client cannot know; it is never counted twice.
    let (answer, values) = lose("/write");
    answer.assert_unavailable();
    assert_eq!(values, json!({"n": 2, "err": true, "user": "ada"}));
    let (answer, values) = lose("/login");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(values["user"], "ada");
    let (answer, values) = lose("/logout");
    assert_eq!((answer.status, values), (200, json!({})));
}

/// The store answers all commands with this error.
fn answers(line: &'static str) {
    let Some(stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    stage.proxy.set(Mode::Answer(line));
    stage.assert_trouble(&browser, &ROUTES);
    stage.proxy.set(Mode::Pass);
    assert_eq!(recovered(&mut browser), json!({"n": 1, "user": "ada"}));
    assert_eq!(browser.text("/write"), "2");
}

#[test]
fn a_store_that_is_loading_is_503_and_costs_no_session() {
    answers("-LOADING Redis is loading the dataset in memory\r\n");
}

#[test]
fn a_store_that_sends_elsewhere_is_503_and_costs_no_session() {
    answers("-MOVED 3999 127.0.0.1:1\r\n");
}

#[test]
fn a_store_that_talks_nonsense_is_503_and_costs_no_session() {
    answers("HTTP/1.1 400 Bad Request\r\n\r\n");
}

#[test]
fn a_store_that_answers_all_commands_with_oom_or_readonly_is_503_and_costs_no_session() {
    answers("-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    answers("-READONLY You can't write against a read only replica.\r\n");
}

#[test]
fn a_real_replica_serves_reads_and_refuses_writes() {
    let Some(stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    assert_eq!(stage.redis.ask(&["REPLICAOF", "127.0.0.1", "1"]), "+OK\r\n");
    assert_eq!(browser.values(), json!({"n": 1, "user": "ada"}));
    for route in ["/write", "/slowwrite", "/err", "/login", "/logout"] {
        browser.clone().get(route).assert_unavailable();
    }
    assert_eq!(browser.values(), json!({"n": 1, "user": "ada"}));
    assert_eq!(stage.redis.ask(&["REPLICAOF", "NO", "ONE"]), "+OK\r\n");
    assert_eq!(browser.text("/write"), "2");
    assert_eq!(browser.text("/login"), "ada");
}

#[test]
fn a_real_server_without_memory_serves_reads_and_logouts_and_refuses_writes() {
    let Some(stage) = Stage::set() else { return };
    let (mut browser, mut other) = (stage.visitor(), stage.visitor());
    assert_eq!(stage.redis.ask(&["CONFIG", "SET", "maxmemory", "1"]), "+OK\r\n");
    for route in ["/write", "/slowwrite", "/err", "/login"] {
        browser.clone().get(route).assert_unavailable();
    }
    assert_eq!(browser.values(), json!({"n": 1, "user": "ada"}));
    // Whoever wants to leave can.
    assert_eq!(other.text("/logout"), "ok");
    assert_eq!(stage.redis.ask(&["CONFIG", "SET", "maxmemory", "0"]), "+OK\r\n");
    assert_eq!(browser.text("/write"), "2");
    assert_eq!(other.values(), json!({}));
}

#[test]
fn a_store_that_fails_again_and_again_is_left_alone_until_it_is_back() {
    let Some(stage) = Stage::set() else { return };
    let mut browser = stage.visitor();
    stage.proxy.set(Mode::Hang);
    for _ in 0..5 {
        browser.get("/read").assert_unavailable();
    }
    stage.proxy.take_traffic();
    let begin = Instant::now();
    for _ in 0..40 {
        browser.get("/read").assert_unavailable();
    }
    // One try a second, and no crowd: 40 that each waited would take 10 seconds.
    let tries = stage.proxy.take_traffic().commands.len() as u64;
    assert!(tries <= 1 + begin.elapsed().as_secs(), "{tries} in {:?}", begin.elapsed());
    stage.proxy.set(Mode::Pass);
    assert_eq!(recovered(&mut browser), json!({"n": 1, "user": "ada"}));
    for n in 2..22 {
        assert_eq!(browser.text("/write"), n.to_string());
    }
}
