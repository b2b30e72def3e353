//! What users are told when the store fails, and what is true afterwards.

use tuckbox::{Db, cmd};

use crate::{
    browser::Browser,
    fake_store::{FakeStore, Fault},
    harness::{TIME, start},
};

const VALIDATE: &str = r#"{"Message":"We could not validate the provided session ID"}"#;
const SAVE: &str = r#"{"Message":"We could not save your progression..."}"#;
const LOAD: &str = r#"{"Message":"We could not load your lessons..."}"#;
const LOG_IN: &str = r#"{"Message":"We could not log you in..."}"#;
const LOG_OUT: &str = r#"{"Message":"We could not log you out..."}"#;

/// Runs each of the named functions with every fault that leaves the data as
/// it was, in a test for each.
macro_rules! with_every_fault {
    ($($name:ident),* $(,)?) => {
        with_every_fault!(@ refused, Fault::Refused("OOM command not allowed"), $($name)*);
        with_every_fault!(@ loading, Fault::Refused("LOADING Redis is loading"), $($name)*);
        with_every_fault!(@ hangs, Fault::Hangs, $($name)*);
        with_every_fault!(@ dropped, Fault::Dropped, $($name)*);
    };
    (@ $module:ident, $fault:expr, $($name:ident)*) => {
        mod $module {
            use crate::fake_store::Fault;
            $(#[tokio::test]
            async fn $name() {
                super::$name($fault).await;
            })*
        }
    };
}

with_every_fault! {
    a_session_that_cannot_be_read_is_not_no_session,
    lessons_that_cannot_be_read_are_not_no_lessons,
    a_lesson_that_is_not_saved_is_not_said_to_be,
    a_login_that_is_not_stored_is_none,
    a_logout_that_is_not_stored_is_none,
}

/// The app on a store that works, and Ada, who is logged in and has lesson 123.
async fn ada(store: &FakeStore, fault: Fault) -> Browser {
    let mut browser = Browser::new(start(store.client(fault).await).await);
    browser.log_in("ada").await;
    assert_eq!(browser.mark("123").await.status, 200);
    browser
}

async fn assert_all_is_as_before(store: &FakeStore, browser: &mut Browser) {
    store.recover();
    assert_eq!(browser.list().await, format!(r#"{{"Lessons":{{"123":"{TIME}"}}}}"#));
    assert_eq!(store.db.call(cmd!("DBSIZE")).await.unwrap().into_integer().unwrap(), 2);
}

async fn a_session_that_cannot_be_read_is_not_no_session(fault: Fault) {
    let store = FakeStore::start().await;
    let mut browser = ada(&store, fault).await;
    let cookies = browser.cookies.clone();
    store.fail("HGETALL", "session:", fault);
    browser.get("/lessons/completed").await.assert(500, VALIDATE);
    browser.mark("124").await.assert(500, VALIDATE);
    browser.get("/login?userId=grace").await.assert(503, LOG_IN);
    let page = browser.get("/").await;
    page.assert_alert(500, "We could not check who you are...");
    assert!(!page.body.contains("<form"), "nobody needs to log in again: {}", page.body);
    browser
        .post("/page/mark-complete", "lessonSlug=124")
        .await
        .assert_alert(500, "We could not check who you are...");
    assert_eq!(browser.cookies, cookies);
    assert_all_is_as_before(&store, &mut browser).await;
}

async fn lessons_that_cannot_be_read_are_not_no_lessons(fault: Fault) {
    let store = FakeStore::start().await;
    let mut browser = ada(&store, fault).await;
    store.fail("HGETALL", "lessons:", fault);
    browser.get("/lessons/completed").await.assert(500, LOAD);
    let page = browser.get("/").await;
    page.assert_alert(500, "We could not load your lessons...");
    assert!(page.body.contains(r#"<strong id="user">ada</strong>"#), "{}", page.body);
    assert!(!page.body.contains("None yet."), "{}", page.body);
    assert_all_is_as_before(&store, &mut browser).await;
}

async fn a_lesson_that_is_not_saved_is_not_said_to_be(fault: Fault) {
    let store = FakeStore::start().await;
    let mut browser = ada(&store, fault).await;
    store.fail("HSET", "lessons:", fault);
    browser.mark("124").await.assert(500, SAVE);
    let page = browser.post("/page/mark-complete", "lessonSlug=124").await;
    page.assert_alert(500, "We could not save your progression...");
    assert!(page.body.contains(r#"value="124""#), "what was typed is kept: {}", page.body);
    assert!(page.body.contains(r#"id="lesson-123""#), "{}", page.body);
    assert!(!page.body.contains(r#"id="lesson-124""#), "{}", page.body);
    assert_all_is_as_before(&store, &mut browser).await;
}

async fn a_login_that_is_not_stored_is_none(fault: Fault) {
    let store = FakeStore::start().await;
    let mut browser = Browser::new(start(store.client(fault).await).await);
    store.fail("HSET", "session:", fault);
    let answer = browser.get("/login?userId=ada").await;
    answer.assert(503, LOG_IN);
    assert_eq!(answer.header("retry-after"), "1");
    browser.post("/login", "userId=ada").await.assert(503, LOG_IN);
    let page = browser.post("/page/login", "userId=ada").await;
    page.assert_alert(503, "We could not log you in...");
    assert!(!page.body.contains("You are logged in"), "{}", page.body);
    assert!(page.body.contains(r#"name="userId" value="ada""#), "{}", page.body);
    assert!(browser.cookies.is_empty());
    store.recover();
    browser.assert_logged_out().await;
    browser.log_in("ada").await;
    assert_eq!(browser.list().await, r#"{"Lessons":{}}"#);
}

async fn a_logout_that_is_not_stored_is_none(fault: Fault) {
    let store = FakeStore::start().await;
    let mut browser = ada(&store, fault).await;
    let cookies = browser.cookies.clone();
    store.fail("DEL", "session:", fault);
    let answer = browser.post("/logout", "").await;
    answer.assert(503, LOG_OUT);
    assert_eq!(answer.header("retry-after"), "1");
    let page = browser.post("/page/logout", "").await;
    page.assert_alert(503, "We could not log you out...");
    assert!(!page.body.contains("<form"), "{}", page.body);
    assert_eq!(browser.cookies, cookies);
    assert_all_is_as_before(&store, &mut browser).await;
}

#[tokio::test]
async fn a_session_without_a_lifetime_is_not_handed_out() {
    let fault = Fault::Refused("ERR no");
    let store = FakeStore::start().await;
    let mut browser = Browser::new(start(store.client(fault).await).await);
    store.fail("PEXPIRE", "session:", fault);
    browser.get("/login?userId=ada").await.assert(503, LOG_IN);
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_lesson_whose_confirmation_was_lost_is_listed_as_it_is_stored() {
    let fault = Fault::AppliedAndDropped;
    let store = FakeStore::start().await;
    let mut browser = ada(&store, fault).await;
    store.fail("HSET", "lessons:", fault);
    browser.mark("124").await.assert(500, SAVE);
    store.recover();
    let both = format!(r#"{{"Lessons":{{"123":"{TIME}","124":"{TIME}"}}}}"#);
    assert_eq!(browser.list().await, both);
}

#[tokio::test]
async fn a_login_whose_confirmation_was_lost_sets_no_cookie() {
    let fault = Fault::AppliedAndDropped;
    let store = FakeStore::start().await;
    let mut browser = Browser::new(start(store.client(fault).await).await);
    store.fail("PEXPIRE", "session:", fault);
    browser.get("/login?userId=ada").await.assert(503, LOG_IN);
    store.recover();
    assert!(browser.cookies.is_empty());
    browser.assert_logged_out().await;
}

#[tokio::test]
async fn a_key_of_another_kind_is_an_error_and_stays() {
    let db = Db::open("memory:").await.unwrap();
    let mut browser = Browser::new(start(db.clone()).await);
    browser.log_in("ada").await;
    db.call(cmd!("SET", "lessons:ada", "a string")).await.unwrap();
    browser.get("/lessons/completed").await.assert(500, LOAD);
    browser.mark("123").await.assert(500, SAVE);
    let kept = db.call(cmd!("GET", "lessons:ada")).await.unwrap();
    assert_eq!(crate::stores::text(kept), "a string");
}

#[tokio::test]
async fn without_a_store_strangers_are_strangers_and_the_page_is_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let db = Db::open(&format!("redis://127.0.0.1:{port}")).await.unwrap();
    let mut browser = Browser::new(start(db).await);
    browser.assert_logged_out().await;
    assert_eq!(browser.get("/").await.status, 200);
    browser.get("/login?userId=ada").await.assert(503, LOG_IN);
    browser.cookies.insert("session".to_owned(), "A".repeat(43));
    browser.get("/lessons/completed").await.assert(500, VALIDATE);
}
