//! The same races on any server that has the example's routes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    client::{Answer, Browser},
    storms::storm,
};

/// How long after a slow request the others are sent. Here nothing says when it
/// has read its session, so that a very slow server is judged wrongly.
const HEAD_START: Duration = Duration::from_millis(200);

/// The server, and whether the session is named by this cookie.
struct Other(String);

impl Other {
    fn browser(&self) -> Browser {
        Browser::new(&*self.0)
    }

    fn visitor(&self) -> Browser {
        let mut browser = self.browser();
        browser.get("/write");
        browser
    }

    fn user(&self) -> Browser {
        let mut browser = self.browser();
        browser.get("/login?user=ada");
        browser
    }
}

/// Sends `slow`, and `others` while it waits.
fn race(browser: &Browser, slow: &str, others: impl FnOnce()) -> (Answer, Browser) {
    let mut tab = browser.clone();
    let answer = thread::scope(|scope| {
        let slow = scope.spawn(|| tab.get(slow));
        thread::sleep(HEAD_START);
        others();
        slow.join().unwrap()
    });
    (answer, tab)
}

fn read(browser: &Browser) -> Value {
    let answer = browser.clone().get("/read");
    serde_json::from_str(&answer.body).unwrap_or(Value::Null)
}

/// What is still there of a session that has ended: for whoever has the old
/// cookie, and for whoever takes what the slow request was answered.
fn aftermath(old: &Browser, answer: &Answer, tab: &Browser) -> String {
    let shown = |browser: &Browser| match read(browser) {
        Value::Object(values) if values.is_empty() => "nothing".to_owned(),
        other => other.to_string(),
    };
    let cookie = if answer.set_cookie().is_some() { "a cookie" } else { "no cookie" };
    format!(
        "answer {} with {cookie}; old cookie reads {}; its own reads {}",
        answer.status,
        shown(old),
        shown(tab)
    )
}

fn lost_updates(other: &Other) -> String {
    let mut browser = other.visitor();
    let before = read(&browser)["n"].as_u64().unwrap_or(0);
    let answered: usize = (0..5).map(|_| storm(&browser, "/write").iter().flatten().count()).sum();
    let counted = read(&browser)["n"].as_u64().unwrap_or(0) - before;
    browser.get("/logout");
    format!("{counted} of {answered} counted")
}

fn different_keys(other: &Other) -> String {
    let browser = other.visitor();
    let (answer, _) = race(&browser, "/slowwrite", || drop(browser.clone().get("/write")));
    format!("answer {}; then {}", answer.status, read(&browser))
}

fn slow_reader(other: &Other) -> String {
    let browser = other.visitor();
    let (_, _) = race(&browser, "/slowread", || drop(browser.clone().get("/write")));
    format!("then {}", read(&browser))
}

fn write_and_logout(other: &Other) -> String {
    let browser = other.user();
    let (answer, tab) = race(&browser, "/slowwrite", || drop(browser.clone().get("/logout")));
    aftermath(&browser, &answer, &tab)
}

fn read_and_logout(other: &Other) -> String {
    let browser = other.user();
    let (answer, tab) = race(&browser, "/slowread", || drop(browser.clone().get("/logout")));
    aftermath(&browser, &answer, &tab)
}

fn write_and_login(other: &Other) -> String {
    let browser = other.visitor();
    let mut login = browser.clone();
    let (answer, tab) = race(&browser, "/slowwrite", || drop(login.get("/login?user=ada")));
    format!("{}; new cookie reads {}", aftermath(&browser, &answer, &tab), read(&login))
}

fn write_and_revocation(other: &Other) -> String {
    let (browser, mut laptop) = (other.user(), other.user());
    let (answer, tab) = race(&browser, "/slowwrite", || drop(laptop.get("/revoke-others")));
    aftermath(&browser, &answer, &tab)
}

fn planted(other: &Other) -> String {
    let mut browser = other.visitor();
    let Some(pair) = browser.cookie.clone() else { return "no cookie".to_owned() };
    let (name, value) = pair.split_once('=').unwrap();
    let value = value.replace(|c: char| c.is_ascii_alphanumeric(), "a");
    let planted = Some(format!("{name}={value}"));
    browser.cookie = planted.clone();
    browser.get("/login?user=ada");
    let mut attacker = other.browser();
    attacker.cookie = planted;
    format!("reads {}", read(&attacker))
}

fn durable(other: &Other) -> String {
    let mut seen = 0;
    for _ in 0..50 {
        let mut browser = other.browser();
        let answer = browser.get("/write");
        let n = answer.body.trim().parse::<u64>().ok();
        seen += usize::from(n.is_some() && read(&browser)["n"].as_u64() == n);
    }
    format!("{seen} of 50 seen by the next request")
}

fn failure(other: &Other) -> String {
    let mut browser = other.visitor();
    let answer = browser.get("/err");
    let kept = !read(&browser)["err"].is_null();
    format!("answer {}; what it wrote is {}", answer.status, if kept { "kept" } else { "gone" })
}

type Check = fn(&Other) -> String;

const CHECKS: [(&str, Check); 10] = [
    ("160 parallel increments", lost_updates),
    ("slow write, other write", different_keys),
    ("slow read, other write", slow_reader),
    ("slow write, logout", write_and_logout),
    ("slow read, logout", read_and_logout),
    ("slow write, login", write_and_login),
    ("slow write, revocation", write_and_revocation),
    ("planted id, login", planted),
    ("saved before it is answered", durable),
    ("write, then 500", failure),
];

#[test]
#[ignore = "looks at the server that CONFORMANCE_URL names"]
fn another_server_is_looked_at() {
    let url = std::env::var("CONFORMANCE_URL").unwrap();
    let server = url.strip_prefix("http://").unwrap().trim_end_matches('/');
    let other = Other(server.to_owned());
    println!("| race | what came of it |\n|---|---|");
    for (name, check) in CHECKS {
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&other)));
        println!("| {name} | {} |", outcome.unwrap_or_else(|_| "could not be judged".to_owned()));
    }
}
