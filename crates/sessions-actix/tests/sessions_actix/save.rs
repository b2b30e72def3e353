//! When a session is saved, and what the client learns of it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, MessageBody},
    http::header::CACHE_CONTROL,
    web::{self, Bytes},
};
use tokio::sync::Semaphore;
use tuckbox::Db;
use tuckbox_sessions_actix::{Session, SessionError};

use crate::{
    app::{Server, plain, sessions},
    browser::Browser,
    redis_server::{RedisServer, its_fields, keys, on_every_store},
};

#[tokio::test]
async fn changes_are_saved_whatever_the_status_of_the_response() {
    on_every_store(async |db: Db| {
        let route = || {
            web::to(async |session: Session| {
                session.insert("attempts", &1).await?;
                Ok::<_, SessionError>(HttpResponse::Forbidden().body("wrong password"))
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

#[tokio::test]
async fn a_cookie_makes_a_response_uncacheable_whatever_the_handler_said() {
    on_every_store(async |db: Db| {
        let route = || {
            web::to(async |session: Session| {
                session.login("ada").await?;
                let mut response = HttpResponse::Ok();
                response.append_header((CACHE_CONTROL, "public"));
                response.append_header((CACHE_CONTROL, "max-age=600"));
                Ok::<_, SessionError>(response.finish())
            })
        };
        let server = Server::with_route(&db, "/", route);
        let mut browser = Browser::new(&server);
        let visit = browser.visit("/").await;
        assert!(visit.set_cookie().is_some());
        assert_eq!(visit.headers("cache-control"), ["no-store"]);
        let visit = browser.visit("/user").await;
        assert_eq!((visit.set_cookie(), visit.headers("cache-control").len()), (None, 0));
    })
    .await;
}

#[tokio::test]
async fn the_handlers_own_cookies_stay() {
    on_every_store(async |db: Db| {
        let route = || {
            web::to(async |session: Session| {
                session.login("ada").await?;
                let mut response = HttpResponse::Ok();
                response.append_header(("set-cookie", "theme=dark"));
                Ok::<_, SessionError>(response.finish())
            })
        };
        let server = Server::with_route(&db, "/", route);
        let visit = Browser::new(&server).begin("/").await.end().await;
        let cookies = visit.headers("set-cookie");
        assert_eq!((cookies.len(), cookies[0]), (2, "theme=dark"));
        assert!(cookies[1].starts_with("session="));
    })
    .await;
}

#[tokio::test]
async fn a_streaming_body_can_change_the_session_with_a_save_of_its_own() {
    on_every_store(async |db: Db| {
        let begin = Arc::new(Semaphore::new(0));
        let begun = begin.clone();
        let server = Server::start(sessions(&db, plain()), move |config| {
            let begun = begun.clone();
            let handler = move |session: Session| {
                let begun = begun.clone();
                let late = async move {
                    begun.acquire().await.unwrap().forget();
                    session.insert("late", &1).await.unwrap();
                    session.save().await.unwrap();
                    "done"
                };
                async { HttpResponse::Ok().body(Late(Some(Box::pin(late)))) }
            };
            config.route("/", web::to(handler));
        });
        let browser = Browser::logged_in(&server, "ada").await;
        let begun = browser.begin("/").await;
        assert_eq!(its_fields(&db).await, ["user"]);
        begin.add_permits(1);
        assert!(begun.end().await.body.contains("done"));
        assert_eq!(its_fields(&db).await, ["d:late", "user"]);
    })
    .await;
}

#[tokio::test]
async fn no_session_begins_after_the_response_has_started() {
    on_every_store(async |db: Db| {
        let route = || {
            web::to(async |session: Session| {
                let late = async move {
                    session.login("ada").await.unwrap();
                    match session.save().await {
                        Err(tuckbox_sessions::SessionError::ResponseStarted) => "too late",
                        _ => "logged in",
                    }
                };
                HttpResponse::Ok().body(Late(Some(Box::pin(late))))
            })
        };
        let server = Server::with_route(&db, "/", route);
        let visit = Browser::new(&server).visit("/").await;
        assert!(visit.body.contains("too late"), "{}", visit.body);
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

/// A body of one piece that `work` makes.
struct Late<F>(Option<Pin<Box<F>>>);

impl<F: Future<Output = &'static str>> MessageBody for Late<F> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let Some(work) = &mut self.0 else { return Poll::Ready(None) };
        let text = ready!(work.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes()))))
    }
}

#[tokio::test]
async fn a_session_that_is_not_touched_costs_nothing() {
    let Some(store) = RedisServer::start() else { return };
    let server = Server::plain(&Db::open(&store.url()).await.unwrap());
    let mut browser = Browser::logged_in(&server, "ada").await;
    browser.visit("/user").await; // so that the server knows the script
    let mut monitor = store.monitor();
    for path in ["/ignore", "/untouched"] {
        let visit = browser.visit(path).await;
        assert_eq!(monitor.sent(), [""; 0], "{path}");
        assert_eq!((&*visit.body, visit.set_cookie()), ("ok", None));
    }
    assert_eq!(browser.body("/user").await, "ada");
    assert_eq!(monitor.sent().len(), 1);
}
