//! The cookie, to the letter.

use std::net::{IpAddr, Ipv4Addr};

use tuckbox::Db;

use crate::{browser::Browser, harness::start_with};

async fn cookie_of(bind: Ipv4Addr, env: &[(&str, &str)]) -> (String, String) {
    let db = Db::open("memory:").await.unwrap();
    let mut browser = Browser::new(start_with(db, IpAddr::V4(bind), env).await);
    let answer = browser.log_in("ada").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let (pair, attributes) = answer.header("set-cookie").split_once("; ").unwrap();
    let (name, id) = pair.split_once('=').unwrap();
    assert_eq!(id.len(), 52, "39 bytes in base64: {id}");
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{id}");
    assert_eq!(browser.get("/lessons/completed").await.status, 200, "{name}");
    (name.to_owned(), attributes.to_owned())
}

#[tokio::test]
async fn on_the_own_machine_it_works_without_https() {
    let (name, attributes) = cookie_of(Ipv4Addr::LOCALHOST, &[]).await;
    assert_eq!(name, "session");
    assert_eq!(attributes, "Path=/; Max-Age=3600; HttpOnly; SameSite=Lax");
}

#[tokio::test]
async fn elsewhere_it_is_for_https_only() {
    let (name, attributes) = cookie_of(Ipv4Addr::UNSPECIFIED, &[("LOGIN", "open")]).await;
    assert_eq!(name, "__Host-session");
    assert_eq!(attributes, "Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure");
}

#[tokio::test]
async fn it_can_have_the_tutorials_name() {
    let env = [("SESSION_COOKIE", "xxx_session_id"), ("COOKIE_SECURE", "true")];
    let (name, attributes) = cookie_of(Ipv4Addr::LOCALHOST, &env).await;
    assert_eq!(name, "xxx_session_id");
    assert!(attributes.ends_with("; Secure"), "{attributes}");
}
