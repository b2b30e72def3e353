//! Whose cookies are taken, and whose not.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tuckbox::cmd;

use crate::{
    jar::Jar,
    ours::session_cookies,
    redis_server::Meter,
    services::{SECRET, Services, shared},
};

#[tokio::test]
async fn secrets_are_rotated_on_both_sides() {
    let rotated = [("SESSION_SECRET", "new,old")];
    let Some(services) = Services::start_alone(&rotated).await else { return };
    let express = services.express();
    let ours = |secrets: &[&str]| services.ours_with(session_cookies(), shared(secrets));
    let (both, old, new) = (ours(&["new", "old"]), ours(&["old"]), ours(&["new"]));

    // From before the rotation: all but those that forgot the old one take it.
    let mut jar = Jar::default();
    jar.ok(&old, "/login?user=ada").await;
    assert_eq!(jar.read(&express).await["user"], "ada");
    assert_eq!(jar.user(&both).await, "ada");
    assert_eq!(jar.user(&new).await, Value::Null);
    // After it, the new one signs, here and there.
    for service in [&express, &both] {
        let mut jar = Jar::default();
        jar.ok(service, "/login?user=ada").await;
        for service in [&both, &new] {
            assert_eq!(jar.user(service).await, "ada");
        }
        assert_eq!(jar.read(&express).await["user"], "ada");
        assert_eq!(jar.user(&old).await, Value::Null);
    }
}

/// A cookie as Express signs it, for any id.
fn signed(sid: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(sid.as_bytes());
    let mut text = [0; 43];
    STANDARD_NO_PAD.encode_slice(mac.finalize().into_bytes(), &mut text).unwrap();
    let value = format!("s:{sid}.{}", std::str::from_utf8(&text).unwrap());
    let coded = |b: u8| {
        if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }
    };
    format!("connect.sid={}", value.bytes().map(coded).collect::<String>())
}

#[tokio::test]
async fn what_is_not_surely_one_sessions_cookie_is_nobodys() {
    let Some(services) = Services::start_alone(&[]).await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    jar.ok(&express, "/login?user=ada").await;
    let (key, text) = (jar.key(), services.text(&jar).await.unwrap());
    let (sid, cookie) = (key.strip_prefix("sess:").unwrap(), jar.cookie.clone().unwrap());
    // The way of signing is right.
    assert_eq!(Jar { cookie: Some(signed(sid)) }.user(&ours).await, "ada");
    // Keys that no id leads to.
    let (braces, long) = ("{slot}abc", "a".repeat(129));
    for odd in [braces, &long] {
        services.db.call(cmd!("SET", format!("sess:{odd}"), &text)).await.unwrap();
    }
    let letter = if sid.starts_with('A') { "B" } else { "A" };
    let tampered = cookie.replace(sid, &format!("{letter}{}", &sid[1..]));
    let mut other = Jar::default();
    other.ok(&ours, "/login?user=bob").await;
    let mut meter = Meter::on(services.redis());
    for wrong in [
        tampered,
        format!("{cookie}A"),
        cookie[..cookie.len() - 1].to_owned(),
        format!("connect.sid={sid}"),
        format!("connect.sid=s%3A{sid}"),
        format!("connect.sid=s%3A{sid}."),
        format!("{cookie}; {cookie}"),
        format!("{cookie}; {}", other.cookie.as_deref().unwrap()),
        format!("{cookie}; connect.sid="),
        format!("{cookie}{}", "A".repeat(5000)),
        signed(braces),
        signed(&long),
        signed("a b"),
        signed(""),
        "connect.sid=".to_owned(),
    ] {
        let stranger = Jar { cookie: Some(wrong.clone()) };
        let (commands, user) = meter.commands(stranger.clone().user(&ours)).await;
        assert_eq!(user, Value::Null, "{wrong}");
        assert!(commands.is_empty(), "{wrong}: {commands:?}");
        assert_eq!(stranger.clone().read(&ours).await, json!({}), "{wrong}");
        let mut writer = stranger.clone();
        assert_eq!(writer.ok(&ours, "/write").await, json!({ "n": 1 }), "{wrong}");
        assert_eq!(writer.read(&express).await, json!({ "n": 1 }), "another session");
        let mut leaver = stranger.clone();
        leaver.ok(&ours, "/logout").await;
        assert_eq!(leaver.cookie, None);
    }
    assert_eq!(services.text(&jar).await.unwrap(), text);
    assert_eq!(jar.user(&ours).await, "ada");
}

#[tokio::test]
async fn an_id_that_the_store_does_not_know_begins_no_session() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar { cookie: Some(signed("planted")) };
    for path in ["/write", "/login?user=ada"] {
        let mut victim = jar.clone();
        victim.ok(&ours, path).await;
        assert_ne!(victim.cookie, jar.cookie);
    }
    assert_eq!(jar.read(&ours).await, json!({}));
    assert_eq!(jar.read(&express).await, json!({}));
}
