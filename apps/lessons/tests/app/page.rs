//! The page for people.

use tuckbox::{Db, cmd};

use crate::{
    browser::{Answer, Browser},
    harness::{TIME, start, start_logged_in},
    stores::on_every_store,
};

on_every_store! {
    a_person_logs_in_marks_a_lesson_and_logs_out,
    a_bad_slug_is_told_and_can_be_corrected,
}

const LOGIN_FORM: &str = r#"<form method="post" action="/page/login">"#;
const MARK_FORM: &str = r#"<form method="post" action="/page/mark-complete">"#;

fn assert_is_safe(page: &Answer) {
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert_eq!(
        page.header("content-security-policy"),
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    assert!(!page.body.contains("<script"), "{}", page.body);
}

async fn a_person_logs_in_marks_a_lesson_and_logs_out(db: Db) {
    let mut browser = Browser::new(start(db).await);
    let page = browser.get("/").await;
    assert_is_safe(&page);
    assert!(page.body.contains(LOGIN_FORM) && !page.body.contains(MARK_FORM), "{}", page.body);
    assert!(page.body.contains("This demo asks for no password"), "{}", page.body);
    assert!(!page.body.contains(r#"role="alert""#), "{}", page.body);

    browser.post("/page/login", "userId=ada").await.assert_redirects_to("/");
    let page = browser.get("/").await;
    assert_is_safe(&page);
    assert!(page.body.contains(r#"<strong id="user">ada</strong>"#), "{}", page.body);
    assert!(page.body.contains(MARK_FORM) && !page.body.contains(LOGIN_FORM), "{}", page.body);
    assert!(page.body.contains("None yet."), "{}", page.body);

    let marked = browser.post("/page/mark-complete", "lessonSlug=123").await;
    marked.assert_redirects_to("/#lesson-123");
    let page = browser.get("/").await;
    let row = format!(
        r#"<tr id="lesson-123"><th scope="row">123</th><td><time datetime="{TIME}">12 Oct 2022, 02:01 UTC+03:00</time></td></tr>"#
    );
    assert!(page.body.contains(&row), "{}", page.body);
    assert_eq!(browser.list().await, format!(r#"{{"Lessons":{{"123":"{TIME}"}}}}"#));

    browser.post("/page/logout", "").await.assert_redirects_to("/");
    assert!(browser.cookies.is_empty());
    assert!(browser.get("/").await.body.contains(LOGIN_FORM));
    browser.assert_logged_out().await;
}

async fn a_bad_slug_is_told_and_can_be_corrected(db: Db) {
    let mut browser = start_logged_in(db, "ada").await;
    let page = browser.post("/page/mark-complete", "lessonSlug=a%2Fb").await;
    let message = "The lesson&#39;s name may have letters (a-z, A-Z), digits and . _ - ~ only";
    page.assert_alert(400, message);
    assert_is_safe(&page);
    assert!(page.body.contains(r#"name="lessonSlug" value="a/b""#), "{}", page.body);
    let focus = r#"autofocus aria-invalid="true" aria-describedby="error hint""#;
    assert!(page.body.contains(focus), "{}", page.body);
    assert!(page.body.contains("None yet."), "{}", page.body);
    let page = browser.post("/page/mark-complete", "lessonSlug=+").await;
    page.assert_alert(400, "Please type the lesson&#39;s name.");
}

async fn memory() -> Db {
    Db::open("memory:").await.unwrap()
}

#[tokio::test]
async fn a_bad_user_id_is_told_and_can_be_corrected() {
    let mut browser = Browser::new(start(memory().await).await);
    let page = browser.post("/page/login", "userId=a+b").await;
    page.assert_alert(400, "The user id may have letters (a-z, A-Z), digits and . _ - @ + only");
    assert!(page.body.contains(r#"name="userId" value="a b""#), "{}", page.body);
    for empty in ["", "userId=", "userId=%20", "userId=a&userId=b"] {
        let page = browser.post("/page/login", empty).await;
        page.assert_alert(400, "Please type the user id.");
    }
    let json = "POST /page/login HTTP/1.1\r\ncontent-type: application/json\r\n";
    let page = browser.request(json, r#"{"userId":"ada"}"#).await;
    page.assert_alert(400, "Please type the user id.");
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn what_was_typed_is_never_markup() {
    let mut browser = Browser::new(start(memory().await).await);
    let attack = "userId=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%27%26";
    let page = browser.post("/page/login", attack).await;
    assert_is_safe(&page);
    let escaped = r#"value="&#34;&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#39;&#38;""#;
    assert!(page.body.contains(escaped), "{}", page.body);
    browser.log_in("ada").await;
    let page = browser.post("/page/mark-complete", &attack.replace("userId", "lessonSlug")).await;
    assert_is_safe(&page);
    assert!(page.body.contains(escaped), "{}", page.body);
}

#[tokio::test]
async fn what_others_stored_is_never_markup() {
    let db = memory().await;
    db.call(cmd!("HSET", "lessons:ada", "\"><script>", "<i>\"")).await.unwrap();
    let mut browser = start_logged_in(db, "ada").await;
    let page = browser.get("/").await;
    assert_is_safe(&page);
    assert!(page.body.contains("&#60;i&#62;&#34;</time>"), "{}", page.body);
    assert_eq!(browser.list().await, r#"{"Lessons":{"\"><script>":"<i>\""}}"#);
}

#[tokio::test]
async fn who_is_logged_out_meanwhile_is_told_so() {
    let mut browser = start_logged_in(memory().await, "ada").await;
    let mut other_tab = browser.clone();
    browser.post("/logout", "").await;
    let page = other_tab.post("/page/mark-complete", "lessonSlug=123").await;
    page.assert_alert(403, "You are not logged in any more. Log in and try again.");
    assert!(page.body.contains(LOGIN_FORM), "{}", page.body);
    other_tab.post("/page/logout", "").await.assert_redirects_to("/");
}

#[tokio::test]
async fn the_address_of_a_form_leads_back_to_the_page() {
    let mut browser = Browser::new(start(memory().await).await);
    for form in ["/page/login", "/page/mark-complete", "/page/logout"] {
        browser.get(form).await.assert_redirects_to("/");
    }
}
