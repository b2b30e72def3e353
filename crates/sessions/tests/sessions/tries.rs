//! Saves whose answer was lost, and what the handler does then; saves of one
//! request at the same time.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, extract::Path, routing::any};
use http::StatusCode;
use tuckbox::{Db, Options, cmd};
use tuckbox_sessions::{EventKind, KeyRing, Session, SessionError, SessionLayer};

use crate::{
    app::{Browser, Visit, app, plain, routes, with_sessions},
    redis_server::{RedisServer, its_fields, keys, on_every_store, the_session},
};

/// What a handler does to its session.
#[derive(Clone, Copy, Debug)]
enum Step {
    Login(&'static str),
    Insert(&'static str),
    Renew,
}

use Step::{Insert, Login, Renew};

/// What is taken before and after the lost answer, and the user and the fields
/// that there are then.
type Case = (&'static [Step], &'static [Step], &'static str, &'static [&'static str]);

async fn take(session: &Session, steps: &[Step]) -> Result<(), SessionError> {
    for step in steps {
        match step {
            Login(user) => session.login(user).await?,
            Insert(key) => session.insert(key, "1").await?,
            Renew => session.renew().await?,
        }
    }
    Ok(())
}

/// Visits a handler that takes the steps of `first` and saves, which the store
/// does without being heard, and then takes those of `then`.
async fn visit_with_a_lost_answer(
    server: &Arc<RedisServer>,
    browser: &mut Browser,
    first: &'static [Step],
    then: &'static [Step],
) -> Visit {
    let options = Options { deadline: Duration::from_millis(100), ..Options::default() };
    let db = Db::open_with(&server.url(), options).await.unwrap();
    db.call(cmd!("PING")).await.unwrap(); // connected
    let onlooker = Db::open(&server.url()).await.unwrap();
    let server = server.clone();
    let handler = move |session: Session| {
        let (server, onlooker) = (server.clone(), onlooker.clone());
        async move {
            session.user().await?;
            take(&session, first).await?;
            let before = writes(&onlooker).await;
            server.freeze();
            let saved = session.save().await;
            server.thaw();
            assert!(matches!(saved, Err(SessionError::Store(_))), "{saved:?}");
            let begin = Instant::now();
            while writes(&onlooker).await == before {
                assert!(begin.elapsed() < Duration::from_secs(10), "the save never arrived");
            }
            take(&session, then).await
        }
    };
    let routes = routes().route("/twice", any(handler));
    let layer = SessionLayer::new(db, plain().build().unwrap());
    let mut twice = browser.before(routes.layer(layer));
    let visit = twice.visit("/twice").await;
    browser.cookie = twice.cookie;
    visit
}

/// The tokens and a value of the sessions in the store.
async fn writes(db: &Db) -> Vec<String> {
    let mut all = Vec::new();
    for key in keys(db).await {
        let token = db.call(cmd!("HMGET", &key, "token", "d:a")).await.unwrap();
        all.push(format!("{key} {token:?}"));
    }
    all
}

#[tokio::test]
async fn what_a_handler_does_after_a_lost_answer_is_saved_too() {
    let steps: [Case; 7] = [
        (&[Insert("a")], &[Insert("b")], "nobody", &["d:a", "d:b"]),
        (&[Login("ada")], &[Insert("b")], "ada", &["d:b", "user"]),
        (&[Insert("a"), Login("ada")], &[Insert("b")], "ada", &["d:a", "d:b", "user"]),
        (&[Insert("a")], &[Login("ada")], "ada", &["d:a", "user"]),
        (&[Login("ada"), Insert("a")], &[Login("bob"), Insert("b")], "bob", &["d:b", "user"]),
        (&[Login("ada")], &[Login("bob")], "bob", &["user"]),
        (&[Login("ada")], &[Login("ada"), Insert("b")], "ada", &["d:b", "user"]),
    ];
    for (first, then, user, fields) in steps {
        let Some(server) = RedisServer::start().map(Arc::new) else { return };
        let db = Db::open(&server.url()).await.unwrap();
        // The server knows the scripts.
        Browser::logged_in(app(&db, plain()), "eve").await;
        db.call(cmd!("FLUSHALL")).await.unwrap();
        let mut browser = Browser::new(app(&db, plain()));
        let visit = visit_with_a_lost_answer(&server, &mut browser, first, then).await;
        assert_eq!(visit.status, StatusCode::OK, "{first:?} {then:?}");
        assert_eq!(browser.body("/user").await, user, "{first:?} {then:?}");
        assert_eq!(its_fields(&db).await, fields, "{first:?} {then:?}");
    }
}

#[tokio::test]
async fn a_session_that_was_there_before_a_lost_answer_gets_it_all() {
    let steps: [Case; 4] = [
        (&[Renew], &[Insert("b")], "ada", &["d:b", "d:old", "user"]),
        (&[Login("ada")], &[Insert("b")], "ada", &["d:b", "d:old", "user"]),
        (&[Login("bob")], &[Insert("b")], "bob", &["d:b", "user"]),
        (&[Login("ada")], &[Login("bob"), Insert("b")], "bob", &["d:b", "user"]),
    ];
    for (first, then, user, fields) in steps {
        let Some(server) = RedisServer::start().map(Arc::new) else { return };
        let db = Db::open(&server.url()).await.unwrap();
        let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
        browser.visit("/set/old/1").await;
        let old = browser.clone();
        let visit = visit_with_a_lost_answer(&server, &mut browser, first, then).await;
        assert_eq!(visit.status, StatusCode::OK, "{first:?} {then:?}");
        assert_eq!(browser.body("/user").await, user, "{first:?} {then:?}");
        assert_eq!(its_fields(&db).await, fields, "{first:?} {then:?}");
        assert_ne!(browser.cookie, old.cookie);
        let visit = old.clone().visit("/set/x/1").await;
        assert_eq!(visit.status, StatusCode::CONFLICT, "{first:?} {then:?}");
    }
}

/// A route that runs `handler`, and the events that its layer tells.
fn heard(db: &Db, routes: Router) -> (Router, Arc<Mutex<Vec<EventKind>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let config = plain().on_event(move |event| heard.lock().unwrap().push(event.kind));
    (routes.layer(SessionLayer::new(db.clone(), config.build().unwrap())), events)
}

#[tokio::test]
async fn saves_of_one_request_at_the_same_time_are_one_save() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.insert("a", "1").await?;
            session.login("ada").await?;
            let clone = session.clone();
            let (one, other) = tokio::join!(session.save(), clone.save());
            one.and(other)
        };
        let (app, events) = heard(&db, routes().route("/", any(handler)));
        let mut browser = Browser::new(app);
        assert_eq!(browser.visit("/").await.status, StatusCode::OK);
        assert_eq!(browser.body("/user").await, "ada");
        assert_eq!(*events.lock().unwrap(), [EventKind::Created]);
        assert_eq!(its_fields(&db).await, ["d:a", "user"]);
    })
    .await;
}

#[tokio::test]
async fn what_did_not_end_is_not_told_as_ended() {
    on_every_store(async |db: Db| {
        let (app, events) = heard(&db, routes());
        let mut browser = Browser::logged_in(app.clone(), "ada").await;
        events.lock().unwrap().clear();
        // Well formed, and nobody's.
        let made_up = format!("session={}", "a".repeat(52));
        let visit = browser.send("/logout", Some(made_up.as_bytes())).await;
        assert_eq!(visit.status, StatusCode::OK);
        assert_eq!(*events.lock().unwrap(), []);
        let cookie = browser.cookie.clone();
        browser.visit("/logout").await;
        assert_eq!(*events.lock().unwrap(), [EventKind::Destroyed]);
        browser.cookie = cookie;
        browser.visit("/logout").await;
        assert_eq!(*events.lock().unwrap(), [EventKind::Destroyed]);
    })
    .await;
}

#[tokio::test]
async fn a_handler_that_is_dropped_in_a_save_leaves_a_session_that_goes_on() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.insert("a", "1").await?;
            {
                // As a timeout or a client that went away does.
                let mut save = std::pin::pin!(session.save());
                let _ =
                    std::future::poll_fn(|cx| std::task::Poll::Ready(save.as_mut().poll(cx))).await;
            }
            session.insert("b", "1").await?;
            Ok::<_, SessionError>(session.increment("n", 1).await?.to_string())
        };
        let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
        for n in ["1", "2"] {
            assert_eq!(browser.body("/").await, n);
            assert_eq!(its_fields(&db).await, ["d:a", "d:b", "d:n"]);
        }
    })
    .await;
}

#[tokio::test]
async fn any_number_of_keys_can_be_removed_at_once() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            for n in 0..20_000 {
                session.remove(&format!("key{n}")).await?;
            }
            session.remove("").await?;
            session.remove(&"k".repeat(100_000)).await
        };
        let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
        browser.visit("/set/key1/x").await;
        browser.visit("/set/key19999/x").await;
        browser.visit("/set/stays/x").await;
        assert_eq!(browser.visit("/").await.status, StatusCode::OK);
        assert_eq!(its_fields(&db).await, ["d:stays"]);
    })
    .await;
}

#[tokio::test]
async fn a_user_who_comes_back_in_one_request_gets_nothing_that_is_gone() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.user().await?;
            session.login("bob").await?;
            session.save().await?;
            session.login("ada").await?;
            assert_eq!(session.get::<String>("x").await?, None);
            session.insert("x", "1").await
        };
        let app = with_sessions(routes().route("/", any(handler)), &db);
        let mut browser = Browser::logged_in(app, "ada").await;
        browser.visit("/set/x/1").await;
        assert_eq!(browser.visit("/").await.status, StatusCode::OK);
        assert_eq!(browser.body("/user").await, "ada");
        assert_eq!(browser.body("/get/x").await, "1");
    })
    .await;
}

#[tokio::test]
async fn a_sealed_count_keeps_the_cookie_in_the_browser() {
    on_every_store(async |db: Db| {
        let clock = tuckbox_sessions::Clock::fixed(std::time::SystemTime::UNIX_EPOCH);
        let ring = KeyRing::single([7; 32]).unwrap();
        let mut browser = Browser::new(app(&db, plain().clock(clock.clone()).seal(ring)));
        browser.visit("/count/n").await;
        clock.advance(Duration::from_secs(1800));
        assert!(browser.visit("/count/n").await.set_cookie().is_some());
        clock.advance(Duration::from_secs(10));
        assert!(browser.visit("/count/n").await.set_cookie().is_none());
        let (_, fields) = the_session(&db).await;
        assert!(fields.contains(&("seen".to_owned(), "1800000".to_owned())));
    })
    .await;
}

#[tokio::test]
async fn an_old_id_that_counts_a_sealed_value_raises_the_alarm() {
    on_every_store(async |db: Db| {
        let clock = tuckbox_sessions::Clock::fixed(std::time::SystemTime::UNIX_EPOCH);
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = events.clone();
        let config = plain().seal(KeyRing::single([7; 32]).unwrap()).clock(clock.clone());
        let config = config.renew_every(Some(Duration::from_secs(60)));
        let config = config.on_event(move |event| heard.lock().unwrap().push(event.kind));
        let mut browser = Browser::logged_in(app(&db, config), "ada").await;
        let mut old = browser.clone();
        clock.advance(Duration::from_secs(60));
        browser.visit("/user").await;
        clock.advance(Duration::from_secs(60));
        events.lock().unwrap().clear();
        assert_eq!(old.body("/count/n").await, "1");
        let kinds = events.lock().unwrap().clone();
        assert_eq!(kinds, [EventKind::Reused, EventKind::Revoked, EventKind::Created]);
        assert_eq!(browser.body("/user").await, "nobody");
    })
    .await;
}

#[tokio::test]
async fn a_request_slower_than_the_grace_is_no_thief() {
    on_every_store(async |db: Db| {
        let minute = Duration::from_secs(60);
        let clock = tuckbox_sessions::Clock::fixed(std::time::SystemTime::UNIX_EPOCH);
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = events.clone();
        let config = plain().clock(clock.clone()).renew_every(Some(minute));
        let config = config.on_event(move |event| heard.lock().unwrap().push(event.kind));
        let layer = SessionLayer::new(db, config.build().unwrap());
        let other = Arc::new(tokio::sync::Mutex::new(None::<Browser>));
        let (meanwhile, time) = (other.clone(), clock.clone());
        let slow = move |session: Session, Path(reads): Path<bool>| {
            let (meanwhile, time) = (meanwhile.clone(), time.clone());
            async move {
                if reads {
                    session.user().await?;
                }
                // Another request gets another id, and that was long ago when this goes on.
                time.advance(minute);
                meanwhile.lock().await.as_mut().unwrap().visit("/user").await;
                time.advance(minute / 2);
                session.insert("x", "1").await
            }
        };
        let app = routes().route("/slow/{reads}", any(slow)).layer(layer);
        let browser = Browser::logged_in(app, "ada").await;
        for reads in ["true", "false"] {
            let mut slow = other.lock().await.take().unwrap_or_else(|| browser.clone());
            *other.lock().await = Some(slow.clone());
            let visit = slow.visit(&format!("/slow/{reads}")).await;
            assert_eq!((visit.status, visit.set_cookie()), (StatusCode::CONFLICT, None), "{reads}");
            assert!(!events.lock().unwrap().contains(&EventKind::Reused), "{reads}");
            assert_eq!(other.lock().await.as_mut().unwrap().body("/user").await, "ada");
        }
    })
    .await;
}

#[tokio::test]
async fn an_id_that_was_renewed_twice_raises_the_alarm_and_ends_nothing() {
    on_every_store(async |db: Db| {
        let clock = tuckbox_sessions::Clock::fixed(std::time::SystemTime::UNIX_EPOCH);
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = events.clone();
        let config = plain().clock(clock.clone());
        let config = config.on_event(move |event| heard.lock().unwrap().push(event.kind));
        let mut browser = Browser::logged_in(app(&db, config), "ada").await;
        let old = browser.clone();
        for _ in 0..2 {
            clock.advance(Duration::from_secs(60));
            browser.visit("/login/ada").await;
        }
        clock.advance(Duration::from_secs(60));
        for path in ["/user", "/set/x/1"] {
            events.lock().unwrap().clear();
            assert_eq!(old.clone().visit(path).await.status, StatusCode::OK);
            assert_eq!(events.lock().unwrap().first(), Some(&EventKind::Reused), "{path}");
        }
        assert_eq!(browser.body("/user").await, "ada");
        assert_eq!(browser.body("/get/x").await, "nothing");
    })
    .await;
}

#[tokio::test]
async fn a_value_sealed_by_a_key_that_is_not_here_yet_stays() {
    on_every_store(async |db: Db| {
        let ring = |text: &[(&str, u8)]| {
            let (current, old) = text.split_first().unwrap();
            let ring = KeyRing::builder().current(current.0, [current.1; 32]);
            old.iter().fold(ring, |ring, key| ring.old(key.0, [key.1; 32])).build().unwrap()
        };
        let new = app(&db, plain().seal(ring(&[("k2", 2), ("k1", 1)])));
        let old = app(&db, plain().seal(ring(&[("k1", 1)])));
        let mut browser = Browser::new(new);
        browser.visit("/set/x/1").await;
        assert_eq!(browser.before(old).body("/get/x").await, "nothing");
        assert_eq!(browser.body("/get/x").await, "1");
    })
    .await;
}
