//! Atomic operations, and what happens when requests change one key.

use axum::{Router, routing::any};
use http::StatusCode;
use serde_json::{Value, json};
use tuckbox::{Db, cmd};
use tuckbox_sessions::{
    Conflicts, Flash, KeyRing, Session, SessionData, SessionError, SessionLayer,
};

use crate::{
    app::{Browser, app, plain, routes, with_sessions},
    redis_server::{its_fields, on_every_store, the_session},
};

/// Requests with one cookie, all at the same time; answers their bodies.
async fn at_once(browser: &Browser, path: &str, count: usize) -> Vec<String> {
    let cookie = browser.cookie.clone().unwrap();
    let mut visits = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (browser, cookie, path) = (browser.clone(), cookie.clone(), path.to_owned());
        visits.spawn(async move { browser.send(&path, Some(cookie.as_bytes())).await });
    }
    visits.join_all().await.into_iter().map(|visit| visit.body).collect()
}

#[tokio::test]
async fn every_increment_counts() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        assert_eq!(browser.body("/count/n").await, "1");
        let mut counts: Vec<u32> =
            at_once(&browser, "/count/n", 64).await.iter().map(|n| n.parse().unwrap()).collect();
        counts.sort_unstable();
        assert_eq!(counts, (2..66).collect::<Vec<_>>());
        assert_eq!(browser.body("/count/n").await, "66");
    })
    .await;
}

#[tokio::test]
async fn every_increment_of_a_sealed_value_counts() {
    on_every_store(async |db: Db| {
        let ring = KeyRing::single([7; 32]).unwrap();
        let mut browser = Browser::new(app(&db, plain().seal(ring)));
        browser.visit("/count/n").await;
        for _ in 0..4 {
            at_once(&browser, "/count/n", 4).await;
        }
        assert_eq!(browser.body("/count/n").await, "18");
    })
    .await;
}

#[tokio::test]
async fn every_element_is_appended_and_one_request_takes_them() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        browser.visit("/append/list/x").await;
        at_once(&browser, "/append/list/x", 15).await;
        let taken = at_once(&browser, "/take/list", 8).await;
        let lists: Vec<_> = taken.iter().filter(|body| *body != "nothing").collect();
        assert_eq!(lists.len(), 1);
        assert_eq!(serde_json::from_str::<Vec<String>>(lists[0]).unwrap().len(), 16);
    })
    .await;
}

#[tokio::test]
async fn of_requests_at_once_one_inserts_and_one_swaps() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        browser.visit("/count/n").await;
        for path in ["/add/slot/a", "/swap/slot/a/b"] {
            let done = at_once(&browser, path, 16).await;
            assert_eq!(done.iter().filter(|body| *body == "true").count(), 1, "{path}");
        }
    })
    .await;
}

/// A route that runs `handler` in a session with `n` = 5 and `list` = ["a"].
async fn in_a_session<F, R>(db: &Db, sealed: bool, handler: F) -> StatusCode
where
    F: Fn(Session) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Result<(), SessionError>> + Send + 'static,
{
    let mut config = plain();
    if sealed {
        config = config.seal(KeyRing::single([7; 32]).unwrap());
    }
    let prepare = async |session: Session| {
        session.insert("n", &5).await?;
        session.insert("list", &["a"]).await
    };
    let routes = Router::new().route("/prepare", any(prepare)).route("/", any(handler));
    let layer = SessionLayer::new(db.clone(), config.build().unwrap());
    let mut browser = Browser::new(routes.layer(layer));
    browser.visit("/prepare").await;
    browser.visit("/").await.status
}

#[tokio::test]
async fn operations_and_changes_of_one_request_see_each_other() {
    on_every_store(async |db: Db| {
        for sealed in [false, true] {
            let status = in_a_session(&db, sealed, async |session: Session| {
                assert_eq!(session.increment("n", 2).await?, 7);
                assert_eq!(session.get::<i64>("n").await?, Some(7));
                session.insert("n", &10).await?;
                assert_eq!(session.increment("n", -1).await?, 9);
                session.save().await?;
                assert_eq!(session.increment("n", 1).await?, 10);
                session.append("list", "b").await?;
                assert_eq!(session.get::<Vec<String>>("list").await?.unwrap(), ["a", "b"]);
                assert!(!session.insert_if_absent("n", &0).await?);
                assert!(session.insert_if_absent("new", &0).await?);
                assert!(!session.compare_and_set("new", Some(&1), &2).await?);
                assert!(session.compare_and_set("new", Some(&0), &2).await?);
                assert!(session.compare_and_set("other", None, &3).await?);
                assert_eq!(session.take::<i64>("new").await?, Some(2));
                assert_eq!(session.take::<i64>("new").await?, None);
                session.remove("n").await?;
                assert_eq!(session.increment("n", 1).await?, 1);
                let all = session.values().await?;
                assert_eq!(json!(all), json!({ "list": ["a", "b"], "n": 1, "other": 3 }));
                Ok(())
            })
            .await;
            assert_eq!(status, StatusCode::OK, "sealed: {sealed}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_operation_on_a_value_of_another_sort_is_refused_and_changes_nothing() {
    on_every_store(async |db: Db| {
        for sealed in [false, true] {
            let status = in_a_session(&db, sealed, async |session: Session| {
                let refused = session.increment("list", 1).await;
                assert!(matches!(refused, Err(SessionError::Unfit { key }) if *key == *"list"));
                assert!(matches!(session.append("n", "x").await, Err(SessionError::Unfit { .. })));
                session.insert("n", &i64::MAX).await?;
                session.save().await?;
                let refused = session.increment("n", 1).await;
                assert!(matches!(refused, Err(SessionError::Unfit { .. })));
                session.insert("pending", &1).await?;
                assert!(session.increment("list", 1).await.is_err());
                assert_eq!(session.get::<i64>("n").await?, Some(i64::MAX));
                Ok(())
            })
            .await;
            assert_eq!(status, StatusCode::OK, "sealed: {sealed}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_largest_numbers_are_exact() {
    on_every_store(async |db: Db| {
        let status = in_a_session(&db, false, async |session: Session| {
            assert_eq!(session.increment("big", i64::MAX - 1).await?, i64::MAX - 1);
            assert_eq!(session.increment("big", 1).await?, i64::MAX);
            assert_eq!(session.increment("small", i64::MIN).await?, i64::MIN);
            Ok(())
        })
        .await;
        assert_eq!(status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn operations_after_a_login_are_on_the_new_sessions_values() {
    on_every_store(async |db: Db| {
        let status = in_a_session(&db, false, async |session: Session| {
            session.login("ada").await?;
            assert_eq!(session.increment("n", 1).await?, 6);
            session.login("bob").await?;
            assert_eq!(session.increment("n", 1).await?, 1);
            Ok(())
        })
        .await;
        assert_eq!(status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn of_two_writes_of_one_key_the_later_stays_or_fails_as_set() {
    on_every_store(async |db: Db| {
        for (conflicts, status, stays) in [
            (Conflicts::LastWrite, StatusCode::OK, "slow"),
            (Conflicts::Fail, StatusCode::CONFLICT, "fast"),
        ] {
            let other = db.clone();
            let slow = move |session: Session| {
                let db = other.clone();
                async move {
                    session.get::<String>("key").await?;
                    // Another request comes between.
                    let (key, _) = the_session(&db).await;
                    db.call(cmd!("HSET", key, "d:key", "\"fast\"")).await?;
                    session.insert("key", "slow").await?;
                    session.insert("beside", &1).await
                }
            };
            let layer =
                SessionLayer::new(db.clone(), plain().conflicts(conflicts).build().unwrap());
            let mut browser = Browser::new(routes().route("/slow", any(slow)).layer(layer));
            browser.visit("/set/key/first").await;
            let visit = browser.visit("/slow").await;
            assert_eq!((visit.status, visit.set_cookie()), (status, None), "{conflicts:?}");
            assert_eq!(browser.body("/get/key").await, stays, "{conflicts:?}");
            let both = its_fields(&db).await.contains(&"d:beside".to_owned());
            assert_eq!(both, status == StatusCode::OK, "all or nothing");
            db.call(cmd!("FLUSHALL")).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn conflicts_are_about_what_others_wrote_only() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.get::<i64>("n").await?;
            for n in 0..3 {
                session.insert("n", &n).await?;
                session.save().await?;
            }
            session.remove("n").await?;
            session.insert("n", &9).await
        };
        let config = plain().conflicts(Conflicts::Fail).build().unwrap();
        let routes = routes().route("/", any(handler));
        let mut browser = Browser::new(routes.layer(SessionLayer::new(db, config)));
        for _ in 0..2 {
            assert_eq!(browser.visit("/").await.status, StatusCode::OK);
        }
    })
    .await;
}

#[tokio::test]
async fn sealed_values_are_unreadable_in_the_store_and_bound_to_their_place() {
    on_every_store(async |db: Db| {
        let ring = || KeyRing::builder().current("old", [7; 32]).build().unwrap();
        let mut browser = Browser::new(app(&db, plain().seal(ring())));
        browser.visit("/set/password/hunter2").await;
        browser.visit("/set/other/x").await;
        let (key, fields) = the_session(&db).await;
        assert!(!format!("{fields:?}").contains("hunter2"));
        let sealed = db.call(cmd!("HGET", &key, "d:password")).await.unwrap();
        let sealed = sealed.into_bytes().unwrap().unwrap();
        db.call(cmd!("HSET", &key, "d:other", &sealed)).await.unwrap();
        assert_eq!(browser.body("/get/password").await, "hunter2");
        assert_eq!(browser.body("/get/other").await, "nothing");

        // After a rotation the old key still reads; without it, nobody does.
        let rotated = KeyRing::builder().current("new", [8; 32]).old("old", [7; 32]);
        let mut after = browser.before(app(&db, plain().seal(rotated.build().unwrap())));
        assert_eq!(after.body("/get/password").await, "hunter2");
        let other = KeyRing::single([9; 32]).unwrap();
        let mut stranger = browser.before(app(&db, plain().seal(other)));
        assert_eq!(stranger.body("/get/password").await, "nothing");
    })
    .await;
}

#[tokio::test]
async fn flashes_are_shown_once_in_order() {
    on_every_store(async |db: Db| {
        let leave = async |session: Session| {
            session.flash("info", "saved").await?;
            session.flash("error", "but late").await
        };
        let show = async |session: Session| {
            let shown = session.take_flashes().await?.into_iter();
            let shown: Vec<_> =
                shown.map(|Flash { kind, text }| format!("{kind}: {text}")).collect();
            Ok::<_, SessionError>(shown.join(", "))
        };
        let routes = routes().route("/leave", any(leave)).route("/show", any(show));
        let mut browser = Browser::new(with_sessions(routes, &db));
        browser.visit("/leave").await;
        assert_eq!(browser.body("/show").await, "info: saved, error: but late");
        assert_eq!(browser.body("/show").await, "");
    })
    .await;
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Cart {
    articles: Vec<u64>,
}

impl SessionData for Cart {
    const KEY: &'static str = "cart";
    const VERSION: u32 = 2;

    fn upgrade(version: u32, stored: Value) -> Option<Self> {
        match version {
            1 => Some(Self { articles: vec![stored.get("article")?.as_u64()?] }),
            _ => None,
        }
    }
}

#[tokio::test]
async fn typed_data_comes_back_is_upgraded_or_put_aside() {
    on_every_store(async |db: Db| {
        let put = async |session: Session| session.set_data(&Cart { articles: vec![1, 2] }).await;
        let get = async |session: Session| {
            Ok::<_, SessionError>(format!(
                "{:?}",
                session.data::<Cart>().await?.map(|c| c.articles)
            ))
        };
        let routes = routes().route("/put", any(put)).route("/cart", any(get));
        let mut browser = Browser::new(with_sessions(routes, &db));
        browser.visit("/put").await;
        assert_eq!(browser.body("/cart").await, "Some([1, 2])");
        let (key, _) = the_session(&db).await;
        for (stored, read) in [
            (r#"{"v":1,"data":{"article":7}}"#, "Some([7])"),
            (r#"{"v":3,"data":{"articles":[7]}}"#, "None"),
            (r#"{"v":2,"data":{"articles":"x"}}"#, "None"),
            (r#"[1]"#, "None"),
        ] {
            db.call(cmd!("HSET", &key, "d:cart", stored)).await.unwrap();
            assert_eq!(browser.body("/cart").await, read, "{stored}");
            if read == "None" {
                assert_eq!(its_fields(&db).await, ["q:cart"], "{stored}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_robots_values_live_for_its_request_only() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            assert_eq!(session.increment("n", 1).await?, 1);
            session.insert("x", "y").await?;
            session.save().await?;
            assert_eq!(session.get::<String>("x").await?.as_deref(), Some("y"));
            Ok::<_, SessionError>(())
        };
        let mut robot = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
        robot.agent = Some("kube-probe/1.30");
        let visit = robot.visit("/").await;
        assert_eq!((visit.status, visit.set_cookie()), (StatusCode::OK, None));
        assert!(crate::redis_server::keys(&db).await.is_empty());
    })
    .await;
}
