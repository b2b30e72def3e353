//! How long a session lives, with touches of both sides.

use std::time::Duration;

use serde_json::Value;
use tuckbox::cmd;
use tuckbox_sessions::{ConfigBuilder, Cookies, express::Blob};

use crate::{
    jar::{Jar, Service},
    ours::config,
    redis_server::expires_in,
    services::{SECRET, Services, shared},
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn a_minute() -> ConfigBuilder {
    config(Cookies::plain()).idle(Duration::from_secs(60))
}

/// Has `service` move an expiry of `before` milliseconds to `after`; the cookie
/// that it sends.
async fn moves(
    services: &Services,
    jar: &mut Jar,
    service: &Service,
    path: &str,
    before: i64,
    after: i64,
) -> Option<String> {
    let key = jar.key();
    services.db.call(cmd!("PEXPIRE", &key, before)).await.unwrap();
    let answer = jar.get(service, path).await;
    assert_eq!(answer.status, 200, "{path}");
    let left = expires_in(&services.db, &key).await;
    // Express and ours round up to whole seconds.
    assert!((after - 20_000..=after + 1000).contains(&left), "{path}: {left}");
    answer.set_cookie
}

#[tokio::test]
async fn a_session_with_a_max_age_lives_so_long_after_a_touch_of_either() {
    let Some(services) = Services::start_alone(&[("MAX_AGE_MS", "60000")]).await else { return };
    let express = services.express();
    let ours = services.ours_with(a_minute(), shared(&[SECRET]));
    for begins in [&express, &ours] {
        let mut jar = Jar::default();
        let cookie = jar.get(begins, "/login?user=ada").await.set_cookie.unwrap();
        assert!(cookie.contains("Max-Age=60;") || cookie.contains("Expires="), "{cookie}");
        let left = expires_in(&services.db, &jar.key()).await;
        assert!((MINUTE - 20_000..=MINUTE + 1000).contains(&left), "{left}");
        for (service, path) in
            [(&express, "/read"), (&express, "/write"), (&ours, "/read"), (&ours, "/write")]
        {
            let cookie = moves(&services, &mut jar, service, path, MINUTE / 2, MINUTE).await;
            // As Express does, but a slide of ours tells the browser as well.
            let sent = cookie.is_some();
            assert_eq!(sent, path == "/write" || matches!(service, Service::Ours(_)), "{path}");
        }
        assert_eq!(moves(&services, &mut jar, &ours, "/read", MINUTE - 100, MINUTE).await, None);
        let blob = Blob::parse(services.text(&jar).await.unwrap().into()).unwrap();
        let ends = blob.expires().unwrap();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let left = ends - i64::try_from(now).unwrap();
        assert!((MINUTE - 20_000..=MINUTE).contains(&left), "{left}");
        // Express' own loses what passes between two looks at the clock.
        assert!((MINUTE - 10_000..=MINUTE).contains(&blob.max_age().unwrap()));
        assert_eq!(jar.user(&ours).await, "ada");
        assert_eq!(jar.read(&express).await["user"], "ada");
    }
}

#[tokio::test]
async fn a_session_without_a_max_age_lives_for_a_day_in_the_store() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    for begins in [&express, &ours] {
        let mut jar = Jar::default();
        let cookie = jar.get(begins, "/login?user=ada").await.set_cookie.unwrap();
        assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"), "{cookie}");
        let left = expires_in(&services.db, &jar.key()).await;
        assert!((DAY - 20_000..=DAY).contains(&left), "{left}");
        for service in [&express, &ours] {
            for path in ["/read", "/write"] {
                let cookie = moves(&services, &mut jar, service, path, DAY / 2, DAY).await;
                assert_eq!(cookie, None);
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_the_store_forgot_is_gone_at_both() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    jar.ok(&ours, "/login?user=ada").await;
    services.db.call(cmd!("DEL", jar.key())).await.unwrap();
    assert_eq!(jar.user(&ours).await, Value::Null);
    assert_eq!(jar.read(&express).await, serde_json::json!({}));
}
