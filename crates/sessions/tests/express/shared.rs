//! Logins, values and logouts, seen from both sides.

use serde_json::{Value, json};
use tuckbox_sessions::express::end_mark;

use crate::{
    jar::Jar,
    ours::session_cookies,
    redis_server::all_keys,
    services::{SECRET, Services, shared},
};

#[tokio::test]
async fn a_login_at_express_is_seen_and_changed_at_ours_and_read_back() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    jar.ok(&express, "/login?user=ada").await;
    jar.set(&express, "theme", &json!("dark")).await;
    let cookie = jar.cookie.clone();
    assert_eq!(jar.user(&ours).await, "ada");
    assert_eq!(jar.read(&ours).await, json!({ "user": "ada", "theme": "dark" }));
    jar.set(&ours, "theme", &json!("light")).await;
    jar.set(&ours, "size", &json!(12)).await;
    let now = json!({ "user": "ada", "theme": "light", "size": 12 });
    assert_eq!(jar.read(&express).await, now);
    assert_eq!(jar.read(&ours).await, now);
    jar.ok(&ours, "/remove?key=theme").await;
    assert_eq!(jar.read(&express).await, json!({ "user": "ada", "size": 12 }));
    assert_eq!(jar.ok(&ours, "/take?key=size").await, 12);
    jar.ok(&ours, "/append?key=list&value=1").await;
    jar.ok(&ours, "/append?key=list&value=[]").await;
    assert_eq!(jar.read(&express).await, json!({ "user": "ada", "list": [1, []] }));
    assert_eq!(jar.cookie, cookie, "one session all the way");
}

#[tokio::test]
async fn a_login_at_ours_is_seen_at_express_and_brings_the_values_along() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    // Without a session before, and with one that began at Express.
    for basket in [Value::Null, json!(["book"])] {
        let mut jar = Jar::default();
        if !basket.is_null() {
            jar.set(&express, "basket", &basket).await;
        }
        let before = jar.clone();
        jar.ok(&ours, "/login?user=ada").await;
        assert_ne!(jar.cookie, before.cookie);
        let seen = jar.read(&express).await;
        assert_eq!((&seen["user"], &seen["basket"]), (&json!("ada"), &basket));
        jar.set(&express, "theme", &json!("dark")).await;
        assert_eq!(jar.user(&ours).await, "ada");
        assert_eq!(jar.read(&ours).await["theme"], "dark");
        // The id from before the login is worth nothing, at neither.
        for service in [&express, &ours] {
            assert_eq!(before.clone().read(service).await, json!({}));
        }
    }
}

#[tokio::test]
async fn another_users_login_leaves_the_values_behind() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    jar.ok(&express, "/login?user=ada").await;
    jar.set(&express, "basket", &json!(["book"])).await;
    jar.ok(&ours, "/login?user=ada").await;
    assert_eq!(jar.read(&express).await, json!({ "user": "ada", "basket": ["book"] }));
    jar.ok(&ours, "/login?user=bob").await;
    assert_eq!(jar.read(&express).await, json!({ "user": "bob" }));
    jar.ok(&ours, "/renew").await;
    assert_eq!(jar.read(&express).await, json!({ "user": "bob" }));
}

#[tokio::test]
async fn a_logout_at_either_is_one_at_both() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    for (there, begins, ends) in
        [("ours", &express, &ours), ("Express", &ours, &express), ("ours", &ours, &ours)]
    {
        let mut jar = Jar::default();
        jar.ok(begins, "/login?user=ada").await;
        let mut copy = jar.clone();
        let key = jar.key();
        jar.ok(ends, "/logout").await;
        assert_eq!(jar.cookie, None, "{there}");
        assert_eq!(copy.user(&ours).await, Value::Null, "{there}");
        assert_eq!(copy.read(&express).await, json!({}), "{there}");
        let left = all_keys(&services.db).await;
        assert!(!left.contains(&key), "{there}: {left:?}");
        assert_eq!(left.contains(&end_mark(&key)), there == "ours", "{left:?}");
    }
}

#[tokio::test]
async fn alternating_requests_lose_nothing() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    for n in (1..=20).step_by(2) {
        assert_eq!(jar.ok(&express, "/write").await, json!({ "n": n }));
        assert_eq!(jar.ok(&ours, "/write").await, json!({ "n": n + 1 }));
    }
    assert_eq!(jar.read(&express).await, json!({ "n": 20 }));
}

#[tokio::test]
async fn the_user_is_where_the_express_service_keeps_it() {
    let Some(services) = Services::start().await else { return };
    let express = services.express();
    let ours = |user_key| {
        let express = shared(&[SECRET]).user_key(user_key);
        services.ours_with(session_cookies(), express)
    };

    let (mut jar, passport) = (Jar::default(), ours("passport.user"));
    jar.set(&express, "passport", &json!({ "user": 7, "at": 1.5 })).await;
    assert_eq!(jar.user(&passport).await, "7");
    jar.ok(&passport, "/login?user=7").await;
    assert_eq!(jar.read(&express).await, json!({ "passport": { "user": "7", "at": 1.5 } }));
    jar.ok(&passport, "/login?user=ada").await;
    assert_eq!(jar.read(&express).await, json!({ "passport": { "user": "ada" } }));

    let (mut jar, object) = (Jar::default(), ours("user.id"));
    let user = json!({ "id": 5, "name": "Ada" });
    jar.set(&express, "user", &user).await;
    assert_eq!(jar.user(&object).await, "5");
    assert_eq!(jar.read(&object).await, json!({ "user": user }));
    // Nobody is logged in by an object where an id should be.
    assert_eq!(jar.user(&ours("user")).await, Value::Null);
}
