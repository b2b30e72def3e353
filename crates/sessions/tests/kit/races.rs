//! Requests that use one session at the same time.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tuckbox_test_redis::RedisServer;

use crate::{
    client::{Answer, Browser, SOON},
    program::{Program, on_every_store},
    proxy::{Mode, Proxy},
    race::race,
};

/// A browser with a session that nobody is logged in to, and another tab of it.
fn two_tabs(program: &Program) -> (Browser, Browser) {
    let mut browser = program.browser();
    assert_eq!(browser.text("/write"), "1");
    let tab = browser.clone();
    (browser, tab)
}

/// The same with a user.
fn two_tabs_logged_in(program: &Program) -> (Browser, Browser) {
    let browser = program.logged_in("ada");
    let tab = browser.clone();
    (browser, tab)
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(answer.set_cookie(), None, "{answer:?}");
}

#[test]
fn writes_of_different_keys_both_survive() {
    on_every_store(|program| {
        let (answer, mut browser, _) = race(
            program,
            "/slowwrite",
            || two_tabs(program),
            |tab| assert_eq!(tab.text("/write"), "2"),
        );
        assert_eq!(answer.status, 200);
        assert_eq!(browser.values(), json!({"n": 2, "slow": 1}));
    });
}

#[test]
fn a_slow_reader_erases_nothing() {
    on_every_store(|program| {
        let (answer, mut browser, _) = race(
            program,
            "/slowread",
            || two_tabs(program),
            |tab| assert_eq!(tab.text("/write"), "2"),
        );
        assert_eq!((answer.status, &*answer.body), (200, r#"{"n":1}"#));
        assert_eq!(answer.set_cookie(), None);
        assert_eq!(browser.values(), json!({"n": 2}));
    });
}

#[test]
fn a_logout_is_not_undone_by_a_write_in_flight() {
    on_every_store(|program| {
        let (answer, mut browser, tab) = race(
            program,
            "/slowwrite",
            || two_tabs_logged_in(program),
            |tab| assert_eq!(tab.text("/logout"), "ok"),
        );
        assert_refused(&answer);
        assert_eq!(tab.cookie, None, "the logout takes the cookie back");
        assert_eq!(browser.values(), json!({}));
        // What the old cookie writes afterwards is another session's.
        let old = browser.cookie.clone();
        assert_eq!(browser.text("/write"), "1");
        assert_ne!(browser.cookie, old);
        assert_eq!(browser.values(), json!({"n": 1}));
    });
}

#[test]
fn a_slow_reader_does_not_undo_a_logout() {
    on_every_store(|program| {
        let (answer, mut browser, _) = race(
            program,
            "/slowread",
            || two_tabs_logged_in(program),
            |tab| assert_eq!(tab.text("/logout"), "ok"),
        );
        assert_eq!((answer.status, answer.set_cookie()), (200, None));
        assert_eq!(browser.values(), json!({}));
    });
}

#[test]
fn a_login_is_not_undone_by_a_write_in_flight() {
    on_every_store(|program| {
        let (answer, mut browser, mut tab) = race(
            program,
            "/slowwrite",
            || two_tabs(program),
            |tab| assert_eq!(tab.text("/login?user=ada"), "ada"),
        );
        assert_refused(&answer);
        assert_ne!(browser.cookie, tab.cookie, "the login renews the id");
        assert_eq!(tab.values(), json!({"n": 1, "user": "ada"}));
        // The id from before the login is worth nothing.
        assert_eq!(browser.values(), json!({}));
    });
}

#[test]
fn a_revocation_is_not_undone_by_a_write_in_flight() {
    on_every_store(|program| {
        // Each try of the race has a user of its own.
        let count = std::sync::atomic::AtomicUsize::new(0);
        let prepare = || {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let user = format!("ada{number}");
            (program.logged_in(&user), (program.logged_in(&user), user))
        };
        let (answer, mut phone, (mut laptop, user)) =
            race(program, "/slowwrite", prepare, |rest| {
                assert_eq!(rest.0.text("/revoke-others"), "1");
            });
        assert_refused(&answer);
        assert_eq!(phone.values(), json!({}));
        assert_eq!(laptop.values(), json!({"user": user}));
        let list: serde_json::Value = serde_json::from_str(&laptop.text("/sessions")).unwrap();
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    });
}

#[test]
fn a_failing_request_in_flight_keeps_what_it_wrote_beside_others() {
    on_every_store(|program| {
        let (answer, mut browser, _) = race(
            program,
            "/slowwrite",
            || two_tabs(program),
            |tab| assert_eq!(tab.get("/err").status, 500),
        );
        assert_eq!(answer.status, 200);
        assert_eq!(browser.values(), json!({"n": 1, "slow": 1, "err": true}));
    });
}

/// Sends `/write` to a program whose command is held on its way to the store
/// until `others` are through, in another tab at another instance, and has
/// `check` look at the answer and at the session.
fn held_write(others: impl Fn(&mut Browser), check: impl Fn(&Answer, &mut Browser)) {
    let Some(redis) = RedisServer::start() else { return };
    let proxy = Proxy::before(redis.port);
    let (here, there) = (Program::start(&proxy.url()), Program::start(&redis.url()));
    let begin = Instant::now();
    loop {
        let mut browser = here.logged_in("ada");
        assert_eq!(browser.text("/write"), "1");
        let mut tab = browser.before(there.server());
        proxy.take_traffic();
        proxy.set(Mode::Hang);
        let answer = thread::scope(|scope| {
            let mut writer = browser.clone();
            let write = scope.spawn(move || writer.get("/write"));
            while proxy.take_traffic().commands.is_empty() && begin.elapsed() < SOON {
                thread::sleep(Duration::from_millis(1));
            }
            others(&mut tab);
            proxy.set(Mode::Pass);
            write.join().unwrap()
        });
        // Else it was held for so long that it gave up.
        if answer.status != 503 {
            return check(&answer, &mut browser);
        }
        assert!(begin.elapsed() < SOON, "the others take longer than the store may");
    }
}

#[test]
fn a_logout_at_another_instance_is_not_undone_by_a_write_that_was_sent_before_it() {
    held_write(
        |tab| assert_eq!(tab.text("/logout"), "ok"),
        |answer, browser| {
            assert_refused(answer);
            assert_eq!(browser.values(), json!({}));
        },
    );
}

#[test]
fn writes_at_two_instances_both_count() {
    held_write(
        |tab| assert_eq!(tab.text("/write"), "2"),
        |answer, browser| {
            assert_eq!((answer.status, &*answer.body), (200, "3"));
            assert_eq!(browser.values(), json!({"n": 3, "user": "ada"}));
        },
    );
}
