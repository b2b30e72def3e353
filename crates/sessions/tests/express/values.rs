//! Values keep their meaning on the way, and their bytes where nobody changed
//! them.

use serde_json::json;
use tuckbox::cmd;
use tuckbox_sessions::{MAX_KEYS, SessionError, express::BlobError};

use crate::{
    jar::{Jar, set},
    services::Services,
};

#[tokio::test]
async fn values_mean_the_same_on_both_sides() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let values = json!({
        "text": "Zoë 🦀 \u{2028} \"quoted\" \\ \u{0} </script>",
        "schlüssel €": true,
        "nested": { "a": { "b": [{ "c": null }, [], {}] }, "7": 1 },
        "numbers": [0, -1, 1.5, 1e300, 5e-324, 9_007_199_254_740_991_i64, 0.1],
        "null": null,
        "none": [],
        "empty": "",
        "42": "names that are numbers come first in JavaScript",
    });
    for (writer, reader) in [(&express, &ours), (&ours, &express)] {
        let mut jar = Jar::default();
        for (key, value) in values.as_object().unwrap() {
            jar.set(writer, key, value).await;
        }
        assert_eq!(jar.read(reader).await, values);
        jar.ok(reader, "/write").await;
        jar.ok(writer, "/write").await;
        let mut now = values.clone();
        now["n"] = json!(2);
        assert_eq!(jar.read(writer).await, now);
        assert_eq!(jar.read(reader).await, now);
    }
}

#[tokio::test]
async fn what_ours_does_not_change_keeps_its_bytes() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    jar.ok(&express, "/write").await;
    let odd = r#","price":1.50,"big":123456789012345678901,"e":[ ],"u":"\u00e4\ud83e\udd80\/","o":{"b":1,"a":-0}}"#;
    let text = services.text(&jar).await.unwrap().replace('}', "}}").replacen("}}", "}", 1);
    let text = text.strip_suffix("}}").unwrap().to_owned() + odd;
    services.db.call(cmd!("SET", jar.key(), &text, "KEEPTTL")).await.unwrap();
    jar.ok(&ours, "/write").await;
    jar.set(&ours, "price", &json!(1.25)).await;
    let now = services.text(&jar).await.unwrap();
    let changed = odd.replace("1.50", "1.25");
    assert_eq!(now, text.replace(r#""n":1"#, r#""n":2"#).replace(odd, &changed), "{text}");
    // Express writes them in its own way; they mean the same.
    let before = jar.read(&ours).await;
    jar.ok(&express, "/write").await;
    let now = jar.read(&ours).await;
    for name in ["price", "e", "u"] {
        assert_eq!(now[name], before[name]);
    }
    assert_eq!((&now["n"], &now["o"]["b"]), (&json!(3), &json!(1)));
}

#[tokio::test]
async fn names_that_express_has_for_itself_are_refused() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    jar.ok(&express, "/login?user=ada").await;
    let before = services.text(&jar).await;
    for name in ["cookie", "id", "req", "save", "touch", "__proto__", "constructor", "user"] {
        for route in ["/set", "/read-and-set", "/append", "/login-and-set"] {
            let path = set(name, &json!({ "x": 1 })).replace("/set", route);
            let answer = jar.get(&ours, &path).await;
            assert_eq!(answer.status, 500, "{path}");
            assert_eq!(answer.set_cookie, None, "{path}");
            match answer.error {
                Some(SessionError::Express(BlobError::Name(at))) if *at == *name => {}
                Some(SessionError::Express(BlobError::User(at))) if *at == *"user" => {}
                // An object is no list.
                Some(SessionError::Unfit { .. }) if (name, route) == ("user", "/append") => {}
                error => panic!("{path}: {error:?}"),
            }
        }
    }
    // Not even a login that failed has ended the session.
    assert_eq!(services.text(&jar).await, before);
    assert_eq!(jar.read(&express).await, json!({ "user": "ada" }));
}

#[tokio::test]
async fn a_session_that_express_filled_can_be_changed_but_not_grow() {
    let Some(services) = Services::start().await else { return };
    let (express, ours) = (services.express(), services.ours());
    let mut jar = Jar::default();
    jar.ok(&express, "/write").await;
    let many: String = (0..MAX_KEYS + 10).map(|n| format!(",\"key{n}\":{n}")).collect();
    let text = services.text(&jar).await.unwrap();
    let text = format!("{}{many}}}", text.strip_suffix('}').unwrap());
    services.db.call(cmd!("SET", jar.key(), text, "KEEPTTL")).await.unwrap();
    assert_eq!(jar.ok(&ours, "/write").await, json!({ "n": 2 }));
    jar.ok(&ours, "/remove?key=key0").await;
    let answer = jar.get(&ours, "/set?key=more&value=1").await;
    assert!(matches!(answer.error, Some(SessionError::TooManyKeys)), "{answer:?}");
    jar.ok(&ours, "/login?user=ada").await;
    let values = jar.read(&express).await;
    assert_eq!(
        (&values["n"], &values["user"], &values["key0"]),
        (&json!(2), &json!("ada"), &json!(null))
    );
    assert_eq!(values["key1"], 1);
}
