//! More logins of a user than the user may have sessions.

use std::{
    collections::HashSet,
    future::poll_fn,
    pin::pin,
    task::Poll,
    time::{Duration, SystemTime},
};

use axum::Router;
use http::StatusCode;
use tuckbox::{Db, cmd};
use tuckbox_sessions::{Clock, ConfigBuilder, MaxSessions, PublicId, Sessions};

use crate::{
    app::{Browser, app, plain},
    redis_server::{Meter, RedisServer, keys, on_every_store},
};

const SECOND: Duration = Duration::from_secs(1);

/// So many that a login does not look at all of them.
const MOST: usize = 10;

fn config(clock: &Clock, most: MaxSessions) -> ConfigBuilder {
    plain().clock(clock.clone()).slide_percent(0).max_sessions(most)
}

fn clock() -> Clock {
    Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

/// Logs ada in so often, a second apart.
async fn log_in(app: &Router, clock: &Clock, times: usize) -> Vec<Browser> {
    let mut browsers = Vec::new();
    for _ in 0..times {
        clock.advance(SECOND);
        browsers.push(Browser::logged_in(app.clone(), "ada").await);
    }
    browsers
}

/// Logs ada in so often at the same time.
async fn log_in_at_once(app: &Router, times: usize) {
    let logins: Vec<_> = (0..times)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { Browser::logged_in(app, "ada").await })
        })
        .collect();
    for login in logins {
        login.await.unwrap();
    }
}

/// Which of the browsers are logged in.
async fn logged_in(browsers: &mut [Browser]) -> Vec<usize> {
    let mut logged_in = Vec::new();
    for (place, browser) in browsers.iter_mut().enumerate() {
        if browser.body("/user").await == "ada" {
            logged_in.push(place);
        }
    }
    logged_in
}

/// How many fields the index has for sessions.
async fn entries(db: &Db) -> usize {
    let fields = db.call(cmd!("HKEYS", "sessions:ada")).await.unwrap().into_array().unwrap();
    let fields = fields.into_iter().filter_map(|field| field.into_bytes().unwrap());
    fields.filter(|field| PublicId::parse(&String::from_utf8_lossy(field)).is_some()).count()
}

/// Fails unless all sessions in the store are in ada's list; answers how many.
async fn assert_all_are_listed(db: &Db, clock: &Clock) -> usize {
    let alive = keys(db).await;
    let sessions = Sessions::new(db, plain().clock(clock.clone()).build().unwrap());
    let listed = sessions.list("ada").await.unwrap();
    let listed: HashSet<_> = listed.iter().map(|info| format!("session:{}", info.id)).collect();
    for session in &alive {
        assert!(listed.contains(session), "{session} is not listed");
    }
    alive.len()
}

/// What it gives, unless it takes more polls than these: then it is dropped, as
/// that of a client who went away.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(move |cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn at_the_limit_a_login_costs_one_command_more() {
    let Some(server) = RedisServer::start() else { return };
    let db = Db::open(&server.url()).await.unwrap();
    let clock = clock();
    let app = app(&db, config(&clock, MaxSessions::EndOldest(MOST)));
    log_in(&app, &clock, 2 * MOST).await;
    let mut meter = Meter::on(&server);
    for _ in 0..2 * MOST {
        let (commands, _) = meter.commands(log_in(&app, &clock, 1)).await;
        assert_eq!(commands, ["evalsha"; 3]);
    }
    assert_eq!(entries(&db).await, MOST + 1, "the one that ended last leaves with the next login");
    assert_eq!(assert_all_are_listed(&db, &clock).await, MOST);
    assert_eq!(entries(&db).await, MOST);
}

#[tokio::test]
async fn logins_at_once_each_end_another_session() {
    const AT_ONCE: usize = 32;
    let Some(server) = RedisServer::start() else { return };
    let db = Db::open(&server.url()).await.unwrap();
    let clock = clock();
    let app = app(&db, config(&clock, MaxSessions::EndOldest(MOST)));
    log_in(&app, &clock, 2 * MOST).await;
    let mut meter = Meter::on(&server);
    for _ in 0..3 {
        clock.advance(SECOND);
        let (commands, ()) = meter.commands(log_in_at_once(&app, AT_ONCE)).await;
        // One that is given out before its login has saved it is given out again later.
        assert!(commands.len() <= 3 * AT_ONCE, "{}", commands.len());
        assert_eq!(assert_all_are_listed(&db, &clock).await, MOST);
    }
}

#[tokio::test]
async fn a_small_limit_holds_for_logins_at_once() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, config(&clock, MaxSessions::EndOldest(2)));
        for _ in 0..3 {
            log_in_at_once(&app, 16).await;
            clock.advance(SECOND);
        }
        log_in(&app, &clock, 1).await;
        assert_eq!(assert_all_are_listed(&db, &clock).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_session_in_use_outlives_later_logins() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, config(&clock, MaxSessions::EndOldest(MOST)));
        let mut browsers = log_in(&app, &clock, MOST).await;
        for _ in 0..3 * MOST {
            browsers[0].visit("/user").await;
            browsers.extend(log_in(&app, &clock, 1).await);
        }
        let recent = 3 * MOST + 1..4 * MOST;
        let expected: Vec<_> = std::iter::once(0).chain(recent).collect();
        assert_eq!(logged_in(&mut browsers).await, expected);
    })
    .await;
}

#[tokio::test]
async fn sessions_that_are_over_cost_none_its_place_under_a_small_limit() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, config(&clock, MaxSessions::EndOldest(3)));
        let mut browsers = log_in(&app, &clock, 2).await;
        for _ in 0..5 {
            log_in(&app, &clock, 1).await[0].visit("/logout").await;
        }
        browsers.extend(log_in(&app, &clock, 1).await);
        assert_eq!(logged_in(&mut browsers).await, [0, 1, 2]);
    })
    .await;
}

#[tokio::test]
async fn wherever_a_login_is_dropped_no_session_lives_unlisted() {
    on_every_store(async |db: Db| {
        for most in [2, MOST] {
            db.call(cmd!("FLUSHALL")).await.unwrap();
            let clock = clock();
            let config = config(&clock, MaxSessions::EndOldest(most));
            let shared = app(&db, config.clone());
            log_in(&shared, &clock, 2 * most).await;
            for polls in 0.. {
                clock.advance(SECOND);
                let login = Browser::logged_in(shared.clone(), "ada");
                let whole = dropped_after(polls, login).await.is_some();
                assert_all_are_listed(&db, &clock).await;
                if whole {
                    break;
                }
            }
            // What was given out and not ended is given out again, to whichever process.
            clock.advance(10 * SECOND);
            log_in(&app(&db, config.clone()), &clock, 1).await;
            log_in(&app(&db, config), &clock, 1).await;
            assert_eq!(assert_all_are_listed(&db, &clock).await, most);
        }
    })
    .await;
}

#[tokio::test]
async fn what_another_process_ended_is_told_within_two_logins() {
    let Some(server) = RedisServer::start() else { return };
    let db = Db::open(&server.url()).await.unwrap();
    let clock = clock();
    let config = config(&clock, MaxSessions::EndOldest(MOST));
    log_in(&app(&db, config.clone()), &clock, 2 * MOST).await;
    let mut meter = Meter::on(&server);
    // Each login in a process of its own, as in a serverless function.
    for commands in [5, 3, 5, 3] {
        clock.advance(10 * SECOND);
        let app = app(&db, config.clone());
        let (sent, _) = meter.commands(log_in(&app, &clock, 1)).await;
        assert_eq!(sent, vec!["evalsha"; commands]);
        assert!(entries(&db).await <= MOST + 1);
    }
}

#[tokio::test]
async fn a_stale_cookie_costs_no_session_its_place() {
    on_every_store(async |db: Db| {
        let clock = clock();
        for (most, refuses) in [(2, true), (2, false), (MOST, false)] {
            db.call(cmd!("FLUSHALL")).await.unwrap();
            let limit =
                if refuses { MaxSessions::Refuse(most) } else { MaxSessions::EndOldest(most) };
            let app = app(&db, config(&clock, limit));
            let mut browsers = log_in(&app, &clock, most - 1).await;
            clock.advance(SECOND);
            let mut stale = Browser::new(app.clone());
            stale.cookie = Some(format!("session={}", "a".repeat(52)));
            assert_eq!(stale.visit("/login/ada").await.status, StatusCode::OK);
            browsers.push(stale);
            let all: Vec<_> = (0..most).collect();
            assert_eq!(logged_in(&mut browsers).await, all, "{limit:?}");
            assert_eq!(entries(&db).await, most, "{limit:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn logins_at_once_are_refused_beyond_the_limit() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, config(&clock, MaxSessions::Refuse(3)));
        let logins: Vec<_> = (0..16)
            .map(|_| {
                let mut browser = Browser::new(app.clone());
                tokio::spawn(async move { browser.visit("/login/ada").await.status })
            })
            .collect();
        let mut entered = 0;
        for login in logins {
            entered += usize::from(login.await.unwrap() == StatusCode::OK);
        }
        assert_eq!(entered, 3);
        assert_eq!(assert_all_are_listed(&db, &clock).await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_limit_that_was_lowered_ends_what_is_too_many() {
    on_every_store(async |db: Db| {
        let clock = clock();
        for most in [MOST, 3] {
            let app = app(&db, config(&clock, MaxSessions::EndOldest(most)));
            let mut browsers = log_in(&app, &clock, 4 * MOST).await;
            let recent: Vec<_> = (4 * MOST - most..4 * MOST).collect();
            assert_eq!(logged_in(&mut browsers).await, recent);
            assert_eq!(assert_all_are_listed(&db, &clock).await, most);
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_that_was_to_end_stays_when_its_user_logs_in_with_it() {
    on_every_store(async |db: Db| {
        let clock = clock();
        let app = app(&db, config(&clock, MaxSessions::EndOldest(MOST)));
        let mut browsers = log_in(&app, &clock, MOST).await;
        let sessions = Sessions::new(&db, plain().clock(clock.clone()).build().unwrap());
        let first = sessions.list("ada").await.unwrap().pop().unwrap().id;
        // As a login leaves it that was given the session and never came back.
        let leaving = format!(";{}:{first}", "0".repeat(13));
        db.call(cmd!("HSET", "sessions:ada", "leaving", leaving)).await.unwrap();
        clock.advance(SECOND);
        browsers[0].visit("/login/ada").await;
        browsers.extend(log_in(&app, &clock, 1).await);
        let all_but_the_second: Vec<_> = (0..=MOST).filter(|place| *place != 1).collect();
        assert_eq!(logged_in(&mut browsers).await, all_but_the_second);
    })
    .await;
}
