//! Ids that are renewed by schedule, and old ids that come back.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use http::StatusCode;
use tuckbox::Db;
use tuckbox_sessions::{Clock, ConfigBuilder, EventKind, Reuse};

use crate::{
    app::{Browser, app, plain},
    redis_server::{keys, on_every_store},
};

const MINUTE: Duration = Duration::from_secs(60);

struct Scene {
    browser: Browser,
    clock: Clock,
    events: Arc<Mutex<Vec<EventKind>>>,
}

/// Ada, whose session's id is renewed every 10 minutes, with a grace of 10 s.
async fn scene(db: &Db, config: ConfigBuilder) -> Scene {
    let clock = Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let config = config.renew_every(Some(10 * MINUTE)).clock(clock.clone());
    let config = config.on_event(move |event| heard.lock().unwrap().push(event.kind));
    let browser = Browser::logged_in(app(db, config), "ada").await;
    Scene { browser, clock, events }
}

#[tokio::test]
async fn an_id_of_an_age_is_renewed_by_the_next_read() {
    on_every_store(async |db: Db| {
        let Scene { mut browser, clock, events } = scene(&db, plain()).await;
        browser.visit("/set/n/1").await;
        let first = browser.cookie.clone();
        clock.advance(10 * MINUTE - Duration::from_millis(1));
        browser.visit("/user").await;
        assert_eq!(browser.cookie, first);
        clock.advance(Duration::from_millis(1));
        let visit = browser.visit("/user").await;
        assert!(visit.set_cookie().is_some());
        assert_ne!(browser.cookie, first);
        assert_eq!(browser.body("/get/n").await, "1");
        assert_eq!(keys(&db).await.len(), 1);
        assert_eq!(*events.lock().unwrap(), [EventKind::Created, EventKind::Renewed]);
    })
    .await;
}

#[tokio::test]
async fn the_old_id_reads_during_the_grace_but_cannot_write() {
    on_every_store(async |db: Db| {
        let Scene { mut browser, clock, .. } = scene(&db, plain()).await;
        let mut old = browser.clone();
        clock.advance(10 * MINUTE);
        browser.visit("/user").await;

        clock.advance(Duration::from_millis(9_999));
        let visit = old.visit("/user").await;
        assert_eq!((&*visit.body, visit.set_cookie()), ("ada", None));
        for path in ["/set/n/1", "/count/n", "/remove/n"] {
            let visit = old.visit(path).await;
            assert_eq!(visit.status, StatusCode::CONFLICT, "{path}");
            assert_eq!(visit.set_cookie(), None, "{path}");
        }
        assert_eq!(browser.body("/get/n").await, "nothing");
    })
    .await;
}

#[tokio::test]
async fn the_old_id_can_log_out_during_the_grace() {
    on_every_store(async |db: Db| {
        let Scene { mut browser, clock, .. } = scene(&db, plain()).await;
        let mut old = browser.clone();
        clock.advance(10 * MINUTE);
        browser.visit("/user").await;
        old.visit("/logout").await;
        assert_eq!(browser.body("/user").await, "nobody");
    })
    .await;
}

#[tokio::test]
async fn an_old_id_after_the_grace_raises_the_alarm_and_ends_the_session() {
    on_every_store(async |db: Db| {
        for path in ["/user", "/set/n/1"] {
            let Scene { mut browser, clock, events } = scene(&db, plain()).await;
            let mut thief = browser.clone();
            clock.advance(10 * MINUTE);
            browser.visit("/user").await;
            clock.advance(10 * Duration::from_secs(1));
            let visit = thief.visit(path).await;
            assert_ne!(visit.body, "ada");
            assert_eq!(browser.body("/user").await, "nobody", "{path}");
            let events = events.lock().unwrap();
            assert_eq!(events[2..4], [EventKind::Reused, EventKind::Revoked], "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_old_id_may_be_reported_only() {
    on_every_store(async |db: Db| {
        let Scene { mut browser, clock, events } = scene(&db, plain().reuse(Reuse::Report)).await;
        let mut old = browser.clone();
        clock.advance(10 * MINUTE);
        browser.visit("/user").await;
        clock.advance(MINUTE);
        assert_eq!(old.body("/user").await, "nobody");
        assert_eq!(browser.body("/user").await, "ada");
        assert_eq!(events.lock().unwrap()[2..], [EventKind::Reused]);
    })
    .await;
}

#[tokio::test]
async fn an_id_from_before_the_login_neither_reads_nor_ends_the_session() {
    on_every_store(async |db: Db| {
        let Scene { mut browser, clock, events } = scene(&db, plain()).await;
        browser.visit("/logout").await;
        browser.visit("/set/n/1").await;
        let planted = browser.clone();
        browser.visit("/login/ada").await;
        for after in [Duration::ZERO, MINUTE] {
            clock.advance(after);
            let mut planted = planted.clone();
            assert_eq!(planted.body("/user").await, "nobody");
            assert_eq!(planted.body("/get/n").await, "nothing");
            assert_eq!(browser.body("/user").await, "ada");
        }
        assert!(events.lock().unwrap().contains(&EventKind::Reused));
    })
    .await;
}

#[tokio::test]
async fn a_browser_that_missed_the_new_cookie_gets_none_that_undoes_a_login() {
    on_every_store(async |db: Db| {
        let Scene { mut browser, .. } = scene(&db, plain()).await;
        browser.visit("/logout").await;
        browser.visit("/set/n/1").await;
        // Sent before the answer to the login came, and answered after it.
        let mut parallel = browser.clone();
        browser.visit("/login/ada").await;
        for path in ["/set/n/2", "/count/m"] {
            let visit = parallel.visit(path).await;
            assert_eq!((visit.status, visit.set_cookie()), (StatusCode::CONFLICT, None), "{path}");
        }
        assert_eq!(browser.body("/user").await, "ada");
    })
    .await;
}

#[tokio::test]
async fn two_requests_that_are_both_due_renew_once() {
    on_every_store(async |db: Db| {
        let Scene { mut browser, clock, events } = scene(&db, plain()).await;
        let mut other = browser.clone();
        clock.advance(10 * MINUTE);
        let (one, two) = tokio::join!(browser.visit("/user"), other.visit("/user"));
        assert_eq!((&*one.body, &*two.body), ("ada", "ada"));
        let renewed = [&one, &two].iter().filter(|visit| visit.set_cookie().is_some()).count();
        assert_eq!(renewed, 1);
        let renewals = events.lock().unwrap().iter().filter(|e| **e == EventKind::Renewed).count();
        assert_eq!(renewals, 1);
    })
    .await;
}
