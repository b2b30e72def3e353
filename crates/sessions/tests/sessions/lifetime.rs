//! How long a session lives.

use std::time::{Duration, SystemTime};

use axum::routing::any;
use http::StatusCode;
use tuckbox::{Db, cmd};
use tuckbox_sessions::{Clock, Session, SessionError, SessionLayer};

use crate::{
    app::{Browser, app, plain, routes},
    redis_server::{expires_in, keys, on_every_store, the_session},
};

fn clock() -> Clock {
    Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_session_past_its_idle_time_is_refused_even_if_the_store_kept_it() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, plain().clock(clock.clone()));
        let mut browser = Browser::logged_in(app, "ada").await;
        let (key, _) = the_session(&db).await;
        db.call(cmd!("PERSIST", &key)).await.unwrap();

        clock.advance(60 * MINUTE - Duration::from_millis(1));
        assert_eq!(browser.clone().send("/ignore", None).await.body, "ok");
        let unslid = browser.clone();
        clock.advance(Duration::from_millis(1));
        assert_eq!(browser.body("/user").await, "nobody");
        assert_eq!(
            unslid.send("/get/n", browser.cookie.as_deref().map(str::as_bytes)).await.body,
            "nothing"
        );
    })
    .await;
}

#[tokio::test]
async fn a_session_in_use_outlives_its_idle_time() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, plain().clock(clock.clone()));
        let mut browser = Browser::logged_in(app, "ada").await;
        for _ in 0..10 {
            clock.advance(59 * MINUTE);
            let visit = browser.visit("/user").await;
            assert_eq!(visit.body, "ada");
            assert!(visit.set_cookie().unwrap().contains("Max-Age=3600"));
        }
        clock.advance(60 * MINUTE);
        assert_eq!(browser.body("/user").await, "nobody");
    })
    .await;
}

#[tokio::test]
async fn a_slide_renews_expiry_and_cookie_but_not_the_id() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, plain().clock(clock.clone()));
        let mut browser = Browser::logged_in(app, "ada").await;
        let (key, _) = the_session(&db).await;
        let cookie = browser.cookie.clone();

        db.call(cmd!("PEXPIRE", &key, 60_000)).await.unwrap();
        clock.advance(5 * MINUTE);
        assert_eq!(browser.visit("/user").await.set_cookie(), None);
        assert!(expires_in(&db, &key).await <= 60_000);

        clock.advance(MINUTE);
        assert!(browser.visit("/user").await.set_cookie().is_some());
        assert_eq!(browser.cookie, cookie);
        assert!(expires_in(&db, &key).await > 3_590_000);
    })
    .await;
}

#[tokio::test]
async fn a_slide_gives_an_expiry_back_to_a_session_that_lost_it() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, plain().clock(clock.clone()));
        let mut browser = Browser::logged_in(app, "ada").await;
        let (key, _) = the_session(&db).await;
        db.call(cmd!("PERSIST", &key)).await.unwrap();
        clock.advance(6 * MINUTE);
        assert_eq!(browser.body("/user").await, "ada");
        assert!(expires_in(&db, &key).await > 3_590_000);
    })
    .await;
}

#[tokio::test]
async fn a_write_slides_too() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, plain().clock(clock.clone()));
        let mut browser = Browser::logged_in(app, "ada").await;
        clock.advance(59 * MINUTE);
        assert!(browser.visit("/set/n/1").await.set_cookie().is_some());
        clock.advance(59 * MINUTE);
        assert_eq!(browser.body("/get/n").await, "1");
    })
    .await;
}

#[tokio::test]
async fn a_clock_that_was_put_back_does_not_stop_the_slide() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, plain().clock(clock.clone()));
        let mut browser = Browser::logged_in(app, "ada").await;
        clock.set(SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000));
        assert!(browser.visit("/user").await.set_cookie().is_some());
        clock.advance(MINUTE);
        assert!(browser.visit("/user").await.set_cookie().is_none());
        clock.advance(60 * MINUTE);
        assert_eq!(browser.body("/user").await, "nobody");
    })
    .await;
}

#[tokio::test]
async fn a_shorter_idle_time_holds_for_existing_sessions_at_once() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let long = app(&db, plain().clock(clock.clone()));
        let browser = Browser::logged_in(long, "ada").await;
        clock.advance(5 * MINUTE);
        let short = app(&db, plain().clock(clock.clone()).idle(5 * MINUTE));
        let mut browser = browser.before(short);
        assert_eq!(browser.body("/user").await, "nobody");
    })
    .await;
}

#[tokio::test]
async fn the_store_forgets_a_session_by_itself() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
        let (key, _) = the_session(&db).await;
        db.call(cmd!("PEXPIREAT", &key, 1)).await.unwrap();
        assert!(keys(&db).await.is_empty());
        assert_eq!(browser.body("/user").await, "nobody");
    })
    .await;
}

#[tokio::test]
async fn an_expired_session_that_the_store_kept_gives_nothing_to_the_next() {
    on_every_store(async |db: Db| {
        for path in ["/set/n/1", "/login/bob"] {
            let clock = clock();
            let app = app(&db, plain().clock(clock.clone()));
            let mut browser = Browser::logged_in(app, "ada").await;
            browser.visit("/set/secret/x").await;
            clock.advance(61 * MINUTE);
            browser.visit(path).await;
            assert_eq!(browser.body("/get/secret").await, "nothing", "{path}");
            assert_ne!(browser.body("/user").await, "ada", "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_in_use_ends_with_its_absolute_time_and_begins_anew_with_a_login() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let config = plain().absolute(180 * MINUTE).clock(clock.clone());
        let mut browser = Browser::logged_in(app(&db, config), "ada").await;
        let (key, _) = the_session(&db).await;
        for _ in 0..5 {
            clock.advance(35 * MINUTE);
            assert_eq!(browser.body("/user").await, "ada");
        }
        // No longer in the store than it may live: 5 minutes.
        assert!(expires_in(&db, &key).await <= 5 * 60_000);
        let mut renewed = browser.clone();
        renewed.visit("/login/ada").await;
        clock.advance(5 * MINUTE);
        assert_eq!(browser.body("/user").await, "nobody");
        assert_eq!(renewed.body("/user").await, "ada");
        for path in ["/count/n", "/set/n/1"] {
            assert_eq!(browser.clone().visit(path).await.status, StatusCode::OK, "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_write_does_not_prolong_a_session_past_its_time() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let config = plain().absolute(70 * MINUTE).clock(clock.clone());
        let mut browser = Browser::logged_in(app(&db, config), "ada").await;
        let old = browser.cookie.clone();
        clock.advance(50 * MINUTE);
        browser.visit("/count/n").await;
        clock.advance(21 * MINUTE);
        assert_eq!(browser.body("/count/n").await, "1", "in a new session");
        assert_ne!(browser.cookie, old);
        assert_eq!(browser.body("/user").await, "nobody");
    })
    .await;
}

#[tokio::test]
async fn sessions_that_begin_together_do_not_leave_the_store_together() {
    on_every_store(async |db: Db| {
        let app = app(&db, plain());
        for _ in 0..40 {
            Browser::new(app.clone()).visit("/set/n/1").await;
        }
        let mut times = Vec::new();
        for key in keys(&db).await {
            times.push(expires_in(&db, &key).await);
        }
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*first > 3_590_000 && *last <= 3_780_000, "{first} {last}");
        // 40 of 180 seconds by chance: within 18 of each other once in 10^38.
        assert!(last - first > 18_000, "{first} {last}");
    })
    .await;
}

#[tokio::test]
async fn a_recent_login_is_asked_for_where_it_matters() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let recent =
            async |session: Session| Ok::<_, SessionError>(session.is_recent().await?.to_string());
        let config = plain().sudo(5 * MINUTE).clock(clock.clone()).build().unwrap();
        let app = routes().route("/recent", any(recent)).layer(SessionLayer::new(db, config));
        let mut browser = Browser::new(app);
        browser.visit("/set/n/1").await;
        assert_eq!(browser.body("/recent").await, "false", "nobody is logged in");
        browser.visit("/login/ada").await;
        clock.advance(5 * MINUTE);
        assert_eq!(browser.body("/recent").await, "true");
        clock.advance(Duration::from_millis(1));
        assert_eq!(browser.body("/recent").await, "false");
        browser.visit("/login/ada").await;
        assert_eq!(browser.body("/recent").await, "true");
    })
    .await;
}

#[tokio::test]
async fn an_id_with_another_secret_prolongs_nothing() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, plain().clock(clock.clone()));
        let mut browser = Browser::logged_in(app, "ada").await;
        let (of_session, secret) = browser.id().split_at(20);
        let forged = format!("session={of_session}{}", "A".repeat(secret.len()));
        clock.advance(40 * MINUTE);
        assert_eq!(browser.send("/user", Some(forged.as_bytes())).await.body, "nobody");
        clock.advance(20 * MINUTE);
        assert_eq!(browser.body("/user").await, "nobody");
    })
    .await;
}
