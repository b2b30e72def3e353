//! Login and logout.

use http::StatusCode;
use tuckbox::{Db, cmd};

use crate::{
    app::{Browser, app, plain, routes, with_sessions},
    redis_server::{expires_in, its_fields, keys, on_every_store, the_session},
};
use axum::routing::any;
use tuckbox_sessions::{Session, SessionError};

#[tokio::test]
async fn a_login_is_remembered_until_the_logout() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        assert_eq!(browser.body("/user").await, "nobody");
        browser.visit("/login/ada").await;
        assert_eq!(browser.body("/user").await, "ada");

        let cookie = browser.cookie.clone().unwrap();
        browser.visit("/logout").await;
        assert_eq!(browser.cookie, None);
        assert_eq!(browser.send("/user", Some(cookie.as_bytes())).await.body, "nobody");
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_login_stores_user_times_and_expiry_and_nothing_else() {
    on_every_store(async |db: Db| {
        Browser::logged_in(app(&db, plain()), "ada").await;
        let (key, fields) = the_session(&db).await;
        assert!(key.starts_with("session:") && key.len() == 8 + 22, "{key}");
        let names: Vec<_> = fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["auth", "created", "seen", "token", "user"]);
        assert_eq!(fields[4].1, "ada");
        assert!(fields[0].1 == fields[1].1 && fields[1].1 == fields[2].1);
        let ms = expires_in(&db, &key).await;
        assert!((3_590_000..=3_780_000).contains(&ms), "{ms}");
    })
    .await;
}

#[tokio::test]
async fn a_login_renews_the_id_and_deletes_the_old_session() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        browser.visit("/set/cart/tea").await;
        let before = browser.cookie.clone().unwrap();

        browser.visit("/login/ada").await;
        assert_ne!(browser.cookie.as_ref(), Some(&before));
        assert_eq!(browser.body("/get/cart").await, "tea");
        assert_eq!(browser.send("/get/cart", Some(before.as_bytes())).await.body, "nothing");
        assert_eq!(keys(&db).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_second_login_of_the_same_user_keeps_the_values() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
        browser.visit("/set/cart/tea").await;
        browser.visit("/login/ada").await;
        assert_eq!(browser.body("/get/cart").await, "tea");
        assert_eq!(keys(&db).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn another_user_gets_none_of_the_values() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
        browser.visit("/set/cart/tea").await;
        browser.visit("/login/bob").await;
        assert_eq!(browser.body("/user").await, "bob");
        assert_eq!(browser.body("/get/cart").await, "nothing");
        assert_eq!(its_fields(&db).await, ["user"]);
    })
    .await;
}

#[tokio::test]
async fn changes_of_the_same_request_go_over_to_the_new_session() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.insert("late", "kept").await?;
            session.remove("gone").await?;
            session.login("ada").await?;
            assert_eq!(session.user().await?.as_deref(), Some("ada"));
            assert_eq!(session.get::<String>("late").await?.as_deref(), Some("kept"));
            assert_eq!(session.get::<String>("gone").await?, None);
            Ok::<_, SessionError>(())
        };
        let app = with_sessions(routes().route("/both", any(handler)), &db);
        let mut browser = Browser::new(app);
        browser.visit("/set/early/kept").await;
        browser.visit("/set/gone/x").await;
        assert_eq!(browser.visit("/both").await.status, StatusCode::OK);
        let fields = its_fields(&db).await;
        assert_eq!(fields, ["d:early", "d:late", "user"]);
    })
    .await;
}

#[tokio::test]
async fn a_logout_without_a_session_removes_the_cookie_that_came() {
    on_every_store(async |db: Db| {
        let browser = Browser::new(app(&db, plain()));
        assert_eq!(browser.send("/logout", None).await.set_cookie(), None);
        for stale in [format!("session={}", "a".repeat(52)), "session=x".to_owned()] {
            let visit = browser.send("/logout", Some(stale.as_bytes())).await;
            assert!(visit.set_cookie().unwrap().contains("Max-Age=0"), "{stale}");
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_logout_the_request_goes_on_in_a_new_session() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            session.logout().await?;
            assert!(!session.is_authenticated().await?);
            assert_eq!(session.get::<String>("cart").await?, None);
            session.insert("notice", "logged out").await
        };
        let app = with_sessions(routes().route("/bye", any(handler)), &db);
        let mut browser = Browser::logged_in(app, "ada").await;
        browser.visit("/set/cart/tea").await;
        let before = browser.cookie.clone();
        assert_eq!(browser.visit("/bye").await.status, StatusCode::OK);
        assert_ne!(browser.cookie, before);
        assert_eq!(its_fields(&db).await, ["d:notice"]);
    })
    .await;
}

#[tokio::test]
async fn a_user_id_of_no_or_too_many_bytes_is_refused() {
    on_every_store(async |db: Db| {
        let handler = async |session: Session| {
            for user in [String::new(), "u".repeat(257)] {
                let refused = session.login(&user).await;
                assert!(matches!(refused, Err(SessionError::User(n)) if n == user.len()));
            }
        };
        let app = with_sessions(routes().route("/try", any(handler)), &db);
        assert_eq!(Browser::new(app).visit("/try").await.set_cookie(), None);
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn two_prefixes_are_two_worlds() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(app(&db, plain().prefix("a:")), "ada").await;
        assert!(keys(&db).await[0].starts_with("a:"));
        let mut other = browser.before(app(&db, plain()));
        assert_eq!(other.body("/user").await, "nobody");
        assert_eq!(browser.body("/user").await, "ada");
        db.call(cmd!("FLUSHALL")).await.unwrap();
        assert_eq!(browser.body("/user").await, "nobody");
    })
    .await;
}
