//! The cookie, going out and coming in.

use http::{StatusCode, header::CACHE_CONTROL};
use tuckbox::Db;
use tuckbox_sessions::{Config, Cookies};

use crate::{
    app::{Browser, app, plain},
    redis_server::{keys, on_every_store, the_session},
};

#[tokio::test]
async fn the_cookie_of_plain_http_has_the_promised_bytes() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, plain()));
        let visit = browser.visit("/login/ada").await;
        let id = browser.id();
        assert_eq!(id.len(), 52);
        let expected = format!("session={id}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax");
        assert_eq!(visit.set_cookie(), Some(&*expected));
        assert_eq!(visit.headers[CACHE_CONTROL], "no-store");

        let visit = browser.visit("/logout").await;
        let expected = "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax";
        assert_eq!(visit.set_cookie(), Some(expected));
        assert_eq!(visit.headers[CACHE_CONTROL], "no-store");
    })
    .await;
}

#[tokio::test]
async fn the_default_cookie_is_for_https_only() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::new(app(&db, Config::builder()));
        let visit = browser.visit("/login/ada").await;
        let expected = format!(
            "__Host-session={}; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure",
            browser.id()
        );
        assert_eq!(visit.set_cookie(), Some(&*expected));
        let visit = browser.visit("/logout").await;
        let expected = "__Host-session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure";
        assert_eq!(visit.set_cookie(), Some(expected));
    })
    .await;
}

#[tokio::test]
async fn the_session_is_found_under_any_configured_name() {
    on_every_store(async |db: Db| {
        let cookies = Cookies::plain().name("__session");
        let app = app(&db, plain().cookies(cookies));
        let mut browser = Browser::logged_in(app, "ada").await;
        assert!(browser.cookie.as_ref().unwrap().starts_with("__session="));
        assert_eq!(browser.body("/user").await, "ada");
    })
    .await;
}

#[tokio::test]
async fn a_response_that_sets_no_cookie_is_left_alone() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
        for path in ["/ignore", "/user", "/set/n/1", "/remove/n"] {
            let visit = browser.visit(path).await;
            assert_eq!(visit.set_cookie(), None, "{path}");
            assert!(!visit.headers.contains_key(CACHE_CONTROL), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_store_never_sees_the_id() {
    on_every_store(async |db: Db| {
        let mut browser = Browser::logged_in(app(&db, plain()), "ada").await;
        browser.visit("/set/n/1").await;
        let stored = format!("{:?}", the_session(&db).await);
        assert!(!stored.contains(browser.id()), "{stored}");
    })
    .await;
}

#[tokio::test]
async fn cookies_that_cannot_be_ours_are_no_session() {
    on_every_store(async |db: Db| {
        let browser = Browser::logged_in(app(&db, plain()), "ada").await;
        let own = browser.cookie.clone().unwrap();
        let cookies: [Vec<u8>; 9] = [
            b"session=".to_vec(),
            b"session".to_vec(),
            b"session=x".to_vec(),
            format!("{own}A").into_bytes(),
            format!("session={}", "a".repeat(8000)).into_bytes(),
            format!("{own}; {own}").into_bytes(),
            format!("{own}; session=x").into_bytes(),
            format!("session={}ö", &browser.id()[..50]).into_bytes(),
            [b"session=".as_slice(), &[0xff; 52]].concat(),
        ];
        for cookie in cookies {
            let visit = browser.send("/user", Some(&cookie)).await;
            assert_eq!((visit.status, &*visit.body), (StatusCode::OK, "nobody"), "{cookie:?}");
        }
        let visit = browser.send("/user", Some(own.as_bytes())).await;
        assert_eq!(visit.body, "ada");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_id_is_never_adopted() {
    on_every_store(async |db: Db| {
        let planted = format!("session={}", "A".repeat(52));
        for path in ["/set/n/1", "/login/ada"] {
            let mut browser = Browser::new(app(&db, plain()));
            browser.cookie = Some(planted.clone());
            assert_eq!(browser.body("/user").await, "nobody");
            assert_eq!(browser.visit(path).await.status, StatusCode::OK);
            assert_ne!(browser.cookie.as_ref(), Some(&planted));
            let visit = browser.send("/user", Some(planted.as_bytes())).await;
            assert_eq!(visit.body, "nobody");
        }
        assert_eq!(keys(&db).await.len(), 2);
    })
    .await;
}
