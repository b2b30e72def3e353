//! Which user ids and slugs are taken, as they come in a URL.

use tuckbox::Db;

use crate::{
    browser::Browser,
    harness::{TIME, start, start_logged_in},
};

const BAD_SLUG: &str =
    r#"{"Message":"The lesson's name may have letters (a-z, A-Z), digits and . _ - ~ only"}"#;
const BAD_USER: &str =
    r#"{"Message":"The user id may have letters (a-z, A-Z), digits and . _ - @ + only"}"#;

#[tokio::test]
async fn slugs_that_are_none_are_refused_and_not_stored() {
    let mut browser = start_logged_in(Db::open("memory:").await.unwrap(), "ada").await;
    for slug in [
        "a%2Fb",
        "..%2F..%2Fetc",
        "a%20b",
        "a%5Cb",
        "a%00b",
        "a%0Ab",
        "%C3%A9",
        "%E2%80%AEabc",
        "%EF%BC%91",
        "%3Cscript%3E",
        "a%25b",
        "a+b",
        "a'b",
        "a:b",
        "*",
        "%FF",
        "a%C3",
        "{x}",
    ] {
        browser.mark(slug).await.assert(400, BAD_SLUG);
    }
    for blank in ["", "%20%09"] {
        let missing = r#"{"Message":"Missing required lessonSlug"}"#;
        browser.mark(blank).await.assert(400, missing);
    }
    browser
        .mark("%2E%2E")
        .await
        .assert(400, r#"{"Message":"The lesson's name cannot be . or .."}"#);
    let long = r#"{"Message":"The lesson's name is longer than 64 characters"}"#;
    browser.mark(&"x".repeat(65)).await.assert(400, long);
    browser.mark(&"%C3%A9".repeat(65)).await.assert(400, long);
    browser.mark(&"x".repeat(20_000)).await.assert(400, long);
    assert_eq!(browser.list().await, r#"{"Lessons":{}}"#);
}

#[tokio::test]
async fn strangers_are_not_told_what_a_slug_is() {
    let mut browser = Browser::new(start(Db::open("memory:").await.unwrap()).await);
    for slug in ["a%2Fb", "%FF", "%20"] {
        browser.mark(slug).await.assert(403, "{}");
    }
}

#[tokio::test]
async fn slugs_at_the_edge_are_taken() {
    let mut browser = start_logged_in(Db::open("memory:").await.unwrap(), "ada").await;
    for (sent, stored) in [
        ("x".repeat(64).as_str(), "x".repeat(64).as_str()),
        ("0", "0"),
        ("...", "..."),
        ("A.b_c-d~", "A.b_c-d~"),
        ("%31%32%33", "123"),
        ("%20123%20", "123"),
    ] {
        let body = format!(r#"{{"LessonSlug":"{stored}","LastCompleted":"{TIME}"}}"#);
        browser.mark(sent).await.assert(200, &body);
    }
}

#[tokio::test]
async fn user_ids_that_are_none_are_refused_wherever_they_come() {
    let mut browser = Browser::new(start(Db::open("memory:").await.unwrap()).await);
    for user in ["a%20b", "a:b", "%C3%A9", "%FF", "a%00", "a/b", "a%0D%0Ab", "*", "%3Cb%3E", "a~"] {
        browser.get(&format!("/login?userId={user}")).await.assert(400, BAD_USER);
        browser.post("/login", &format!("userId={user}")).await.assert(400, BAD_USER);
    }
    let long = "x".repeat(65);
    let body = r#"{"Message":"The user id is longer than 64 characters"}"#;
    browser.get(&format!("/login?userId={long}")).await.assert(400, body);
    browser.post("/login", &format!("userId={long}")).await.assert(400, body);
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn user_ids_at_the_edge_are_taken() {
    let address = start(Db::open("memory:").await.unwrap()).await;
    for user in ["x".repeat(64).as_str(), "1", "ada%2Btest@example.org", "A.b_c-d"] {
        let mut browser = Browser::new(address);
        browser.log_in(user).await;
        assert_eq!(browser.list().await, r#"{"Lessons":{}}"#);
    }
}
