//! The page of promises names tests that exist.

use std::{collections::HashSet, fs, path::Path};

#[test]
fn every_promise_names_a_test_that_exists() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(here.join("../../docs/session-guarantees.md")).unwrap();
    let mut tests = HashSet::new();
    for entry in fs::read_dir(here.join("tests")).unwrap().flatten() {
        for file in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            let text = fs::read_to_string(file.path()).unwrap();
            let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
            tests.extend(names.map(str::to_owned));
        }
    }
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.contains("| test |")) {
        let column = row.trim_end_matches('|').rsplit('|').next().unwrap();
        for name in column.split('`').skip(1).step_by(2) {
            assert!(tests.contains(name), "the page names {name}, which is no test");
            named += 1;
        }
    }
    assert!(named > 30, "{named}");
}
