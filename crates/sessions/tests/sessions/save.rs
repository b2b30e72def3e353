//! When a session is saved, and what the client learns of it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderValue, Request, StatusCode, header::CACHE_CONTROL};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty};
use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tuckbox::{Db, cmd};
use tuckbox_sessions::{Session, SessionError, SessionLayer};

use crate::{
    app::{Browser, app, plain, routes, with_sessions},
    redis_server::{its_fields, keys, on_every_store, the_session},
};

#[tokio::test]
async fn the_session_is_stored_when_the_response_head_arrives() {
    on_every_store(async |db: Db| {
        let app = app(&db, plain());
        let request = Request::builder().uri("/login/ada").body(Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(its_fields(&db).await, ["user"]);
        drop(response);
    })
    .await;
}

#[tokio::test]
async fn changes_are_saved_whatever_the_status_of_the_response() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.insert("attempts", &1).await?;
            Ok::<_, SessionError>(StatusCode::INTERNAL_SERVER_ERROR)
        };
        let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
        let visit = browser.visit("/").await;
        assert_eq!(visit.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(visit.set_cookie().is_some());
        assert_eq!(its_fields(&db).await, ["d:attempts"]);
    })
    .await;
}

#[tokio::test]
async fn a_refused_save_takes_the_place_of_the_response() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
        // A key of another type makes every command on the session fail.
        let (key, _) = the_session(&db).await;
        let wrong = async |session: Session, db: Db, key: String| {
            session.insert("n", &1).await?;
            db.call(cmd!("SET", &key, "not a hash")).await?;
            Ok::<_, SessionError>("saved, said the handler")
        };
        let (db2, key2) = (db.clone(), key.clone());
        let handler = move |session: Session| wrong(session, db2.clone(), key2.clone());
        let app = with_sessions(routes().route("/", any(handler)), &db);
        let visit = browser.before(app).visit("/").await;
        assert_eq!(visit.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(visit.headers["retry-after"], "1");
        assert_eq!((visit.set_cookie(), &*visit.body), (None, ""));

        // And what cannot be read is an error, not a stranger.
        let visit = browser.visit("/user").await;
        assert_eq!(visit.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(visit.headers["retry-after"], "1");
    })
    .await;
}

#[tokio::test]
async fn a_cookie_makes_a_response_uncacheable_whatever_the_handler_said() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.login("ada").await?;
            let public = HeaderValue::from_static("public, max-age=600");
            Ok::<_, SessionError>([(CACHE_CONTROL, public)])
        };
        let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
        let visit = browser.visit("/").await;
        let all: Vec<_> = visit.headers.get_all(CACHE_CONTROL).iter().collect();
        assert_eq!(all, ["no-store"]);
    })
    .await;
}

#[tokio::test]
async fn a_streaming_body_can_change_the_session_with_a_save_of_its_own() {
    on_every_store(async |db: Db| {
        let begin = Arc::new(Semaphore::new(0));
        let begun = begin.clone();
        let handler = move |session: Session| {
            let begun = begun.clone();
            async move {
                let late = async move {
                    begun.acquire().await.unwrap().forget();
                    session.insert("late", &1).await.unwrap();
                    session.save().await.unwrap();
                    "done"
                };
                Body::new(Late(Some(Box::pin(late)))).into_response()
            }
        };
        let app = with_sessions(routes().route("/", any(handler)), &db);
        let browser = Browser::logged_in(app.clone(), "ada").await;
        let request = Request::builder().header("cookie", browser.cookie.clone().unwrap());
        let response: Response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(its_fields(&db).await, ["user"]);
        begin.add_permits(1);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "done");
        assert_eq!(its_fields(&db).await, ["d:late", "user"]);
    })
    .await;
}

/// A body of one piece that `work` makes.
struct Late<F>(Option<Pin<Box<F>>>);

impl<F: Future<Output = &'static str>> http_body::Body for Late<F> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(work) = &mut self.0 else { return Poll::Ready(None) };
        let text = ready!(work.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
    }
}

#[tokio::test]
async fn no_session_begins_after_the_response_has_started() {
    on_every_store(async |db: Db| {
        let kept = Arc::new(std::sync::Mutex::new(None));
        let keep = kept.clone();
        let handler = move |session: Session| {
            *keep.lock().unwrap() = Some(session);
            async {}
        };
        let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
        browser.visit("/").await;
        let session: Session = kept.lock().unwrap().take().unwrap();
        session.login("ada").await.unwrap();
        assert!(matches!(session.save().await, Err(SessionError::ResponseStarted)));
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn saves_at_the_same_time_make_one_session() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.login("ada").await?;
            let (one, other) = tokio::join!(session.save(), session.save());
            one.and(other)
        };
        let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
        assert_eq!(browser.visit("/").await.status, StatusCode::OK);
        assert_eq!(its_fields(&db).await, ["user"]);
        assert_eq!(browser.body("/user").await, "ada");
    })
    .await;
}

#[tokio::test]
async fn a_session_that_a_request_saved_is_deleted_by_its_next_login_or_logout() {
    on_every_store(async |db: Db| {
        let twice = async |session: Session| {
            session.login("ada").await?;
            session.save().await?;
            session.login("bob").await
        };
        let undone = async |session: Session| {
            session.insert("n", &1).await?;
            session.save().await?;
            session.logout().await
        };
        let routes = routes().route("/twice", any(twice)).route("/undone", any(undone));
        let app = with_sessions(routes, &db);
        let mut browser = Browser::new(app.clone());
        assert_eq!(browser.visit("/twice").await.status, StatusCode::OK);
        assert_eq!(browser.body("/user").await, "bob");
        assert_eq!(Browser::new(app).visit("/undone").await.set_cookie(), None);
        assert_eq!(keys(&db).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_service_that_fails_without_a_response_saves_nothing() {
    on_every_store(async |db: Db| {
        let service = service_fn(async |request: Request<()>| {
            let session = Session::from_extensions(request.extensions()).unwrap();
            session.login("ada").await.unwrap();
            Err::<http::Response<String>, _>("broken")
        });
        let service = SessionLayer::new(db.clone(), plain().build().unwrap()).layer(service);
        assert_eq!(service.oneshot(Request::new(())).await.unwrap_err(), "broken");
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn any_tower_service_and_body_will_do() {
    on_every_store(async |db: Db| {
        let service = service_fn(async |request: Request<()>| {
            let session = Session::from_extensions(request.extensions()).unwrap();
            session.login("ada").await.unwrap();
            Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new()))
        });
        let service = SessionLayer::new(db.clone(), plain().build().unwrap()).layer(service);
        let response = service.oneshot(Request::new(())).await.unwrap();
        assert!(response.headers().contains_key("set-cookie"));
        assert_eq!(keys(&db).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_route_outside_the_layer_gets_an_error_not_a_panic() {
    let visit = Browser::new(routes()).visit("/user").await;
    assert_eq!(visit.status, StatusCode::INTERNAL_SERVER_ERROR);
}
