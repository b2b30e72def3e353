//! What clients see when the store fails.

use actix_web::{HttpResponse, web};
use tuckbox::Db;
use tuckbox_sessions::Trouble;
use tuckbox_sessions_actix::{Session, SessionError};

use crate::{
    app::{Server, plain, sessions},
    browser::Browser,
    redis_server::RedisServer,
};

/// A store that can be killed, and a server with sessions in it.
async fn start() -> Option<(RedisServer, Server)> {
    let store = RedisServer::start()?;
    let db = Db::open(&store.url()).await.unwrap();
    let server = Server::start(sessions(&db, plain()), |config| {
        config.route("/anonymous", web::to(anonymous)).route("/own", web::to(own_words));
    });
    Some((store, server))
}

async fn anonymous(session: Session) -> Result<String, SessionError> {
    session.on_trouble(Trouble::Anonymous);
    let user = session.user().await?.map_or_else(|| "nobody".to_owned(), |user| user.to_string());
    Ok(format!("{user}, degraded: {}", session.is_degraded()))
}

async fn own_words(session: Session) -> Result<HttpResponse, SessionError> {
    session.login("ada").await?;
    Ok(match session.save().await {
        Ok(()) => HttpResponse::Ok().body("welcome"),
        Err(_) => HttpResponse::InternalServerError().body("We could not log you in"),
    })
}

#[tokio::test]
async fn a_save_on_a_dead_store_is_503_with_retry_after_and_no_cookie() {
    let Some((mut store, server)) = start().await else { return };
    let mut browser = Browser::logged_in(&server, "ada").await;
    let mut stranger = Browser::new(&server);
    store.kill();
    for visit in [
        stranger.visit("/login/bob").await,
        stranger.visit("/set/n/1").await,
        browser.visit("/set/n/1").await,
        browser.visit("/logout").await,
    ] {
        assert_eq!((visit.status, &*visit.body), (503, ""));
        assert_eq!(visit.headers("retry-after"), ["1"]);
        assert_eq!(visit.set_cookie(), None);
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_an_error_and_not_a_stranger() {
    let Some((mut store, server)) = start().await else { return };
    let mut browser = Browser::logged_in(&server, "ada").await;
    store.kill();
    let visit = browser.visit("/user").await;
    assert_eq!((visit.status, &*visit.body), (503, ""));
    assert_eq!(visit.headers("retry-after"), ["1"]);
    assert_eq!(visit.set_cookie(), None);
}

#[tokio::test]
async fn requests_that_do_not_touch_the_session_are_served_without_a_store() {
    let Some((mut store, server)) = start().await else { return };
    let mut browser = Browser::logged_in(&server, "ada").await;
    store.kill();
    assert_eq!(browser.body("/ignore").await, "ok");
    assert_eq!(browser.body("/untouched").await, "ok");
    browser.cookie = None;
    assert_eq!(browser.body("/user").await, "nobody");
}

#[tokio::test]
async fn a_handler_can_go_on_without_a_store() {
    let Some((mut store, server)) = start().await else { return };
    let mut browser = Browser::logged_in(&server, "ada").await;
    assert_eq!(browser.body("/anonymous").await, "ada, degraded: false");
    store.kill();
    assert_eq!(browser.body("/anonymous").await, "nobody, degraded: true");
}

#[tokio::test]
async fn a_handler_that_saw_the_failure_answers_in_its_own_words() {
    let Some((mut store, server)) = start().await else { return };
    let mut browser = Browser::new(&server);
    assert_eq!(browser.body("/own").await, "welcome");
    store.kill();
    let visit = browser.visit("/own").await;
    assert_eq!((visit.status, &*visit.body), (500, "We could not log you in"));
    assert_eq!(visit.set_cookie(), None);
}
