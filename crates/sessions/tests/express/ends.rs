//! What a logout holds against, and what not.

use serde_json::json;
use tuckbox_sessions::{SessionError, express::end_mark};

use crate::{
    jar::{Jar, set},
    redis_server::{all_keys, expires_in},
    services::Services,
};

#[tokio::test]
async fn a_session_that_ours_ended_stays_ended_for_ours_whatever_express_still_writes() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    for end in ["/logout", "/login?user=bob"] {
        // What meets the session that Express has written again.
        for path in ["/user", "/write", "/read-and-set?key=a&value=1", "/login?user=eve"] {
            let mut jar = Jar::default();
            jar.ok(&express, "/login?user=ada").await;
            let (mut other_tab, key) = (jar.clone(), jar.key());
            let mut slow = jar.clone();
            let held = express.clone();
            let request = tokio::spawn(async move {
                slow.ok(&held, &(set("slow", &json!(1)) + "&hold=late")).await;
            });
            express.holds("late").await;
            jar.ok(&ours, end).await;
            assert!(!all_keys(&services.db).await.contains(&key));
            express.release("late").await;
            request.await.unwrap();
            // The documented weakness: Express knows of no mark.
            assert_eq!(other_tab.clone().read(&express).await["user"], "ada");

            let answer = other_tab.get(&ours, path).await;
            if path == "/login?user=eve" {
                assert_eq!(answer.status, 200, "{answer:?}");
                assert_eq!(other_tab.read(&express).await, json!({ "user": "eve" }));
            } else if path == "/user" {
                assert_eq!((answer.status, answer.body), (200, json!(null)));
            } else {
                assert_eq!(answer.status, 409, "{path}: {answer:?}");
                assert!(matches!(answer.error, Some(SessionError::Ended)), "{answer:?}");
                assert_eq!(answer.set_cookie, None, "no other session in its place");
            }
            assert!(!all_keys(&services.db).await.contains(&key), "{path}");
            assert!(expires_in(&services.db, &end_mark(&key)).await > 86_000_000);
        }
    }
}

#[tokio::test]
async fn a_request_under_way_at_a_logout_of_ours_begins_no_other_session() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    jar.ok(&express, "/login?user=ada").await;
    let late = jar.clone();
    jar.ok(&ours, "/logout").await;
    for path in ["/write", "/set?key=a&value=1", "/read-and-set?key=a&value=1"] {
        let answer = late.clone().get(&ours, path).await;
        assert_eq!((answer.status, answer.set_cookie), (409, None), "{path}");
        assert!(matches!(answer.error, Some(SessionError::Ended)), "{path}");
    }
    let left = all_keys(&services.db).await;
    assert!(left.contains(&end_mark(&late.key())) && !left.contains(&late.key()), "{left:?}");
}

#[tokio::test]
async fn a_logout_of_express_leaves_no_mark() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    jar.ok(&express, "/login?user=ada").await;
    let mut late = jar.clone();
    jar.ok(&express, "/logout").await;
    // What was not read cannot be told from an old cookie: another session begins.
    let answer = late.get(&ours, "/write").await;
    assert_eq!((answer.status, answer.body), (200, json!({ "n": 1 })));
    assert_eq!(late.read(&express).await, json!({ "n": 1 }));
}
