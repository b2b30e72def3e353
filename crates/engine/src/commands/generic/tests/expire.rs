use super::*;

/// Where [`Session`]'s time begins.
const START: i64 = 1_000_000_000;

fn pexpiretime(session: &mut Session, key: &str) -> i64 {
    session.run(&format!("PEXPIRETIME {key}")).into_integer().unwrap()
}

#[test]
fn an_expiry_is_set_in_every_unit() {
    let mut session = Session::new();
    for (line, at) in [
        ("EXPIRE k 10", START + 10_000),
        ("PEXPIRE k 10", START + 10),
        ("EXPIREAT k 1000001", START + 1_000),
        ("PEXPIREAT k 1000000001", START + 1),
    ] {
        session.run("SET k v");
        assert_eq!(session.run(line), Reply::Integer(1));
        assert_eq!(pexpiretime(&mut session, "k"), at, "{line}");
    }
    assert_eq!(session.run("EXPIRE none 10"), Reply::Integer(0));
}

#[test]
fn times_are_told_in_whole_seconds_to_the_nearest() {
    let mut session = Session::new();
    session.run("SET k v");
    for line in ["TTL k", "PTTL k", "EXPIRETIME k", "PEXPIRETIME k"] {
        assert_eq!(session.run(line), Reply::Integer(-1));
        assert_eq!(session.run(&line.replace('k', "none")), Reply::Integer(-2));
    }
    session.run("PEXPIRE k 1500");
    assert_eq!(session.run("TTL k"), Reply::Integer(2));
    assert_eq!(session.run("PTTL k"), Reply::Integer(1500));
    assert_eq!(session.run("EXPIRETIME k"), Reply::Integer(START / 1000 + 2));
    session.clock.advance(1);
    assert_eq!(session.run("TTL k"), Reply::Integer(1));
    session.clock.advance(1499);
    assert_eq!(session.run("TTL k"), Reply::Integer(-2));
}

#[test]
fn conditions_compare_with_the_expiry_that_is_there() {
    // never is later than any time
    for (before, condition, expected) in [
        (None, "NX", true),
        (Some(10), "NX", false),
        (None, "XX", false),
        (Some(10), "XX", true),
        (None, "GT", false),
        (Some(10), "GT", true),
        (Some(20), "GT", false),
        (Some(30), "GT", false),
        (None, "LT", true),
        (Some(10), "LT", false),
        (Some(20), "LT", false),
        (Some(30), "lt", true),
        (None, "XX LT", false),
        (Some(30), "XX LT", true),
    ] {
        let mut session = Session::new();
        session.run("SET k v");
        if let Some(before) = before {
            session.run(&format!("EXPIRE k {before}"));
        }
        let reply = session.run(&format!("EXPIRE k 20 {condition}"));
        assert_eq!(reply, Reply::Integer(i64::from(expected)), "{before:?} {condition}");
        let after = if expected { Some(20) } else { before };
        let ttl = session.run("TTL k");
        assert_eq!(ttl, Reply::Integer(after.unwrap_or(-1)), "{before:?} {condition}");
    }
}

#[test]
fn a_time_in_the_past_deletes_the_key_if_the_conditions_hold() {
    let mut session = Session::new();
    for line in ["EXPIRE k 0", "PEXPIRE k -1", "EXPIREAT k 1", "PEXPIREAT k -5 LT"] {
        session.run("SET k v");
        assert_eq!(session.run(line), Reply::Integer(1), "{line}");
        assert_eq!(session.run("EXISTS k"), Reply::Integer(0), "{line}");
    }
    session.run("SET k v EX 10");
    assert_eq!(session.run("EXPIRE k -1 GT"), Reply::Integer(0));
    assert_eq!(session.run("EXPIRE k -1 NX"), Reply::Integer(0));
    assert_eq!(session.run("EXISTS k"), Reply::Integer(1));
}

#[test]
fn times_that_make_no_sense_are_refused_in_redis_words() {
    let mut session = Session::new();
    session.run("SET k v");
    for (line, text) in [
        ("EXPIRE k x", "ERR value is not an integer or out of range"),
        ("EXPIRE k 9223372036854775807", "ERR invalid expire time in 'expire' command"),
        ("PEXPIRE k 9223372036854775807", "ERR invalid expire time in 'pexpire' command"),
        ("EXPIREAT k 9223372036854776", "ERR invalid expire time in 'expireat' command"),
        ("EXPIRE k x other", "ERR Unsupported option other"),
        ("EXPIRE k 1 NX GT", "ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE k 1 GT LT", "ERR GT and LT options at the same time are not compatible"),
    ] {
        assert_eq!(session.error(line), text, "{line}");
    }
    assert_eq!(session.run("PEXPIREAT k 9223372036854775807"), Reply::Integer(1));
    assert_eq!(pexpiretime(&mut session, "k"), i64::MAX);
}

#[test]
fn persisting_takes_the_expiry_away_once() {
    let mut session = Session::new();
    session.run("SET k v EX 10");
    assert_eq!(session.run("PERSIST k"), Reply::Integer(1));
    assert_eq!(session.run("PERSIST k"), Reply::Integer(0));
    assert_eq!(session.run("PERSIST none"), Reply::Integer(0));
    assert_eq!(session.run("TTL k"), Reply::Integer(-1));
}
