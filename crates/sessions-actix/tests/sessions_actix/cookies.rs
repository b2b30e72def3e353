//! The cookie, and whose session a request has.

use tuckbox::Db;
use tuckbox_sessions::{Config, Cookies, SameSite};

use crate::{
    app::{Server, plain, sessions},
    browser::Browser,
    redis_server::{its_fields, keys, on_every_store},
};

#[tokio::test]
async fn a_login_lasts_until_the_logout() {
    on_every_store(async |db: Db| {
        let server = Server::plain(&db);
        let mut browser = Browser::new(&server);
        assert_eq!(browser.body("/user").await, "nobody");
        let visit = browser.visit("/login/ada").await;
        assert_eq!((visit.status, &*visit.body), (200, "welcome, ada"));
        assert_eq!(browser.body("/user").await, "ada");
        assert_eq!(browser.body("/set/cart/tea").await, "set");
        assert_eq!(browser.body("/get/cart").await, "tea");
        assert_eq!(its_fields(&db).await, ["d:cart", "user"]);

        let old = browser.clone();
        let visit = browser.visit("/logout").await;
        assert!(visit.set_cookie().unwrap().contains("Max-Age=0;"));
        for mut browser in [browser, old] {
            assert_eq!(browser.body("/user").await, "nobody");
        }
        assert!(keys(&db).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_login_changes_the_cookie_and_keeps_the_values() {
    on_every_store(async |db: Db| {
        let server = Server::plain(&db);
        let mut browser = Browser::new(&server);
        browser.visit("/set/cart/tea").await;
        let mut planted = browser.clone();
        browser.visit("/login/ada").await;
        assert_ne!(browser.cookie, planted.cookie);
        assert_eq!(browser.body("/get/cart").await, "tea");
        assert_eq!(planted.body("/user").await, "nobody");
    })
    .await;
}

#[tokio::test]
async fn the_cookie_has_the_attributes_that_are_set() {
    on_every_store(async |db: Db| {
        let cookies = Cookies::secure().same_site(SameSite::Strict);
        let server = Server::start(sessions(&db, Config::builder().cookies(cookies)), |_| {});
        let visit = Browser::new(&server).visit("/login/ada").await;
        let (pair, attributes) = visit.set_cookie().unwrap().split_once("; ").unwrap();
        assert!(pair.starts_with("__Host-session="), "{pair}");
        let mut attributes: Vec<_> = attributes.split("; ").collect();
        attributes.sort_unstable();
        assert_eq!(attributes, ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Strict", "Secure"]);

        let server = Server::plain(&db);
        let visit = Browser::new(&server).visit("/login/ada").await;
        let cookie = visit.set_cookie().unwrap();
        assert!(cookie.starts_with("session=") && !cookie.contains("Secure"), "{cookie}");
    })
    .await;
}

#[tokio::test]
async fn several_cookies_of_the_name_are_nobodys_session() {
    on_every_store(async |db: Db| {
        let server = Server::plain(&db);
        let ada = Browser::logged_in(&server, "ada").await;
        let eve = Browser::logged_in(&server, "eve").await;
        let (ada, eve) = (ada.cookie.unwrap(), eve.cookie.unwrap());
        let mut browser = Browser::new(&server);
        for cookies in [format!("{ada}; {eve}"), format!("{eve}; {ada}")] {
            browser.cookie = Some(cookies);
            assert_eq!(browser.body("/user").await, "nobody");
        }
        // In two headers, too.
        browser.cookie = Some(ada.clone());
        browser.headers = format!("Cookie: {eve}\r\n");
        assert_eq!(browser.body("/user").await, "nobody");
        // Another cookie beside it does no harm.
        browser.headers = "Cookie: theme=dark\r\n".to_owned();
        assert_eq!(browser.body("/user").await, "ada");
    })
    .await;
}

#[tokio::test]
async fn a_cookie_that_was_made_up_is_never_adopted() {
    on_every_store(async |db: Db| {
        let server = Server::plain(&db);
        let mut browser = Browser::logged_in(&server, "ada").await;
        let length = browser.cookie.as_deref().unwrap().split_once('=').unwrap().1.len();
        let planted = format!("session={}", "A".repeat(length));
        browser.cookie = Some(planted.clone());
        assert_eq!(browser.body("/user").await, "nobody");
        browser.visit("/set/n/1").await;
        assert!(browser.cookie.is_some());
        assert_ne!(browser.cookie.unwrap(), planted);
    })
    .await;
}

#[tokio::test]
async fn robots_are_told_by_their_user_agent() {
    on_every_store(async |db: Db| {
        let server = Server::start(sessions(&db, plain()), |_| {});
        let mut robot = Browser::new(&server);
        robot.headers = "User-Agent: Googlebot/2.1\r\n".to_owned();
        assert_eq!(robot.visit("/set/n/1").await.set_cookie(), None);
        assert!(keys(&db).await.is_empty());
        robot.headers = "User-Agent: Firefox/140.0\r\n".to_owned();
        assert!(robot.visit("/set/n/1").await.set_cookie().is_some());
    })
    .await;
}
