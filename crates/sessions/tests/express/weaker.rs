//! What Express' form does not have, and says so.

use serde_json::{Value, json};
use tuckbox_sessions::{Config, ConfigError, Cookies, KeyRing, SessionError, Sessions};

use crate::{
    jar::Jar,
    ours::session_cookies,
    services::{SECRET, Services, shared},
};

#[tokio::test]
async fn lists_of_a_users_sessions_are_refused_with_a_reason() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    for route in ["/sessions", "/revoke-others", "/revoke-all"] {
        let answer = jar.get(&ours, route).await;
        assert_eq!(answer.status, 401, "{route}");
        assert!(matches!(answer.error, Some(SessionError::NoUser)), "{route}: {answer:?}");
    }
    jar.ok(&express, "/login?user=ada").await;
    for route in ["/sessions", "/revoke", "/revoke-others", "/revoke-all"] {
        let answer = jar.get(&ours, route).await;
        assert_eq!(answer.status, 500, "{route}");
        assert!(matches!(answer.error, Some(SessionError::Unsupported(_))), "{route}: {answer:?}");
    }
    assert_eq!(jar.user(&ours).await, "ada", "nothing was ended");

    let config = session_cookies().express(shared(&[SECRET])).build().unwrap();
    let sessions = Sessions::new(&services.db, config);
    let unsupported = |error| matches!(error, SessionError::Unsupported(_));
    assert!(unsupported(sessions.list("ada").await.unwrap_err()));
    assert!(unsupported(sessions.revoke_all("ada").await.unwrap_err()));
}

#[tokio::test]
async fn a_login_is_never_known_to_be_recent_after_its_request() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    for service in [&express, &ours] {
        let mut jar = Jar::default();
        jar.ok(service, "/login?user=ada").await;
        assert_eq!(jar.ok(&ours, "/recent").await, json!(false));
    }
    assert_eq!(Jar::default().ok(&ours, "/recent").await, Value::Bool(false));
}

#[test]
fn what_cannot_be_shared_with_express_is_refused_when_the_layer_is_built() {
    let ring = || KeyRing::single([7; 32]).unwrap();
    for config in [
        Config::builder().seal(ring()),
        Config::builder().cookies(Cookies::plain().signed(ring())),
        Config::builder().renew_every(Some(std::time::Duration::from_secs(60))),
    ] {
        let error = config.express(shared(&[SECRET])).build().unwrap_err();
        assert_eq!(error, ConfigError::Express);
    }
}
