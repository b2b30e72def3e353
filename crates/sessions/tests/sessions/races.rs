//! Requests that use one session at the same time.

use std::sync::Arc;

use axum::{Router, routing::any};
use http::StatusCode;
use tokio::sync::Semaphore;
use tuckbox::{Db, cmd};
use tuckbox_sessions::{Session, SessionError};

use crate::{
    app::{Browser, routes, with_sessions},
    redis_server::{its_fields, keys, on_every_store, the_session},
};

/// A route that reads the session, waits to be let on and then runs `end`.
struct Slow {
    at_work: Arc<Semaphore>,
    go_on: Arc<Semaphore>,
}

impl Slow {
    fn route<F, R>(end: F) -> (Self, Router)
    where
        F: Fn(Session) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<(), SessionError>> + Send + 'static,
    {
        let (at_work, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let slow = Self { at_work: at_work.clone(), go_on: go_on.clone() };
        let handler = move |session: Session| async move {
            session.user().await?;
            at_work.add_permits(1);
            go_on.acquire().await.unwrap().forget();
            end(session).await
        };
        (slow, routes().route("/slow", any(handler)))
    }

    /// Runs the slow request around `others`.
    async fn around(&self, browser: &Browser, others: impl Future) -> crate::app::Visit {
        let mut slow = browser.clone();
        let visit = async { slow.visit("/slow").await };
        let meanwhile = async {
            self.at_work.acquire().await.unwrap().forget();
            others.await;
            self.go_on.add_permits(1);
        };
        tokio::join!(visit, meanwhile).0
    }
}

#[tokio::test]
async fn writes_of_different_keys_both_survive() {
    on_every_store(async |db: Db| {
        let (slow, routes) =
            Slow::route(|session: Session| async move { session.insert("slow", "1").await });
        let mut browser = Browser::logged_in(with_sessions(routes, &db), "ada").await;
        browser.visit("/set/old/x").await;
        let mut other = browser.clone();
        let visit = slow
            .around(&browser, async {
                other.visit("/set/fast/2").await;
                other.visit("/remove/old").await;
            })
            .await;
        assert_eq!(visit.status, StatusCode::OK);
        assert_eq!(its_fields(&db).await, ["d:fast", "d:slow", "user"]);
    })
    .await;
}

#[tokio::test]
async fn a_slow_reader_erases_nothing() {
    on_every_store(async |db: Db| {
        let (slow, routes) = Slow::route(|_| async { Ok(()) });
        let mut browser = Browser::logged_in(with_sessions(routes, &db), "ada").await;
        let mut other = browser.clone();
        slow.around(&browser, other.visit("/set/n/1")).await;
        assert_eq!(browser.body("/get/n").await, "1");
    })
    .await;
}

#[tokio::test]
async fn a_logout_is_not_undone_by_a_write_in_flight() {
    on_every_store(async |db: Db| {
        let (slow, routes) =
            Slow::route(|session: Session| async move { session.insert("slow", "1").await });
        let mut browser = Browser::logged_in(with_sessions(routes, &db), "ada").await;
        let mut other = browser.clone();
        let visit = slow.around(&browser, other.visit("/logout")).await;
        assert_eq!(visit.status, StatusCode::CONFLICT);
        assert_eq!(visit.set_cookie(), None);
        assert_eq!(browser.body("/user").await, "nobody");
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_logout_is_not_undone_by_a_removal_in_flight() {
    on_every_store(async |db: Db| {
        let (slow, routes) =
            Slow::route(|session: Session| async move { session.remove("n").await });
        let mut browser = Browser::logged_in(with_sessions(routes, &db), "ada").await;
        browser.visit("/set/n/1").await;
        let mut other = browser.clone();
        let visit = slow.around(&browser, other.visit("/logout")).await;
        // What it read at its start is what it removes, so the write is sent.
        assert_eq!(visit.status, StatusCode::CONFLICT);
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_renewal_is_not_undone_by_a_write_in_flight() {
    on_every_store(async |db: Db| {
        let (slow, routes) =
            Slow::route(|session: Session| async move { session.insert("slow", "1").await });
        let mut browser = Browser::new(with_sessions(routes, &db));
        browser.visit("/set/cart/tea").await;
        let mut other = browser.clone();
        let visit = slow.around(&browser, other.visit("/login/ada")).await;
        assert_eq!(visit.status, StatusCode::CONFLICT);
        assert_eq!(visit.set_cookie(), None);
        assert_eq!(its_fields(&db).await, ["d:cart", "user"]);
        assert_eq!(browser.body("/user").await, "nobody");
        assert_eq!(other.body("/user").await, "ada");
    })
    .await;
}

#[tokio::test]
async fn what_a_late_write_leaves_behind_is_no_session() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(with_sessions(routes(), &db), "ada").await;
        let (key, fields) = the_session(&db).await;
        let seen = &fields.iter().find(|(name, _)| name == "seen").unwrap().1;
        let cookie = browser.cookie.clone();
        browser.visit("/logout").await;
        // The worst that a process can leave that dies in the middle of a save.
        db.call(cmd!("HSET", &key, "d:n", "\"1\"", "seen", seen, "user", "ada")).await.unwrap();
        browser.cookie = cookie;
        assert_eq!(browser.body("/user").await, "nobody");
        assert_eq!(browser.body("/get/n").await, "nothing");
    })
    .await;
}

#[tokio::test]
async fn a_handler_sees_that_its_session_ended() {
    on_every_store(async |db: Db| {
        let (slow, routes) = Slow::route(|session: Session| async move {
            session.insert("slow", "1").await?;
            assert!(matches!(session.save().await, Err(SessionError::Ended)));
            assert!(matches!(session.user().await, Err(SessionError::Ended)));
            assert!(matches!(session.insert("x", "1").await, Err(SessionError::Ended)));
            Ok(())
        });
        let browser = Browser::logged_in(with_sessions(routes, &db), "ada").await;
        let mut other = browser.clone();
        let visit = slow.around(&browser, other.visit("/logout")).await;
        // It was told, so its own answer stands.
        assert_eq!((visit.status, visit.set_cookie()), (StatusCode::OK, None));
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn after_its_session_ended_a_request_can_log_in_anew_without_the_old_values() {
    on_every_store(async |db: Db| {
        let (slow, routes) = Slow::route(|session: Session| async move {
            session.insert("slow", "1").await?;
            assert!(matches!(session.save().await, Err(SessionError::Ended)));
            session.login("ada").await
        });
        let mut browser = Browser::logged_in(with_sessions(routes, &db), "ada").await;
        browser.visit("/set/secret/x").await;
        let mut other = browser.clone();
        let visit = slow.around(&browser, other.visit("/logout")).await;
        assert_eq!(visit.status, StatusCode::OK);
        assert!(visit.set_cookie().is_some());
        assert_eq!(its_fields(&db).await, ["user"]);
    })
    .await;
}

#[tokio::test]
async fn parallel_reads_in_one_request_are_one_read() {
    let Some(server) = crate::redis_server::RedisServer::start() else { return };
    let db = Db::open(&server.url()).await.unwrap();
    let handler = async |session: Session| {
        let (a, b, c) =
            tokio::join!(session.get::<String>("a"), session.get::<String>("b"), session.user());
        assert_eq!((a?.as_deref(), b?, c?), (Some("1"), None, None));
        Ok::<_, SessionError>(())
    };
    let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
    browser.visit("/set/a/1").await;
    browser.visit("/user").await;
    let mut meter = crate::redis_server::Meter::on(&server);
    let (commands, visit) = meter.commands(browser.visit("/")).await;
    assert_eq!(visit.status, StatusCode::OK);
    assert_eq!(commands, ["evalsha"]);
}
