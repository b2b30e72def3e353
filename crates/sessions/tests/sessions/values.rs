//! Values in the session.

use std::collections::BTreeMap;

use axum::routing::any;
use http::StatusCode;
use tuckbox::{Db, cmd};
use tuckbox_sessions::{MAX_KEYS, MAX_VALUE_BYTES, Session, SessionError};

use crate::{
    app::{Browser, app, plain, routes, with_sessions},
    redis_server::{its_fields, keys, on_every_store, the_session},
};

#[tokio::test]
async fn values_are_kept_each_in_a_field_of_its_own() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        browser.visit("/set/a/1").await;
        browser.visit("/set/b/2").await;
        assert_eq!(browser.body("/get/a").await, "1");
        assert_eq!(browser.body("/get/b").await, "2");
        browser.visit("/remove/a").await;
        assert_eq!(browser.body("/get/a").await, "nothing");
        assert_eq!(its_fields(&db).await, ["d:b"]);
    })
    .await;
}

#[tokio::test]
async fn keys_that_look_like_reserved_fields_are_ordinary() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
        for key in ["user", "created", "seen", "d:x"] {
            browser.visit(&format!("/set/{key}/mallory")).await;
            assert_eq!(browser.body(&format!("/get/{key}")).await, "mallory");
            browser.visit(&format!("/remove/{key}")).await;
        }
        assert_eq!(browser.body("/user").await, "ada");
    })
    .await;
}

#[tokio::test]
async fn any_serde_type_comes_back_as_it_went_in() {
    on_every_store(async |db: Db| {
        let write = async |session: Session| {
            session.insert("n", &u64::MAX).await?;
            session.insert("map", &BTreeMap::from([("é", vec![1.5, -0.0])])).await?;
            session.insert("none", &None::<u8>).await?;
            session.insert("Ü", "text\0\n").await
        };
        let read = async |session: Session| {
            assert_eq!(session.get::<u64>("n").await?, Some(u64::MAX));
            let map: BTreeMap<String, Vec<f64>> = session.get("map").await?.unwrap();
            assert_eq!(map["é"], [1.5, -0.0]);
            assert_eq!(session.get::<Option<u8>>("none").await?, Some(None));
            assert_eq!(session.get::<String>("Ü").await?.as_deref(), Some("text\0\n"));
            Ok::<_, SessionError>(())
        };
        let routes = routes().route("/write", any(write)).route("/read", any(read));
        let mut browser = Browser::new(with_sessions(routes, &db));
        assert_eq!(browser.visit("/write").await.status, StatusCode::OK);
        assert_eq!(browser.visit("/read").await.status, StatusCode::OK);
    })
    .await;
}

#[tokio::test]
async fn a_request_sees_its_own_changes() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            assert_eq!(session.get::<u32>("n").await?, None);
            session.insert("n", &1).await?;
            assert_eq!(session.clone().get::<u32>("n").await?, Some(1));
            session.save().await?;
            session.insert("n", &2).await?;
            assert_eq!(session.get::<u32>("n").await?, Some(2));
            session.remove("n").await?;
            assert_eq!(session.get::<u32>("n").await?, None);
            session.insert("n", &3).await?;
            Ok::<_, SessionError>(())
        };
        let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
        assert_eq!(browser.visit("/").await.status, StatusCode::OK);
        let fields = the_session(&db).await.1;
        assert!(fields.contains(&("d:n".to_owned(), "3".to_owned())), "{fields:?}");
    })
    .await;
}

#[tokio::test]
async fn setting_and_removing_in_one_request_are_saved_together() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        browser.visit("/set/a/1").await;
        assert_eq!(browser.visit("/move/a/b").await.status, StatusCode::OK);
        assert_eq!(its_fields(&db).await, ["d:b"]);
    })
    .await;
}

#[tokio::test]
async fn an_anonymous_session_is_not_stored_until_a_value_is() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.insert("n", &1).await?;
            session.remove("n").await
        };
        let mut browser = Browser::new(with_sessions(routes().route("/undo", any(handler)), &db));
        for path in ["/untouched", "/user", "/get/n", "/remove/n", "/undo"] {
            assert_eq!(browser.visit(path).await.set_cookie(), None, "{path}");
        }
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_value_of_another_type_is_put_aside_and_is_no_error_for_ever() {
    on_every_store(async |db: Db| {
        let number = async |session: Session| {
            assert_eq!(session.get::<u32>("token").await?, None);
            Ok::<_, SessionError>(())
        };
        let aside = async |session: Session| {
            let kept = session.quarantined("token").await?;
            assert_eq!(kept.as_deref(), Some(&b"\"hunter2\""[..]));
            Ok::<_, SessionError>(())
        };
        let routes = routes().route("/number", any(number)).route("/aside", any(aside));
        let mut browser = Browser::new(with_sessions(routes, &db));
        browser.visit("/set/token/hunter2").await;
        for path in ["/number", "/number", "/aside"] {
            assert_eq!(browser.visit(path).await.status, StatusCode::OK, "{path}");
        }
        assert_eq!(browser.body("/get/token").await, "nothing");
        browser.visit("/set/token/new").await;
        assert_eq!(browser.body("/get/token").await, "new");
    })
    .await;
}

#[tokio::test]
async fn a_value_that_is_not_json_is_put_aside_and_can_be_replaced() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        browser.visit("/set/n/1").await;
        let (key, _) = the_session(&db).await;
        db.call(cmd!("HSET", &key, "d:n", [0xffu8, b'{'])).await.unwrap();
        assert_eq!(browser.body("/get/n").await, "nothing");
        assert_eq!(its_fields(&db).await, ["q:n"]);
        browser.visit("/set/n/2").await;
        assert_eq!(browser.body("/get/n").await, "2");
    })
    .await;
}

#[tokio::test]
async fn limits_of_keys_and_values_are_held() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            for key in [String::new(), "k".repeat(257)] {
                let refused = session.insert(&key, "v").await;
                assert!(matches!(refused, Err(SessionError::Key(n)) if n == key.len()));
            }
            let big = "v".repeat(MAX_VALUE_BYTES);
            let refused = session.insert("big", &big).await;
            assert!(matches!(refused, Err(SessionError::ValueTooLarge { .. })));
            session.insert("big", &big[2..]).await?;

            let unwritable = BTreeMap::from([((1, 2), 3)]);
            let refused = session.insert("map", &unwritable).await;
            assert!(matches!(refused, Err(SessionError::Encode { .. })));

            for n in 1..MAX_KEYS {
                session.insert(&n.to_string(), &n).await?;
            }
            let refused = session.insert("one more", &0).await;
            assert!(matches!(refused, Err(SessionError::TooManyKeys)));
            session.insert("1", &0).await?;
            session.remove("2").await?;
            session.insert("one more", &0).await
        };
        let blind = async |session: Session| session.insert("another", &0).await;
        let full = async |session: Session| {
            session.user().await?;
            let refused = session.insert("another", &0).await;
            assert!(matches!(refused, Err(SessionError::TooManyKeys)));
            session.insert("one more", &1).await?;
            session.remove("one more").await?;
            session.insert("another", &0).await
        };
        let routes = routes().route("/fill", any(handler)).route("/full", any(full));
        let routes = routes.route("/blind", any(blind));
        let mut browser = Browser::new(with_sessions(routes, &db));
        assert_eq!(browser.visit("/fill").await.status, StatusCode::OK);
        assert_eq!(its_fields(&db).await.len(), MAX_KEYS);
        for path in ["/blind", "/count/another", "/append/another/x", "/add/another/x"] {
            let visit = browser.visit(path).await;
            assert_eq!(visit.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        }
        assert_eq!(browser.visit("/full").await.status, StatusCode::OK);
        assert_eq!(its_fields(&db).await.len(), MAX_KEYS);
    })
    .await;
}

#[tokio::test]
async fn fields_of_later_versions_are_left_alone() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
        let (key, _) = the_session(&db).await;
        db.call(cmd!("HSET", &key, "agent", "Lynx")).await.unwrap();
        browser.visit("/set/n/1").await;
        assert_eq!(browser.body("/user").await, "ada");
        assert_eq!(its_fields(&db).await, ["agent", "d:n", "user"]);
    })
    .await;
}

#[tokio::test]
async fn debug_shows_neither_ids_nor_values() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            let value = session.get::<String>("token").await?.unwrap();
            assert!(!format!("{session:?}").contains(&value));
            Ok::<_, SessionError>(format!("{session:?}"))
        };
        let mut browser = Browser::new(with_sessions(routes().route("/", any(handler)), &db));
        browser.visit("/set/token/hunter2").await;
        assert_eq!(browser.body("/").await, "Session(a cookie, live)");
    })
    .await;
}
