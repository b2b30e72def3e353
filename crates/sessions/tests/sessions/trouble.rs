//! A store that is away or does not answer.

use std::time::Duration;

use axum::routing::any;
use http::StatusCode;
use tuckbox::{Db, Options};
use tuckbox_sessions::{Clock, Session, SessionError, SessionLayer, Trouble};

use crate::{
    app::{Browser, app, plain, routes, with_sessions},
    redis_server::{RedisServer, keys},
};

/// A server, and a database on it that gives up after `deadline`.
async fn server(deadline: Duration) -> Option<(RedisServer, Db)> {
    let server = RedisServer::start()?;
    let options = Options { deadline, ..Options::default() };
    let db = Db::open_with(&server.url(), options).await.unwrap();
    Some((server, db))
}

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_login_on_a_dead_store_is_503_with_retry_after_and_no_cookie() {
    let Some((mut server, db)) = server(LONG).await else { return };
    let mut browser = Browser::new(app(&db, plain()));
    server.kill();
    let visit = browser.visit("/login/ada").await;
    assert_eq!(visit.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(visit.headers["retry-after"], "1");
    assert_eq!(visit.set_cookie(), None);
}

#[tokio::test]
async fn a_login_on_a_frozen_store_ends_with_503_in_time() {
    let Some((server, db)) = server(SHORT).await else { return };
    let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
    browser.cookie = None;
    server.freeze();
    let visit = browser.visit("/login/ada").await;
    assert_eq!(visit.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(visit.set_cookie(), None);
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_an_error_and_is_back_with_the_store() {
    let Some((server, db)) = server(SHORT).await else { return };
    let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
    server.freeze();
    for path in ["/user", "/get/n", "/set/n/1", "/remove/n", "/login/bob"] {
        let visit = browser.visit(path).await;
        assert_eq!(visit.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(visit.set_cookie(), None, "{path}");
    }
    server.thaw();
    let patient = Db::open(&server.url()).await.unwrap();
    browser = browser.before(app(&patient, plain()));
    assert_eq!(browser.body("/user").await, "ada");
    assert_eq!(browser.body("/get/n").await, "nothing");
    assert_eq!(keys(&patient).await.len(), 1);
}

#[tokio::test]
async fn a_logout_that_did_not_happen_is_not_shown_as_one() {
    let Some((mut server, db)) = server(LONG).await else { return };
    let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
    server.kill();
    let visit = browser.visit("/logout").await;
    assert_eq!(visit.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(visit.set_cookie(), None);
}

#[tokio::test]
async fn requests_that_do_not_touch_the_session_are_served_without_a_store() {
    let Some((mut server, db)) = server(LONG).await else { return };
    let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
    server.kill();
    assert_eq!(browser.body("/ignore").await, "ok");
    assert_eq!(browser.body("/untouched").await, "ok");
    browser.cookie = None;
    assert_eq!(browser.body("/user").await, "nobody");
}

#[tokio::test]
async fn a_renewal_that_fails_does_not_spoil_a_good_answer() {
    let Some((server, db)) = server(LONG).await else { return };
    let server = std::sync::Arc::new(std::sync::Mutex::new(server));
    let kill = server.clone();
    let handler = move |session: Session| {
        let kill = kill.clone();
        async move {
            let user = session.user().await?;
            kill.lock().unwrap().kill();
            Ok::<_, SessionError>(user.unwrap().to_string())
        }
    };
    let routes = routes().route("/", any(handler));
    let clock = Clock::fixed(std::time::SystemTime::UNIX_EPOCH);
    let config = plain().renew_every(Some(Duration::from_secs(10))).clock(clock.clone());
    let app = routes.layer(SessionLayer::new(db, config.build().unwrap()));
    let mut browser = Browser::logged_in(app, "ada").await;
    clock.advance(Duration::from_secs(10));
    let visit = browser.visit("/").await;
    assert_eq!((visit.status, &*visit.body), (StatusCode::OK, "ada"));
    assert_eq!(visit.set_cookie(), None);
}

#[tokio::test]
async fn a_handler_that_saw_the_failure_answers_in_its_own_words() {
    let Some((mut server, db)) = server(LONG).await else { return };
    let handler = async |session: Session| {
        session.login("ada").await?;
        Ok::<_, SessionError>(match session.save().await {
            Ok(()) => (StatusCode::OK, "welcome"),
            Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "We could not log you in"),
        })
    };
    let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
    assert_eq!(browser.body("/").await, "welcome");
    assert!(browser.cookie.take().is_some());
    server.kill();
    let visit = browser.visit("/").await;
    assert_eq!(visit.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(visit.body, "We could not log you in");
    assert_eq!(visit.set_cookie(), None);
}

#[tokio::test]
async fn a_logout_that_failed_in_the_handlers_sight_keeps_the_cookie() {
    let Some((mut server, db)) = server(LONG).await else { return };
    let handler = async |session: Session| {
        session.logout().await?;
        assert!(matches!(session.save().await, Err(SessionError::Store(_))));
        Ok::<_, SessionError>("you are still logged in")
    };
    let routes = routes().route("/", any(handler));
    let mut browser = Browser::logged_in(with_sessions(routes, &db), "ada").await;
    server.kill();
    let visit = browser.visit("/").await;
    assert_eq!(visit.body, "you are still logged in");
    assert_eq!(visit.set_cookie(), None);
}

#[tokio::test]
async fn an_error_on_the_way_shows_no_id() {
    let Some((mut server, db)) = server(LONG).await else { return };
    let handler = async |session: Session| {
        let error = session.user().await.unwrap_err();
        format!("{error} {error:?} {session:?}")
    };
    let routes = routes().route("/", any(handler));
    let mut browser = Browser::logged_in(with_sessions(routes, &db), "ada").await;
    let id = browser.id().to_owned();
    server.kill();
    assert!(!browser.body("/").await.contains(&id));
}

#[tokio::test]
async fn a_route_may_go_on_without_its_session_but_changes_nothing() {
    let Some((mut server, db)) = server(SHORT).await else { return };
    let page = async |session: Session| {
        let user = session.user().await?;
        let refused = session.insert("n", &1).await;
        assert_eq!(matches!(refused, Err(SessionError::ReadOnly)), session.is_degraded());
        let name = user.map_or_else(|| "nobody".to_owned(), |user| user.to_string());
        Ok::<_, SessionError>(name)
    };
    let blind = async |session: Session| session.insert("n", &1).await;
    let routes = routes()
        .route("/page", any(page).layer(Trouble::Anonymous))
        .route("/blind", any(blind).layer(Trouble::Anonymous));
    let mut browser = Browser::logged_in(with_sessions(routes, &db), "ada").await;
    assert_eq!(browser.body("/page").await, "ada");
    server.kill();
    let visit = browser.visit("/page").await;
    assert_eq!((visit.status, &*visit.body), (StatusCode::OK, "nobody"));
    assert_eq!(visit.set_cookie(), None);
    // What it wrote without having read cannot be kept, so it is no success.
    assert_eq!(browser.visit("/blind").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(browser.visit("/user").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_store_that_fails_again_and_again_is_left_alone_for_a_second_and_then_tried_once() {
    let Some((server, db)) = server(SHORT).await else { return };
    let clock = Clock::fixed(std::time::SystemTime::UNIX_EPOCH);
    let handler = async |session: Session| match session.user().await {
        Err(SessionError::StoreDown) => "left alone",
        Err(_) => "failed",
        Ok(_) => "read",
    };
    let config = plain().clock(clock.clone()).deadline(Duration::from_millis(20)).build().unwrap();
    let routes = routes().route("/", any(handler));
    let mut browser = Browser::logged_in(routes.layer(SessionLayer::new(db, config)), "ada").await;
    server.freeze();
    for _ in 0..5 {
        assert_eq!(browser.body("/").await, "failed");
    }
    assert_eq!(browser.body("/").await, "left alone");
    clock.advance(Duration::from_secs(1));
    assert_eq!(browser.body("/").await, "failed");
    assert_eq!(browser.body("/").await, "left alone");
    server.thaw();
    clock.advance(Duration::from_secs(1));
    // The first try may still meet the connection that hung.
    for _ in 0..100 {
        if browser.body("/").await == "read" {
            return;
        }
        clock.advance(Duration::from_secs(1));
    }
    panic!("the store is back, but nobody asks it");
}
