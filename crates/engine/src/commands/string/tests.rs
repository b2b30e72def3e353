use tuckbox_resp::{Reply, cmd};

use super::{STRING_BYTES_MAX, range::total_length};
use crate::{
    commands::{NOT_A_FLOAT, NOT_AN_INTEGER, OVERFLOW, STRING_TOO_LONG, SYNTAX, WRONGTYPE},
    testing::Session,
};

const NOW: u64 = 1_000_000_000;

fn bulk(text: &str) -> Reply {
    Reply::bulk(text.as_bytes())
}

/// A session in which each line was answered as beside it.
fn session(dialogue: &[(&str, Reply)]) -> Session {
    let mut session = Session::new();
    talk(&mut session, dialogue);
    session
}

fn talk(session: &mut Session, dialogue: &[(&str, Reply)]) {
    for (line, reply) in dialogue {
        assert_eq!(session.run(line), *reply, "{line}");
    }
}

fn int(n: i64) -> Reply {
    Reply::Integer(n)
}

/// When each key expires, by name.
fn expiries(session: &Session) -> Vec<(String, u64)> {
    let text = |key: Vec<u8>| String::from_utf8(key).expect("a key that is text");
    session.contents().into_iter().map(|(_, key, _, at)| (text(key), at)).collect()
}

/// The effects told so far, once they are known to lead to the same state.
fn effects(session: &mut Session) -> Vec<String> {
    assert_eq!(session.replayed().contents(), session.contents());
    session.effects()
}

#[test]
fn set_takes_conditions() {
    let mut session = session(&[
        ("SET k v", Reply::OK),
        ("GET k", bulk("v")),
        ("GET none", Reply::Null),
        ("SET k w NX", Reply::Null),
        ("SET k w xx", Reply::OK),
        ("SET none w XX", Reply::Null),
        ("SET new w nx", Reply::OK),
        ("SET k x GET", bulk("w")),
        ("SET none x XX GET", Reply::Null),
        ("SET k y NX GET", bulk("x")),
        ("SET fresh y NX GET", Reply::Null),
        ("GET fresh", bulk("y")),
    ]);
    let told = ["SET k v", "SET k w", "SET new w", "SET k x", "SET fresh y"];
    assert_eq!(effects(&mut session), told);
}

#[test]
fn set_takes_an_expiry() {
    let mut session = session(&[
        ("SET a v EX 10", Reply::OK),
        ("SET b v px 10", Reply::OK),
        ("SET c v EXAT 1000010", Reply::OK),
        ("SET d v PXAT 1000000010", Reply::OK),
        ("SET d w KEEPTTL", Reply::OK),
        ("SET e v KEEPTTL", Reply::OK),
        ("SET f v EX 10", Reply::OK),
        ("SET f v", Reply::OK),
        ("SET g v EX 10 EX 20", Reply::OK),
    ]);
    let at = |key: &str, at| (key.to_owned(), at);
    assert_eq!(
        expiries(&session),
        [
            at("a", NOW + 10_000),
            at("b", NOW + 10),
            at("c", NOW + 10_000),
            at("d", NOW + 10),
            at("e", 0),
            at("f", 0),
            at("g", NOW + 20_000),
        ]
    );
    let told = effects(&mut session);
    assert_eq!(told[0], "SET a v PXAT 1000010000");
    assert_eq!(told[4], "SET d w PXAT 1000000010");
    assert_eq!(told[5], "SET e v");
    session.clock.advance(10);
    talk(
        &mut session,
        &[("GET b", Reply::Null), ("GET a", bulk("v")), ("SET b v XX", Reply::Null)],
    );
    assert_eq!(effects(&mut session), [""; 0]);
}

#[test]
fn what_has_expired_already_deletes() {
    let mut session = session(&[
        ("SET k v", Reply::OK),
        ("SET k w GET EXAT 5", bulk("v")),
        ("GET k", Reply::Null),
        ("SET none w PXAT 1000000000", Reply::OK),
        ("GET none", Reply::Null),
        ("SET j v", Reply::OK),
        ("GETEX j PXAT 1", bulk("v")),
        ("GET j", Reply::Null),
    ]);
    assert_eq!(effects(&mut session), ["SET k v", "DEL k", "SET j v", "DEL j"]);
}

#[test]
fn set_refuses_options_that_exclude_each_other() {
    let mut session = session(&[("HSET hash f 1", int(1)), ("SET k v EX 10", Reply::OK)]);
    session.effects();
    for line in [
        "SET k v NX XX",
        "SET k v XX NX",
        "SET k v EX",
        "SET k v EX 10 PX 10",
        "SET k v EX 10 KEEPTTL",
        "SET k v KEEPTTL PXAT 10",
        "SET k v PERSIST",
        "SET k v EX none NX XX",
        "SET k v ",
        "GETEX k KEEPTTL",
        "GETEX k PERSIST EX 10",
        "GETEX k EX 10 EXAT 10",
        "GETEX k EX",
        "GETEX k NX",
    ] {
        assert_eq!(session.error(line), SYNTAX, "{line}");
    }
    assert_eq!(session.error("SET hash v GET"), WRONGTYPE);
    assert_eq!(session.error("SET hash v NX GET"), WRONGTYPE);
    assert_eq!(session.error("SET k v EX none"), NOT_AN_INTEGER);
    assert_eq!(session.run("GET k"), bulk("v"));
    assert_eq!(session.run("SET hash v"), Reply::OK);
    assert_eq!(effects(&mut session), ["SET hash v"]);
}

#[test]
fn an_expiry_is_after_zero_and_not_too_far_away() {
    let mut session = session(&[("SET k v", Reply::OK)]);
    for (line, name) in [
        ("SET k v EX 0", "set"),
        ("SET k v PX -1", "set"),
        ("SET k v EXAT 9223372036854776", "set"),
        ("SET k v EX 9223372036854775", "set"),
        ("SET k v PX 9223372036854775807", "set"),
        ("SETEX k 0 v", "setex"),
        ("SETEX k 9223372036854775807 v", "setex"),
        ("PSETEX k -5 v", "psetex"),
        ("PSETEX k 9223372036854775807 v", "psetex"),
        ("GETEX k EX 0", "getex"),
    ] {
        let expected = format!("ERR invalid expire time in '{name}' command");
        assert_eq!(session.error(line), expected, "{line}");
    }
    talk(
        &mut session,
        &[
            ("GETEX none EX 0", Reply::Null),
            ("SET k v PXAT 9223372036854775807", Reply::OK),
            ("GET k", bulk("v")),
        ],
    );
}

#[test]
fn setex_and_psetex_set_with_an_expiry() {
    let mut session = session(&[("SETEX a 10 v", Reply::OK), ("PSETEX b 10 v", Reply::OK)]);
    assert_eq!(effects(&mut session), ["SET a v PXAT 1000010000", "SET b v PXAT 1000000010"]);
    assert_eq!(session.error("SETEX a x v"), NOT_AN_INTEGER);
}

#[test]
fn setnx_getset_and_getdel() {
    let mut session = session(&[
        ("SETNX k v", int(1)),
        ("SETNX k w", int(0)),
        ("GETSET k w", bulk("v")),
        ("GETSET j w", Reply::Null),
        ("SET k x EX 10", Reply::OK),
        ("GETSET k y", bulk("x")),
        ("GETDEL k", bulk("y")),
        ("GETDEL k", Reply::Null),
    ]);
    let told = ["SET k v", "SET k w", "SET j w", "SET k x PXAT 1000010000", "SET k y", "DEL k"];
    assert_eq!(effects(&mut session), told);
}

#[test]
fn getex_changes_the_expiry_only() {
    let mut session = session(&[
        ("SET k v", Reply::OK),
        ("GETEX k", bulk("v")),
        ("GETEX k PERSIST", bulk("v")),
        ("GETEX k EX 10", bulk("v")),
        ("GETEX k persist", bulk("v")),
        ("GETEX k PXAT 1000000010", bulk("v")),
        ("GETEX none EX 10", Reply::Null),
    ]);
    assert_eq!(expiries(&session), [("k".to_owned(), NOW + 10)]);
    let told = ["SET k v", "PEXPIREAT k 1000010000", "PERSIST k", "PEXPIREAT k 1000000010"];
    assert_eq!(effects(&mut session), told);
}

#[test]
fn many_keys_are_set_and_read_at_once() {
    let mut session = session(&[
        ("MSET a 1 b 2 a 3", Reply::OK),
        ("MGET a none b", Reply::Array(vec![bulk("3"), Reply::Null, bulk("2")])),
        ("MSETNX c 1 a 2", int(0)),
        ("GET c", Reply::Null),
        ("MSETNX c 1 c 2", int(1)),
        ("GET c", bulk("2")),
        ("HSET hash f 1", int(1)),
        ("MGET hash a", Reply::Array(vec![Reply::Null, bulk("3")])),
        ("MSETNX d 1 hash 1", int(0)),
        ("SET a v EX 10", Reply::OK),
        ("MSET a 5", Reply::OK),
    ]);
    assert!(expiries(&session).iter().all(|(_, at)| *at == 0));
    effects(&mut session);
    let arity = |name| format!("ERR wrong number of arguments for '{name}' command");
    assert_eq!(session.error("MSET a 1 b"), arity("mset"));
    assert_eq!(session.error("MSETNX a 1 b"), arity("msetnx"));
    assert_eq!(effects(&mut session), [""; 0]);
}

#[test]
fn integers_are_added_to() {
    let mut session = session(&[
        ("INCR n", int(1)),
        ("INCRBY n 41", int(42)),
        ("DECR n", int(41)),
        ("DECRBY n 42", int(-1)),
        ("DECRBY m -9223372036854775807", int(i64::MAX)),
        ("GET m", bulk("9223372036854775807")),
        ("SET t 5 EX 10", Reply::OK),
        ("INCR t", int(6)),
        ("INCRBY t 0", int(6)),
    ]);
    assert_eq!(expiries(&session).last(), Some(&("t".to_owned(), NOW + 10_000)));
    let told = effects(&mut session);
    assert_eq!(told[..4], ["INCR n", "INCRBY n 41", "DECR n", "DECRBY n 42"]);
    assert_eq!(told.last().map(String::as_str), Some("INCRBY t 0"));
    for value in ["x", "1.5", "01", "+1", "9223372036854775808", ""] {
        session.call(cmd!("SET", "s", value));
        assert_eq!(session.error("INCR s"), NOT_AN_INTEGER, "{value:?}");
        assert_eq!(session.call(cmd!("INCRBY", "n", value)), Reply::error(NOT_AN_INTEGER));
    }
    assert_eq!(session.error("INCR m"), OVERFLOW);
    assert_eq!(session.error("DECRBY m -9223372036854775808"), "ERR decrement would overflow");
}

#[test]
fn floats_are_added_to() {
    let mut session = session(&[
        ("SET k 0.1 EX 10", Reply::OK),
        ("INCRBYFLOAT k 0.2", bulk("0.3")),
        ("INCRBYFLOAT n 3.0e3", bulk("3000")),
        ("INCRBYFLOAT n -3000.5", bulk("-0.5")),
    ]);
    let told =
        ["SET k 0.1 PXAT 1000010000", "SET k 0.3 PXAT 1000010000", "SET n 3000", "SET n -0.5"];
    assert_eq!(effects(&mut session), told);
    assert_eq!(session.error("INCRBYFLOAT n x"), NOT_A_FLOAT);
    let not_finite = "ERR increment would produce NaN or Infinity";
    assert_eq!(session.error("INCRBYFLOAT n inf"), not_finite);
    session.run("SET k x");
    assert_eq!(session.error("INCRBYFLOAT k 1"), NOT_A_FLOAT);
}

#[test]
fn append_grows_a_string() {
    let mut session = session(&[
        ("APPEND k ab", int(2)),
        ("APPEND k cd", int(4)),
        ("APPEND k ", int(4)),
        ("GET k", bulk("abcd")),
        ("STRLEN k", int(4)),
        ("STRLEN none", int(0)),
        ("APPEND empty ", int(0)),
        ("GET empty", bulk("")),
        ("SET n 12 EX 10", Reply::OK),
        ("APPEND n 3", int(3)),
        ("INCR n", int(124)),
    ]);
    assert_eq!(expiries(&session).last(), Some(&("n".to_owned(), NOW + 10_000)));
    let told = effects(&mut session);
    assert_eq!(told[..4], ["APPEND k ab", "APPEND k cd", "APPEND k ", "APPEND empty "]);
}

#[test]
fn setrange_writes_over_a_string() {
    let mut session = session(&[
        ("SETRANGE none 5 ", int(0)),
        ("GET none", Reply::Null),
        ("SETRANGE k 2 ab", int(4)),
        ("GET k", bulk("\0\0ab")),
        ("SETRANGE k 0 xyz", int(4)),
        ("GET k", bulk("xyzb")),
        ("SETRANGE k 6 c", int(7)),
        ("GET k", bulk("xyzb\0\0c")),
        ("SETRANGE k 9 ", int(7)),
        ("SETRANGE k 536870912 ", int(7)),
    ]);
    let told = ["SETRANGE k 2 ab", "SETRANGE k 0 xyz", "SETRANGE k 6 c"];
    assert_eq!(effects(&mut session), told);
    assert_eq!(session.error("SETRANGE k -1 x"), "ERR offset is out of range");
    assert_eq!(session.error("SETRANGE k x x"), NOT_AN_INTEGER);
}

#[test]
fn no_string_passes_the_longest_one() {
    let mut session = session(&[("SET k v", Reply::OK)]);
    for offset in [STRING_BYTES_MAX.to_string(), i64::MAX.to_string()] {
        for key in ["k", "none"] {
            let line = format!("SETRANGE {key} {offset} x");
            assert_eq!(session.error(&line), STRING_TOO_LONG, "{line}");
        }
    }
    assert_eq!(session.run("GET k"), bulk("v"));
    assert_eq!(total_length(STRING_BYTES_MAX - 1, 1), Ok(STRING_BYTES_MAX));
    assert_eq!(total_length(STRING_BYTES_MAX, 1), Err(STRING_TOO_LONG.into()));
}

#[test]
fn getrange_counts_from_both_ends() {
    let mut session = session(&[("SET k hello", Reply::OK), ("SET n -123", Reply::OK)]);
    for (range, expected) in [
        ("0 -1", "hello"),
        ("1 3", "ell"),
        ("-3 -2", "ll"),
        ("-3 1", ""),
        ("-100 1", "he"),
        ("3 100", "lo"),
        ("5 5", ""),
        ("-2 -3", ""),
        ("0 -100", "h"),
        ("-200 -100", "h"),
        ("-9223372036854775808 9223372036854775807", "hello"),
    ] {
        assert_eq!(session.run(&format!("GETRANGE k {range}")), bulk(expected), "{range}");
        assert_eq!(session.run(&format!("SUBSTR k {range}")), bulk(expected), "{range}");
    }
    talk(&mut session, &[("GETRANGE n 0 1", bulk("-1")), ("GETRANGE none 0 -1", bulk(""))]);
    assert_eq!(session.error("GETRANGE none 0 x"), NOT_AN_INTEGER);
}

#[test]
fn every_command_but_set_respects_other_types() {
    let mut session = session(&[("HSET hash f 1", int(1))]);
    session.effects();
    for line in [
        "APPEND hash x",
        "DECR hash",
        "DECRBY hash 1",
        "GET hash",
        "GETDEL hash",
        "GETEX hash",
        "GETEX hash EX 0",
        "GETRANGE hash 0 1",
        "GETSET hash x",
        "INCR hash",
        "INCRBY hash 1",
        "INCRBYFLOAT hash x",
        "SETRANGE hash 0 x",
        "SETRANGE hash 0 ",
        "STRLEN hash",
        "SUBSTR hash 0 1",
    ] {
        assert_eq!(session.error(line), WRONGTYPE, "{line}");
    }
    assert_eq!(session.error("LCS hash x"), "ERR The specified keys must contain string values");
    assert_eq!(effects(&mut session), [""; 0]);
}

#[test]
fn lcs_gives_the_bytes_the_length_or_the_places() {
    let run = |a: [i64; 2], b: [i64; 2], len: Option<i64>| {
        let range = |[first, last]: [i64; 2]| Reply::Array(vec![int(first), int(last)]);
        let mut run = vec![range(a), range(b)];
        run.extend(len.map(int));
        Reply::Array(run)
    };
    let idx = |runs| Reply::Map(vec![(bulk("matches"), Reply::Array(runs)), (bulk("len"), int(6))]);
    let mut session = session(&[
        ("MSET a ohmytext b mynewtext", Reply::OK),
        ("LCS a b", bulk("mytext")),
        ("LCS a b LEN", int(6)),
        ("LCS a none", bulk("")),
        ("LCS none a LEN", int(0)),
        ("LCS a b IDX", idx(vec![run([4, 7], [5, 8], None), run([2, 3], [0, 1], None)])),
        ("LCS a b idx MINMATCHLEN 4", idx(vec![run([4, 7], [5, 8], None)])),
        ("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN", idx(vec![run([4, 7], [5, 8], Some(4))])),
        ("LCS a b IDX MINMATCHLEN 5", idx(vec![])),
    ]);
    assert_eq!(session.error("LCS a b MINMATCHLEN"), SYNTAX);
    assert_eq!(session.error("LCS a b MINMATCHLEN x"), NOT_AN_INTEGER);
    assert_eq!(session.error("LCS a b PLACES"), SYNTAX);
    let both = "ERR If you want both the length and indexes, please just use IDX.";
    assert_eq!(session.error("LCS a b LEN IDX"), both);
}

#[test]
fn lcs_refuses_strings_that_are_too_long() {
    let mut session = Session::new();
    let (a, b) = (vec![b'a'; 11_584], vec![b'a'; 11_585]);
    session.call(cmd!("MSET", "a", a, "b", b));
    let too_large = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    assert_eq!(session.error("LCS a b"), too_large);
    assert_eq!(session.run("LCS a a LEN"), int(11_584));
}
