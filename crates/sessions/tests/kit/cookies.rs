//! Cookies that are not ours, or not only ours.

use serde_json::json;

use crate::program::on_every_store;

#[test]
fn a_planted_id_is_never_adopted() {
    on_every_store(|program| {
        for path in ["/write", "/login?user=ada", "/err", "/slowwrite"] {
            let mut victim = program.browser();
            let planted = Some(format!("session={}", "a".repeat(52)));
            victim.cookie = planted.clone();
            let answer = victim.get(path);
            assert!(answer.set_cookie().is_some(), "{path}: {answer:?}");
            assert_ne!(victim.cookie, planted, "{path}");
            let mut attacker = program.browser();
            attacker.cookie = planted;
            assert_eq!(attacker.values(), json!({}), "{path}");
        }
    });
}

#[test]
fn an_id_with_another_secret_is_a_strangers() {
    on_every_store(|program| {
        let mut browser = program.logged_in("ada");
        let mut pair = browser.cookie.clone().unwrap().into_bytes();
        for place in [pair.len() - 1, "session=".len()] {
            let was = pair[place];
            pair[place] = if was == b'A' { b'B' } else { b'A' };
            let mut thief = program.browser();
            thief.cookie = Some(String::from_utf8(pair.clone()).unwrap());
            assert_eq!(thief.values(), json!({}));
            assert_eq!(thief.text("/logout"), "ok");
            assert_eq!(thief.text("/write"), "1");
            assert_ne!(thief.cookie, browser.cookie);
            pair[place] = was;
        }
        assert_eq!(browser.values(), json!({"user": "ada"}));
    });
}

#[test]
fn cookies_that_cannot_be_ours_are_no_session_and_no_error() {
    on_every_store(|program| {
        let browser = program.logged_in("ada");
        let ours = browser.cookie.clone().unwrap();
        let long = format!("session={}", "a".repeat(20_000));
        let many = "x=y; ".repeat(2_000);
        let bad: [&[u8]; 9] = [
            b"session=",
            b"session",
            b"session=short",
            long.as_bytes(),
            b"session=\"quoted\"",
            b"session=\xff\xfe\xfd",
            "session=äöü".as_bytes(),
            b";;;===;;; session==; =",
            many.as_bytes(),
        ];
        for cookie in bad {
            let header = [b"cookie: ", cookie, b"\r\n"].concat();
            let answer = browser.send("/read", &header).unwrap();
            let shown = String::from_utf8_lossy(&cookie[..cookie.len().min(60)]);
            assert_eq!((answer.status, &*answer.body), (200, "{}"), "{shown}");
            assert_eq!(answer.set_cookie(), None, "{shown}");
        }
        // Which of two is meant, nobody can know: one may have been planted.
        let other = program.logged_in("grace").cookie.unwrap();
        for twice in [
            format!("cookie: {ours}; {other}\r\n"),
            format!("cookie: {ours}\r\ncookie: {other}\r\n"),
            format!("cookie: session=x; {ours}\r\n"),
        ] {
            let answer = browser.send("/read", twice.as_bytes()).unwrap();
            assert_eq!((answer.status, &*answer.body), (200, "{}"), "{twice}");
        }
        // Beside cookies of others it is found.
        let answer = browser
            .send("/read", format!("cookie: a=b; {ours}; sessions=1; xsession=2\r\n").as_bytes())
            .unwrap();
        assert_eq!(answer.body, r#"{"user":"ada"}"#);
    });
}

#[test]
fn a_cookie_is_sent_only_when_it_must_be_and_never_into_a_cache() {
    on_every_store(|program| {
        let mut browser = program.browser();
        for path in ["/noop", "/read", "/logout"] {
            assert_eq!(browser.get(path).set_cookie(), None, "{path}");
        }
        let answer = browser.get("/write");
        let (_, attributes) = answer.set_cookie().unwrap().split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Max-Age=3600; HttpOnly; SameSite=Lax");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        for path in ["/noop", "/read", "/write", "/err"] {
            assert_eq!(browser.get(path).set_cookie(), None, "{path}");
        }
        let removal = browser.get("/logout");
        let removed = removal.set_cookie().unwrap();
        assert_eq!(removed, "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        assert_eq!(removal.header("cache-control"), Some("no-store"));
    });
}
