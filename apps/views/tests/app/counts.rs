//! What is counted, on every store.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use tuckbox_test_redis::RedisServer;

use crate::program::{Program, file_url};

/// Runs the test on the program over each kind of store.
fn on_every_store(test: fn(&Program)) {
    test(&Program::start("memory:"));
    let directory = tempfile::tempdir().unwrap();
    test(&Program::start(&file_url(directory.path())));
    if let Some(redis) = RedisServer::start() {
        test(&Program::start(&redis.url()));
    }
}

#[test]
fn each_page_has_a_count_of_its_own() {
    on_every_store(|program| {
        let mut browser = program.browser();
        browser.assert_view("/foo", 1);
        browser.assert_view("/foo", 2);
        browser.assert_view("/bar", 1);
        browser.assert_view("/foo?again=yes", 3);
        browser.assert_view("/bar", 2);
    });
}

#[test]
fn each_browser_has_counts_of_its_own() {
    on_every_store(|program| {
        let (mut ada, mut grace) = (program.browser(), program.browser());
        ada.assert_view("/foo", 1);
        ada.assert_view("/foo", 2);
        grace.assert_view("/foo", 1);
        ada.assert_view("/foo", 3);
        assert_ne!(ada.cookie, grace.cookie);
    });
}

#[test]
fn of_requests_at_the_same_time_every_one_counts() {
    const TABS: u32 = 32;
    const VIEWS: u32 = 4;
    on_every_store(|program| {
        let mut browser = program.browser();
        browser.assert_view("/foo", 1);
        let start = Arc::new(Barrier::new(TABS as usize));
        let tabs = (0..TABS).map(|_| {
            let (start, mut tab) = (start.clone(), browser.clone());
            thread::spawn(move || {
                start.wait();
                for _ in 0..VIEWS {
                    assert_eq!(tab.get("/foo").status, 200);
                }
            })
        });
        let tabs: Vec<_> = tabs.collect();
        tabs.into_iter().for_each(|tab| tab.join().unwrap());
        browser.assert_view("/foo", 1 + TABS * VIEWS + 1);
        browser.assert_view("/bar", 1);
    });
}

#[test]
fn what_is_no_page_begins_no_session() {
    on_every_store(|program| {
        let mut browser = program.browser();
        for path in ["/foo/", "/foo/bar", "/%66oo", "/views", "/favicon.ico"] {
            assert_eq!(browser.get(path).status, 404, "{path}");
        }
        for path in ["/", "/healthz", "/readyz"] {
            assert_eq!(browser.get(path).status, 200, "{path}");
        }
        assert_eq!(browser.cookie, None);
    });
}

#[test]
fn the_home_page_links_to_what_it_counts() {
    let program = Program::start("memory:");
    let answer = program.browser().get("/");
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    for page in ["/foo", "/bar"] {
        assert!(answer.body.contains(&format!(r#"<a href="{page}">"#)), "{}", answer.body);
    }
}

#[test]
fn kill_9_loses_no_view() {
    let directory = tempfile::tempdir().unwrap();
    let url = file_url(directory.path());
    let mut browser = Program::start(&url).browser();
    for number in 1..=3 {
        let program = Program::start(&url);
        browser.port = program.port;
        browser.assert_view("/foo", number);
    }
}
