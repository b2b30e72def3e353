//! What users are told when the store fails, and what is true afterwards.

use std::time::{Duration, SystemTime};

use tuckbox::{Db, Reply, cmd};
use tuckbox_sessions::Clock;

use crate::{
    browser::{Browser, SOON},
    fake_store::{FakeStore, Fault, Purpose},
    harness::{TIME, patient, start, start_with_sessions},
    stores::{keys, milliseconds_left},
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
    on_the_page_it_is_not_no_session_either,
    lessons_that_cannot_be_read_are_not_no_lessons,
    a_lesson_that_is_not_saved_is_not_said_to_be,
    a_login_that_is_not_stored_is_none,
    a_login_that_is_not_listed_is_none,
    a_logout_that_is_not_stored_is_none,
}

/// The app on a store that works, and Ada, who is logged in and has lesson 123.
async fn ada(store: &FakeStore, fault: Fault) -> Browser {
    let mut browser = Browser::new(store.app(fault).await);
    browser.log_in("ada").await;
    assert_eq!(browser.mark("123").await.status, 200);
    browser
}

async fn assert_all_is_as_before(store: &FakeStore, browser: &mut Browser) {
    store.recover();
    assert_eq!(browser.list().await, format!(r#"{{"Lessons":{{"123":"{TIME}"}}}}"#));
    let keys = keys(&store.db).await;
    let are = |prefix| keys.iter().filter(move |key| key.starts_with(prefix));
    assert_eq!(are("lessons:").collect::<Vec<_>>(), ["lessons:ada"]);
    assert_eq!(are("session:").count(), 1, "{keys:?}");
    assert_sessions_are_whole(&store.db).await;
}

/// Asserts that whatever the store has of sessions goes away by itself, and is
/// either a whole session, or the mark of one that ended, or a list of them.
async fn assert_sessions_are_whole(db: &Db) {
    for key in keys(db).await.iter().filter(|key| !key.starts_with("lessons:")) {
        assert!(milliseconds_left(db, key).await > 0, "{key} stays");
        if key.starts_with("session:") {
            let fields = cmd!("HMGET", key, "token", "created", "seen", "user", "ended");
            let fields = db.call(fields).await.unwrap().into_array().unwrap();
            let has: Vec<_> = fields.iter().map(|field| *field != Reply::Null).collect();
            let whole = [[true, true, true, true, false], [false, false, false, false, true]];
            assert!(whole.contains(&has.as_slice().try_into().unwrap()), "{key}: {fields:?}");
        }
    }
}

async fn a_session_that_cannot_be_read_is_not_no_session(fault: Fault) {
    let store = FakeStore::start().await;
    let mut browser = ada(&store, fault).await;
    let cookies = browser.cookies.clone();
    store.fail(Purpose::SESSION, fault);
    browser.get("/lessons/completed").await.assert(500, VALIDATE);
    browser.mark("124").await.assert(500, VALIDATE);
    browser.get("/login?userId=grace").await.assert(503, LOG_IN);
    assert_eq!(browser.cookies, cookies);
    assert_all_is_as_before(&store, &mut browser).await;
}

async fn on_the_page_it_is_not_no_session_either(fault: Fault) {
    let store = FakeStore::start().await;
    let mut browser = ada(&store, fault).await;
    let cookies = browser.cookies.clone();
    store.fail([Purpose::ReadSession], fault);
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
    store.fail([Purpose::ReadLessons], fault);
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
    store.fail([Purpose::SaveLesson], fault);
    browser.mark("124").await.assert(500, SAVE);
    let page = browser.post("/page/mark-complete", "lessonSlug=124").await;
    page.assert_alert(500, "We could not save your progression...");
    assert!(page.body.contains(r#"value="124""#), "what was typed is kept: {}", page.body);
    assert!(page.body.contains(r#"id="lesson-123""#), "{}", page.body);
    assert!(!page.body.contains(r#"id="lesson-124""#), "{}", page.body);
    assert_all_is_as_before(&store, &mut browser).await;
}

async fn a_login_that_is_not_stored_is_none(fault: Fault) {
    a_login_whose_command_fails_is_none(Purpose::SaveSession, fault).await;
}

/// Else its user could not end it from elsewhere.
async fn a_login_that_is_not_listed_is_none(fault: Fault) {
    a_login_whose_command_fails_is_none(Purpose::ListSession, fault).await;
}

async fn a_login_whose_command_fails_is_none(purpose: Purpose, fault: Fault) {
    let store = FakeStore::start().await;
    let mut browser = Browser::new(store.app(fault).await);
    store.fail([purpose], fault);
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
    assert_sessions_are_whole(&store.db).await;
}

async fn a_logout_that_is_not_stored_is_none(fault: Fault) {
    let store = FakeStore::start().await;
    let mut browser = ada(&store, fault).await;
    let cookies = browser.cookies.clone();
    store.fail([Purpose::EndSession], fault);
    let answer = browser.post("/logout", "").await;
    answer.assert(503, LOG_OUT);
    assert_eq!(answer.header("retry-after"), "1");
    let page = browser.post("/page/logout", "").await;
    page.assert_alert(503, "We could not log you out...");
    assert!(!page.body.contains("<form"), "{}", page.body);
    assert_eq!(browser.cookies, cookies);
    assert_all_is_as_before(&store, &mut browser).await;
}

/// What is done to the session when the line to the store is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    /// By a login.
    Begin,
    /// By a login of somebody else.
    Replace,
    /// By a logout.
    End,
}

/// Cuts the line to the store after each number of bytes that can pass, in both
/// directions together, until there is nothing left to cut.
async fn a_cut_leaves_all_or_nothing(act: Act) {
    let store = FakeStore::start().await;
    let address = store.app(Fault::Dropped).await;
    // The store gets to know the scripts.
    let mut first = Browser::new(address);
    first.log_in("ada").await;
    first.post("/logout", "").await.assert_redirects_to("/");
    let (mut done, mut not_done) = (0, 0);
    for bytes in 0.. {
        // One that logs in also has the app connect again.
        let mut browser = Browser::new(address);
        browser.log_in("ada").await;
        if act == Act::Begin {
            browser.cookies.clear();
        }
        let before = (browser.cookies.clone(), sessions(&store.db).await);
        store.cut_after(bytes);
        let answer = match act {
            Act::Begin => browser.get("/login?userId=ada").await,
            Act::Replace => browser.get("/login?userId=grace").await,
            Act::End => browser.post("/logout", "").await,
        };
        store.recover();
        assert_sessions_are_whole(&store.db).await;
        let is_done = sessions(&store.db).await != before.1;
        let status = browser.get("/lessons/completed").await.status;
        if answer.status == 303 {
            assert!(is_done && browser.cookies != before.0);
            assert_eq!(status, if act == Act::End { 403 } else { 200 });
            break;
        }
        // Not confirmed: it was done, or it was not.
        assert_eq!((answer.status, &browser.cookies), (503, &before.0), "after {bytes} bytes");
        let logged_in = act != Act::Begin && !is_done;
        assert_eq!(status, if logged_in { 200 } else { 403 }, "after {bytes} bytes");
        *if is_done { &mut done } else { &mut not_done } += 1;
        store.db.call(cmd!("FLUSHALL")).await.unwrap();
    }
    assert!(done > 0 && not_done > 0, "{done} were done, {not_done} not");
}

/// All that the store has under the keys of sessions.
async fn sessions(db: &Db) -> Vec<Reply> {
    let mut sessions = Vec::new();
    for key in keys(db).await.iter().filter(|key| key.starts_with("session:")) {
        sessions.push(db.call(cmd!("HGETALL", key)).await.unwrap());
    }
    sessions
}

#[tokio::test]
async fn a_login_that_is_cut_at_any_byte_is_whole_or_none() {
    a_cut_leaves_all_or_nothing(Act::Begin).await;
}

#[tokio::test]
async fn a_login_over_a_session_that_is_cut_at_any_byte_is_whole_or_none() {
    a_cut_leaves_all_or_nothing(Act::Replace).await;
}

#[tokio::test]
async fn a_logout_that_is_cut_at_any_byte_is_whole_or_none() {
    a_cut_leaves_all_or_nothing(Act::End).await;
}

#[tokio::test]
async fn a_store_that_fails_again_and_again_is_given_a_pause() {
    let store = FakeStore::start().await;
    let clock = Clock::fixed(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let sessions = patient().clock(clock.clone());
    let address = start_with_sessions(store.client(SOON).await, sessions).await;
    let mut browser = Browser::new(address);
    browser.log_in("ada").await;
    store.fail(Purpose::SESSION, Fault::Dropped);
    for _ in 0..5 {
        browser.get("/lessons/completed").await.assert(500, VALIDATE);
    }
    let met = store.met();
    browser.get("/lessons/completed").await.assert(500, VALIDATE);
    for (path, message) in [("/login?userId=ada", LOG_IN), ("/logout", LOG_OUT)] {
        let answer = browser.post(path, "").await;
        answer.assert(503, message);
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(store.met(), met, "nothing was asked in the pause");
    store.recover();
    clock.advance(Duration::from_secs(1));
    assert_eq!(browser.list().await, r#"{"Lessons":{}}"#);
}

#[tokio::test]
async fn a_lesson_whose_confirmation_was_lost_is_listed_as_it_is_stored() {
    let fault = Fault::AppliedAndDropped;
    let store = FakeStore::start().await;
    let mut browser = ada(&store, fault).await;
    store.fail([Purpose::SaveLesson], fault);
    browser.mark("124").await.assert(500, SAVE);
    store.recover();
    let both = format!(r#"{{"Lessons":{{"123":"{TIME}","124":"{TIME}"}}}}"#);
    assert_eq!(browser.list().await, both);
}

#[tokio::test]
async fn a_login_whose_confirmation_was_lost_sets_no_cookie() {
    let fault = Fault::AppliedAndDropped;
    let store = FakeStore::start().await;
    let mut browser = Browser::new(store.app(fault).await);
    store.fail([Purpose::SaveSession], fault);
    browser.get("/login?userId=ada").await.assert(503, LOG_IN);
    store.recover();
    assert!(browser.cookies.is_empty());
    browser.assert_logged_out().await;
    assert_sessions_are_whole(&store.db).await;
}

#[tokio::test]
async fn a_confirmation_that_was_lost_once_is_asked_for_again() {
    let fault = Fault::AppliedAndDroppedOnce;
    let store = FakeStore::start().await;
    let mut browser = Browser::new(store.app(fault).await);
    for _ in 0..2 {
        // The second is over a session.
        store.fail([Purpose::SaveSession], fault);
        browser.log_in("ada").await;
        assert_eq!(store.met(), 1);
        store.recover();
        assert_eq!(browser.list().await, r#"{"Lessons":{}}"#);
    }
    store.fail([Purpose::EndSession], fault);
    let mut copy = browser.clone();
    browser.post("/logout", "").await.assert_redirects_to("/");
    assert_eq!(store.met(), 1);
    copy.assert_logged_out().await;
    assert_sessions_are_whole(&store.db).await;
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
    browser.cookies.insert("session".to_owned(), "A".repeat(52));
    browser.get("/lessons/completed").await.assert(500, VALIDATE);
}
