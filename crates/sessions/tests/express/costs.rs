//! Commands that our side sends to Redis, counted there.

use crate::{jar::Jar, redis_server::Meter, services::Services};

#[tokio::test]
async fn each_kind_of_request_costs_what_is_documented() {
    let Some(services) = Services::start_alone(&[]).await else { return };
    let (express, ours) = (services.express(), services.ours());
    // The first run of a script at a server sends it.
    let mut warm = Jar::default();
    for path in ["/write", "/read", "/write", "/login?user=ada", "/logout"] {
        warm.ok(&ours, path).await;
    }
    let mut meter = Meter::on(services.redis());
    let mut jar = Jar::default();
    for path in ["/untouched", "/read", "/user", "/logout"] {
        assert!(meter.commands(jar.ok(&ours, path)).await.0.is_empty(), "{path}, no cookie");
    }
    jar.ok(&express, "/write").await;
    for (path, commands) in [
        ("/untouched", 0),
        ("/read", 1),
        ("/user", 1),
        ("/read-and-set?key=a&value=1", 2),
        ("/read-and-set?key=a&value=1", 1), // the same value again
        ("/set?key=a&value=2", 2),
        ("/write", 2),
        ("/append?key=list&value=1", 2),
        ("/take?key=list", 2),
        ("/remove?key=a", 2),
        ("/login?user=ada", 2),
        ("/login?user=ada", 2),
        ("/login-and-set?key=a&value=2", 2),
        ("/renew", 3), // with the reading
        ("/logout", 1),
        ("/write", 1), // a new session
        ("/logout", 1),
        ("/login?user=ada", 1), // a new session
    ] {
        let (sent, _) = meter.commands(jar.ok(&ours, path)).await;
        assert_eq!(sent, vec!["evalsha"; commands], "{path}");
    }
}
