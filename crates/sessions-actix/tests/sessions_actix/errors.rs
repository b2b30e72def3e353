//! Handlers and middleware that answer with an error, and those outside.

use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::{ErrorForbidden, ErrorImATeapot},
    middleware::{Next, from_fn},
    web,
};
use tuckbox::{Db, cmd};
use tuckbox_sessions_actix::{Session, SessionError};

use crate::{
    app::{Server, plain, routes, sessions},
    browser::Browser,
    redis_server::{its_fields, keys, on_every_store},
};

#[tokio::test]
async fn what_was_changed_before_a_handlers_error_is_saved() {
    on_every_store(async |db: Db| {
        let route = || {
            web::to(async |session: Session| {
                session.insert("attempts", &1).await.map_err(SessionError)?;
                Err::<String, Error>(ErrorForbidden("wrong password"))
            })
        };
        let server = Server::with_route(&db, "/", route);
        let visit = Browser::new(&server).visit("/").await;
        assert_eq!((visit.status, &*visit.body), (403, "wrong password"));
        assert!(visit.set_cookie().is_some());
        assert_eq!(its_fields(&db).await, ["d:attempts"]);
    })
    .await;
}

/// Middleware inside of the sessions that answers `/shut` with an error, and
/// `/door` as well, but counts before; where it has a database, it breaks the
/// sessions there in between.
async fn doorkeeper(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.path().starts_with("/door") {
        let session = request.extract::<Session>().await?;
        session.insert("knocks", &1).await.map_err(SessionError)?;
        if let Some(db) = request.app_data::<web::Data<Db>>() {
            break_sessions(db).await;
        }
        return Err(ErrorImATeapot("closed"));
    }
    if request.path() == "/shut" {
        return Err(ErrorImATeapot("closed"));
    }
    next.call(request).await
}

/// A key of another type makes every command on the session fail.
async fn break_sessions(db: &Db) {
    for key in keys(db).await {
        db.call(cmd!("SET", &key, "not a hash")).await.unwrap();
    }
}

fn with_doorkeeper(db: &Db, breaks: bool) -> Server {
    let (sessions, db) = (sessions(db, plain()), db.clone());
    let app = move || {
        let app = App::new()
            .wrap(from_fn(doorkeeper))
            .wrap(sessions.clone())
            .wrap(from_fn(stamp))
            .configure(routes);
        if breaks { app.app_data(web::Data::new(db.clone())) } else { app }
    };
    Server::run(1, app)
}

/// Middleware outside of the sessions that stamps every response, and an error
/// that is one with its name.
async fn stamp(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    use actix_web::http::header::{HeaderName, HeaderValue};

    let mut response = next.call(request).await?;
    let is_ours = response.response().error().is_some_and(|error| {
        matches!(error.as_error(), Some(SessionError(tuckbox_sessions::SessionError::Store(_))))
    });
    let stamp = HeaderValue::from_static(if is_ours { "not saved" } else { "fine" });
    response.headers_mut().insert(HeaderName::from_static("x-stamp"), stamp);
    Ok(response)
}

#[tokio::test]
async fn what_was_changed_before_an_inner_middlewares_error_is_saved() {
    on_every_store(async |db: Db| {
        let server = with_doorkeeper(&db, false);
        let mut browser = Browser::new(&server);
        let visit = browser.visit("/shut").await;
        assert_eq!((visit.status, visit.set_cookie()), (418, None));

        let visit = browser.visit("/door").await;
        assert_eq!((visit.status, &*visit.body), (418, "closed"));
        assert!(visit.set_cookie().is_some());
        assert_eq!(visit.headers("cache-control"), ["no-store"]);
        assert_eq!(its_fields(&db).await, ["d:knocks"]);
    })
    .await;
}

#[tokio::test]
async fn a_failed_save_takes_the_place_of_an_inner_middlewares_error() {
    on_every_store(async |db: Db| {
        let server = with_doorkeeper(&db, true);
        let mut browser = Browser::new(&server);
        browser.visit("/set/n/1").await;
        let visit = browser.visit("/door").await;
        assert_eq!((visit.status, &*visit.body), (503, ""));
        assert_eq!(visit.headers("retry-after"), ["1"]);
        assert_eq!(visit.set_cookie(), None);
    })
    .await;
}

#[tokio::test]
async fn middleware_outside_sees_that_a_save_failed_and_adds_to_the_response() {
    on_every_store(async |db: Db| {
        let server = with_doorkeeper(&db, false);
        let mut browser = Browser::new(&server);
        assert_eq!(browser.visit("/set/n/1").await.headers("x-stamp"), ["fine"]);
        break_sessions(&db).await;
        let visit = browser.visit("/set/n/2").await;
        assert_eq!((visit.status, visit.headers("x-stamp")), (503, vec!["not saved"]));
    })
    .await;
}

#[tokio::test]
async fn a_route_without_the_middleware_answers_500_and_says_nothing() {
    let server = Server::run(1, || App::new().configure(routes));
    let mut browser = Browser::new(&server);
    assert_eq!(browser.body("/ignore").await, "ok");
    let visit = browser.visit("/untouched").await;
    assert_eq!((visit.status, &*visit.body), (500, ""));
}
