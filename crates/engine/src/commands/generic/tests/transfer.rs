use super::*;

const SAME: &str = "ERR source and destination objects are the same";
const NO_SUCH_DB: &str = "ERR DB index is out of range";

#[test]
fn a_copy_has_value_and_expiry_and_a_life_of_its_own() {
    let mut session = Session::new();
    session.run("HSET h f v");
    session.run("EXPIRE h 10");
    assert_eq!(session.run("COPY h copy"), Reply::Integer(1));
    session.run("HSET h f changed");
    assert_eq!(session.run("HGET copy f"), bulk("v"));
    assert_eq!(session.run("TTL copy"), Reply::Integer(10));
    assert_eq!(session.run("COPY none copy REPLACE"), Reply::Integer(0));
    assert_eq!(session.run("COPY h copy"), Reply::Integer(0));
    assert_eq!(session.run("COPY h copy replace"), Reply::Integer(1));
    assert_eq!(session.run("HGET copy f"), bulk("changed"));
}

#[test]
fn a_copy_goes_to_another_database() {
    let mut session = Session::new();
    session.run("SET k v");
    assert_eq!(session.run("COPY k k DB 3"), Reply::Integer(1));
    assert_eq!(session.run("COPY k k DB 3"), Reply::Integer(0));
    assert_eq!(session.run("COPY k k REPLACE DB 3"), Reply::Integer(1));
    session.select(3);
    assert_eq!(session.run("GET k"), bulk("v"));
}

#[test]
fn a_copy_that_makes_no_sense_is_refused_in_redis_words() {
    let mut session = Session::new();
    for (line, text) in [
        ("COPY k k", SAME),
        ("COPY k k DB 0", SAME),
        ("COPY k x DB 16", NO_SUCH_DB),
        ("COPY k x DB -1", NO_SUCH_DB),
        ("COPY k x DB", "ERR syntax error"),
        ("COPY k x OTHER", "ERR syntax error"),
        ("COPY k x DB x", "ERR value is not an integer or out of range"),
        (
            "COPY k x DB 2147483648",
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ),
    ] {
        assert_eq!(session.error(line), text, "{line}");
    }
}

#[test]
fn a_key_moves_unless_its_name_is_taken_there() {
    let mut session = Session::new();
    session.run("SET k v EX 10");
    assert_eq!(session.run("MOVE k 1"), Reply::Integer(1));
    assert_eq!(session.run("MOVE k 1"), Reply::Integer(0));
    assert_eq!(session.run("EXISTS k"), Reply::Integer(0));
    session.run("SET k other");
    assert_eq!(session.run("MOVE k 1"), Reply::Integer(0));
    assert_eq!(session.run("GET k"), bulk("other"));
    session.select(1);
    assert_eq!(session.run("GET k"), bulk("v"));
    assert_eq!(session.run("TTL k"), Reply::Integer(10));
    assert_eq!(session.error("MOVE k 1"), SAME);
    assert_eq!(session.error("MOVE k 16"), NO_SUCH_DB);
    assert_eq!(session.error("MOVE k x"), "ERR value is not an integer or out of range");
}

#[test]
fn a_renamed_key_keeps_its_expiry_and_replaces_what_was_there() {
    let mut session = Session::new();
    session.run("SET a 1 EX 10");
    session.run("SET b 2");
    assert_eq!(session.run("RENAMENX a b"), Reply::Integer(0));
    assert_eq!(session.run("RENAMENX a a"), Reply::Integer(0));
    assert_eq!(session.run("RENAME a a"), Reply::OK);
    assert_eq!(session.run("RENAME a b"), Reply::OK);
    assert_eq!(session.run("GET b"), bulk("1"));
    assert_eq!(session.run("TTL b"), Reply::Integer(10));
    assert_eq!(session.run("RENAMENX b c"), Reply::Integer(1));
    assert_eq!(session.run("DBSIZE"), Reply::Integer(1));
    for line in ["RENAME a b", "RENAMENX a b", "RENAME a a"] {
        assert_eq!(session.error(line), "ERR no such key");
    }
}
