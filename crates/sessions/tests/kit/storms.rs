//! Many requests at once, and what must hold the moment that one is answered.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Barrier,
    thread,
};

use serde_json::json;

use crate::{
    client::{Browser, SOON},
    program::on_every_store,
};

const TABS: usize = 32;
const ROUNDS: usize = 5;

/// Has 32 tabs visit the page at once; the numbers that they were answered.
pub(crate) fn storm(browser: &Browser, path: &str) -> Vec<Option<usize>> {
    let start = Barrier::new(TABS);
    thread::scope(|scope| {
        let tabs = (0..TABS).map(|_| {
            let (start, mut tab) = (&start, browser.clone());
            scope.spawn(move || {
                start.wait();
                let answer = tab.get(path);
                (answer.status == 200).then(|| answer.body.trim().parse().ok()).flatten()
            })
        });
        let tabs: Vec<_> = tabs.collect();
        tabs.into_iter().map(|tab| tab.join().unwrap()).collect()
    })
}

#[test]
fn of_32_requests_at_once_every_increment_counts_and_none_twice() {
    on_every_store(|program| {
        let mut browser = program.browser();
        assert_eq!(browser.text("/write"), "1");
        for round in 0..ROUNDS {
            let mut numbers = storm(&browser, "/write");
            numbers.sort_unstable();
            let first = 2 + round * TABS;
            let all: Vec<_> = (first..first + TABS).map(Some).collect();
            assert_eq!(numbers, all);
        }
        assert_eq!(browser.values(), json!({"n": 1 + ROUNDS * TABS}));
    });
}

#[test]
fn increments_among_logins_are_counted_or_refused_but_never_lost() {
    on_every_store(|program| {
        let mut browser = program.logged_in("ada");
        let mut counted = 0;
        for _ in 0..ROUNDS {
            let start = Barrier::new(9);
            let (tabs, login) = thread::scope(|scope| {
                let tabs = (0..8).map(|_| {
                    let (start, mut tab) = (&start, browser.clone());
                    scope.spawn(move || {
                        start.wait();
                        tab.get("/write")
                    })
                });
                let tabs: Vec<_> = tabs.collect();
                start.wait();
                let login = browser.get("/login?user=ada");
                (tabs.into_iter().map(|tab| tab.join().unwrap()).collect::<Vec<_>>(), login)
            });
            assert_eq!(login.status, 200);
            for tab in tabs {
                match tab.status {
                    200 => counted += 1,
                    status => assert_eq!((status, tab.set_cookie()), (409, None)),
                }
            }
            let values = browser.values();
            assert_eq!(values["n"].as_u64().unwrap_or(0), counted, "{values}");
            assert_eq!(values["user"], "ada");
        }
    });
}

/// Sends a request and returns at the first byte of the answer, with its head.
fn first_byte(browser: &Browser, server: &str, path: &str) -> (TcpStream, Vec<u8>) {
    let mut tcp = TcpStream::connect(server).unwrap();
    tcp.set_read_timeout(Some(SOON)).unwrap();
    let cookie =
        browser.cookie.as_ref().map_or(String::new(), |pair| format!("cookie: {pair}\r\n"));
    tcp.write_all(format!("GET {path} HTTP/1.1\r\nhost: {server}\r\n{cookie}\r\n").as_bytes())
        .unwrap();
    let mut byte = vec![0];
    tcp.read_exact(&mut byte).unwrap();
    (tcp, byte)
}

#[test]
fn a_save_is_in_the_store_before_the_first_byte_leaves() {
    on_every_store(|program| {
        let mut browser = program.logged_in("ada");
        let mut reader = browser.clone();
        for n in 1..=50 {
            let (tcp, byte) = first_byte(&browser, &program.server(), "/write");
            assert_eq!(reader.values(), json!({"n": n, "user": "ada"}));
            assert_eq!(byte, b"H");
            drop(tcp);
        }
        let (_tcp, _) = first_byte(&browser, &program.server(), "/logout");
        assert_eq!(reader.values(), json!({}));
        browser.cookie = None;
        for user in ["ada", "grace"] {
            assert_eq!(browser.text(&format!("/login?user={user}")), user);
            assert_eq!(browser.clone().values(), json!({"user": user}));
        }
    });
}

#[test]
fn what_a_failing_handler_wrote_is_kept() {
    on_every_store(|program| {
        let mut browser = program.browser();
        let answer = browser.get("/err");
        assert_eq!(answer.status, 500);
        assert_eq!(browser.values(), json!({"err": true}));
        assert_eq!(browser.text("/write"), "1");
        assert_eq!(browser.values(), json!({"err": true, "n": 1}));
    });
}

#[test]
fn a_login_takes_over_a_strangers_values_but_no_other_users() {
    on_every_store(|program| {
        let mut browser = program.browser();
        assert_eq!(browser.text("/write"), "1");
        assert_eq!(browser.text("/login?user=ada"), "ada");
        assert_eq!(browser.values(), json!({"n": 1, "user": "ada"}));
        assert_eq!(browser.text("/login?user=ada"), "ada");
        assert_eq!(browser.values(), json!({"n": 1, "user": "ada"}));
        assert_eq!(browser.text("/login?user=grace"), "grace");
        assert_eq!(browser.values(), json!({"user": "grace"}));
    });
}
