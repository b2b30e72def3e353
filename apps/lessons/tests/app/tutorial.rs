//! The tutorial's walk and its bytes.

use tuckbox::{Db, cmd};
use tuckbox_sessions::Sessions;

use crate::{
    browser::Browser,
    harness::{TIME, patient, start, start_at, start_logged_in, start_with},
    stores::{keys, milliseconds_left, on_every_store, text},
};

on_every_store! {
    the_tutorials_walk,
    a_form_logs_in_as_well,
    a_login_without_a_user_is_refused,
    lessons_are_listed_by_name,
    a_lesson_marked_again_has_the_later_time,
    users_see_their_own_lessons_only,
    a_logout_ends_the_session_and_keeps_the_lessons,
    a_login_renews_the_id,
    a_planted_id_is_not_adopted,
    lessons_marked_at_the_same_time_are_all_there,
    the_keys_are_the_tutorials_and_hold_no_session_id,
    a_login_is_listed_and_can_be_ended_from_elsewhere,
}

async fn the_tutorials_walk(db: Db) {
    let mut browser = Browser::new(start(db).await);
    browser.get("/lessons/completed").await.assert(403, "{}");
    browser.mark("123").await.assert(403, "{}");
    browser.get("/login?userId=lambros").await.assert_redirects_to("/lessons/completed");
    browser.get("/lessons/completed").await.assert(200, r#"{"Lessons":{}}"#);
    let marked = format!(r#"{{"LessonSlug":"123","LastCompleted":"{TIME}"}}"#);
    browser.mark("123").await.assert(200, &marked);
    let listed = format!(r#"{{"Lessons":{{"123":"{TIME}"}}}}"#);
    browser.get("/lessons/completed").await.assert(200, &listed);
}

async fn a_form_logs_in_as_well(db: Db) {
    let address = start(db).await;
    for (path, form) in [
        ("/login", "userId=ada"),
        ("/login", "other=1&userId=+ada%20"),
        ("/login?userId=ada", ""),
        ("/login?userId=grace", "userId=ada"),
    ] {
        let mut browser = Browser::new(address);
        browser.post(path, form).await.assert_redirects_to("/lessons/completed");
        let page = browser.get("/").await;
        assert!(page.body.contains(r#"<strong id="user">ada</strong>"#), "{path} {form}");
    }
}

async fn a_login_without_a_user_is_refused(db: Db) {
    let mut browser = Browser::new(start(db).await);
    let missing = r#"{"Message":"Missing required userId"}"#;
    for path in ["/login", "/login?", "/login?userId=", "/login?userId=+%09", "/login?user=ada"] {
        browser.get(path).await.assert(400, missing);
        browser.post(path, "").await.assert(400, missing);
    }
    browser.post("/login", "userId=%20").await.assert(400, missing);
    browser.get("/login?userId=a&userId=b").await.assert(400, missing);
    let json = "POST /login HTTP/1.1\r\ncontent-type: application/json\r\n";
    browser.request(json, r#"{"userId":"ada"}"#).await.assert(400, missing);
    assert!(browser.cookies.is_empty());
    browser.assert_logged_out().await;
}

async fn lessons_are_listed_by_name(db: Db) {
    let mut browser = start_logged_in(db, "ada").await;
    for slug in ["b", "10", "~c", "9", "a.b_c-d"] {
        assert_eq!(browser.mark(slug).await.status, 200);
    }
    let slugs = ["10", "9", "a.b_c-d", "b", "~c"];
    let pairs: Vec<_> = slugs.iter().map(|slug| format!(r#""{slug}":"{TIME}""#)).collect();
    assert_eq!(browser.list().await, format!(r#"{{"Lessons":{{{}}}}}"#, pairs.join(",")));
}

async fn a_lesson_marked_again_has_the_later_time(db: Db) {
    let mut browser = start_logged_in(db.clone(), "ada").await;
    browser.mark("123").await;
    browser.address = start_at(db, "2026-01-02T03:04:05Z").await;
    let marked = r#"{"LessonSlug":"123","LastCompleted":"2026-01-02T03:04:05Z"}"#;
    browser.mark("123").await.assert(200, marked);
    assert_eq!(browser.list().await, r#"{"Lessons":{"123":"2026-01-02T03:04:05Z"}}"#);
}

async fn users_see_their_own_lessons_only(db: Db) {
    let mut ada = start_logged_in(db, "ada").await;
    let mut grace = Browser::new(ada.address);
    grace.log_in("grace").await;
    ada.mark("1").await;
    grace.mark("2").await;
    assert_eq!(ada.list().await, format!(r#"{{"Lessons":{{"1":"{TIME}"}}}}"#));
    assert_eq!(grace.list().await, format!(r#"{{"Lessons":{{"2":"{TIME}"}}}}"#));
    assert!(!grace.get("/").await.body.contains("ada"));
}

async fn a_logout_ends_the_session_and_keeps_the_lessons(db: Db) {
    let mut browser = start_logged_in(db, "ada").await;
    browser.mark("123").await;
    let mut copy = browser.clone();
    let answer = browser.post("/logout", "").await;
    answer.assert_redirects_to("/");
    assert!(answer.header("set-cookie").contains("Max-Age=0"), "{answer:?}");
    assert!(browser.cookies.is_empty());
    browser.assert_logged_out().await;
    copy.assert_logged_out().await;
    copy.mark("124").await.assert(403, "{}");
    // Without a session there is nothing to end, which is no error.
    browser.post("/logout", "").await.assert_redirects_to("/");
    browser.log_in("ada").await;
    assert_eq!(browser.list().await, format!(r#"{{"Lessons":{{"123":"{TIME}"}}}}"#));
}

async fn a_login_renews_the_id(db: Db) {
    let mut browser = start_logged_in(db, "ada").await;
    let mut old = browser.clone();
    browser.log_in("ada").await;
    assert_ne!(browser.cookies, old.cookies);
    assert_eq!(browser.list().await, r#"{"Lessons":{}}"#);
    old.assert_logged_out().await;
}

async fn a_planted_id_is_not_adopted(db: Db) {
    let mut browser = start_logged_in(db, "ada").await;
    browser.post("/logout", "").await;
    let planted = "A".repeat(52);
    browser.cookies.insert("session".to_owned(), planted.clone());
    browser.assert_logged_out().await;
    browser.log_in("ada").await;
    assert_ne!(browser.cookies["session"], planted);
    browser.cookies.insert("session".to_owned(), "no id".to_owned());
    browser.assert_logged_out().await;
}

async fn lessons_marked_at_the_same_time_are_all_there(db: Db) {
    let mut browser = start_logged_in(db, "ada").await;
    let slugs: Vec<String> = (10..60).map(|n| n.to_string()).collect();
    let marks: Vec<_> = slugs
        .iter()
        .map(|slug| {
            let (mut browser, slug) = (browser.clone(), slug.clone());
            tokio::spawn(async move { browser.mark(&slug).await.status })
        })
        .collect();
    for mark in marks {
        assert_eq!(mark.await.unwrap(), 200);
    }
    let pairs: Vec<_> = slugs.iter().map(|slug| format!(r#""{slug}":"{TIME}""#)).collect();
    assert_eq!(browser.list().await, format!(r#"{{"Lessons":{{{}}}}}"#, pairs.join(",")));
}

async fn the_keys_are_the_tutorials_and_hold_no_session_id(db: Db) {
    let mut browser = start_logged_in(db.clone(), "ada").await;
    browser.mark("123").await;
    let keys = keys(&db).await;
    let [lessons, session, index] = keys.as_slice() else { panic!("{keys:?}") };
    assert_eq!((lessons.as_str(), index.as_str()), ("lessons:ada", "sessions:ada"));
    assert!(session.starts_with("session:"), "{keys:?}");
    let time = db.call(cmd!("HGET", lessons, "123")).await.unwrap();
    assert_eq!(text(time), TIME);
    assert_eq!(milliseconds_left(&db, lessons).await, -1);
    // An hour, and by chance up to a twentieth more.
    let left = milliseconds_left(&db, session).await;
    assert!((3_500_000..=3_780_000).contains(&left), "{left}");
    // As long as the session can live however much it is used: 30 days.
    let left = milliseconds_left(&db, index).await;
    assert!((2_591_900_000..=2_592_000_000).contains(&left), "{left}");
    // Neither the id nor either of its parts.
    let (name, secret) = browser.cookies["session"].split_at(20);
    for key in [session, index] {
        let fields = format!("{keys:?} {:?}", db.call(cmd!("HGETALL", key)).await.unwrap());
        assert!(!fields.contains(name) && !fields.contains(secret), "{fields}");
    }
}

async fn a_login_is_listed_and_can_be_ended_from_elsewhere(db: Db) {
    let mut browser = Browser::new(start(db.clone()).await);
    let head = "GET /login?userId=ada HTTP/1.1\r\nuser-agent: Navigator 2.0\r\n";
    assert_eq!(browser.request(head, "").await.status, 303);
    let sessions = Sessions::new(&db, patient().build().unwrap());
    let listed = sessions.list("ada").await.unwrap();
    let [session] = listed.as_slice() else { panic!("{listed:?}") };
    assert_eq!(session.user_agent.as_deref(), Some("Navigator 2.0"));
    assert_eq!(session.address, Some([127, 0, 0, 1].into()));
    assert_eq!(sessions.revoke_all("ada").await.unwrap(), 1);
    browser.assert_logged_out().await;
}

#[tokio::test]
async fn where_login_is_closed_nobody_gets_in() {
    let db = Db::open("memory:").await.unwrap();
    let address = start_with(db.clone(), "0.0.0.0".parse().unwrap(), &[]).await;
    let mut browser = Browser::new(address);
    let message = "Logging in without a password is closed here: it is for the demo, \
                   set LOGIN=open to allow it";
    let body = format!(r#"{{"Message":"{message}"}}"#);
    browser.get("/login?userId=ada").await.assert(403, &body);
    browser.post("/login", "userId=ada").await.assert(403, &body);
    browser.post("/page/login", "userId=ada").await.assert_alert(403, message);
    assert!(browser.cookies.is_empty());
    assert!(!browser.get("/").await.body.contains("<form"));
    assert_eq!(db.call(cmd!("DBSIZE")).await.unwrap().into_integer().unwrap(), 0);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let mut browser = Browser::new(start(Db::open("memory:").await.unwrap()).await);
    for path in ["/nothing", "/lessons", "/lessons/1/2/mark-complete", "/login/"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
    assert_eq!(browser.get("/lessons/123/mark-complete").await.status, 405);
    assert_eq!(browser.get("/logout").await.status, 405);
    assert_eq!(browser.post("/lessons/completed", "").await.status, 405);
}
