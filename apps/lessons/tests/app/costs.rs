//! Store commands per request, as a Redis server gets them.

use tuckbox::Db;
use tuckbox_test_redis::{Monitor, RedisServer};

use crate::{browser::Browser, harness::start};

/// Asserts which commands the server got since the last time: their names and
/// the kinds of their keys, in alphabetical order.
#[track_caller]
fn check(monitor: &mut Monitor, expected: &[&str]) {
    let mut sent: Vec<String> =
        monitor.commands().iter().map(|words| name_and_kind(words)).collect();
    sent.sort();
    assert_eq!(sent, expected);
}

fn name_and_kind(words: &[String]) -> String {
    let key = if words[0] == "evalsha" { &words[3] } else { &words[1] };
    format!("{} {}", words[0], kind(key))
}

fn kind(key: &str) -> &str {
    key.split(':').next().unwrap_or(key)
}

#[tokio::test]
async fn requests_cost_what_is_promised() {
    let Some(server) = RedisServer::start() else { return };
    let mut browser = Browser::new(start(Db::open(&server.url()).await.unwrap()).await);
    // The server gets to know the scripts.
    browser.log_in("warm").await;
    browser.list().await;
    browser.post("/logout", "").await;
    let mut monitor = server.monitor();

    browser.get("/").await;
    browser.assert_logged_out().await;
    browser.mark("123").await;
    browser.post("/logout", "").await;
    check(&mut monitor, &[]);

    browser.log_in("ada").await;
    check(&mut monitor, &["evalsha session", "evalsha sessions"]);
    browser.list().await;
    check(&mut monitor, &["evalsha session", "hgetall lessons"]);
    browser.mark("123").await;
    check(&mut monitor, &["evalsha session", "hset lessons"]);
    browser.mark("a%2Fb").await;
    check(&mut monitor, &["evalsha session"]);
    browser.get("/").await;
    check(&mut monitor, &["evalsha session", "hgetall lessons"]);
    browser.post("/page/mark-complete", "lessonSlug=124").await;
    check(&mut monitor, &["evalsha session", "hset lessons"]);

    // Over a session.
    browser.log_in("grace").await;
    check(&mut monitor, &["evalsha session", "evalsha sessions"]);
    let mut copy = browser.clone();
    browser.post("/logout", "").await;
    check(&mut monitor, &["evalsha session"]);
    copy.assert_logged_out().await;
    check(&mut monitor, &["evalsha session"]);
}
