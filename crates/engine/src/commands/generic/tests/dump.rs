use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// Payloads that Redis 7.0.15 made.
const INTEGER: &str = "00c290eefeff0a002875de7b13eb2800";
const TEXT: &str = "000568656c6c6f0a006372df766534200a";
const COMPRESSED: &str = "00c31740e7016161e031000062e00b3a0468656c6c6fe08604016c6f0a001ea0d0d6d0\
    65bb7d";
const HASHTABLE: &str = "0407036269670c313233343536373839303132016dc2a0fd7f00036e6567c0fb01660176\
    036c3332c2006cca88076c6f6e67697368c31240460a3031323334353637383930e03009013839016ec188130a0029\
    7e5885ecfda29a";
const LISTPACK: &str = "10404e4e0000001200816602817602816e02f1881303836e656704dffb028362696704f4\
    141a99be1c00000009816d02f2a0fd7f04836c333204f3006cca8805817402d06002817a0200018165028001ff0a00\
    aaafcc80af0214cc";

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn dump(session: &mut Session, key: &str) -> Bytes {
    session.call(cmd!("DUMP", key)).into_bytes().unwrap().expect("a key")
}

fn restore(session: &mut Session, key: &str, payload: &[u8]) -> Reply {
    session.call(cmd!("RESTORE", key, 0, payload, "REPLACE"))
}

/// `body` with the version and the checksum that belong to it.
fn sealed(body: &[u8], version: u16) -> Vec<u8> {
    let mut payload = [body, &version.to_le_bytes()].concat();
    let checksum = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&payload);
    payload.extend(checksum.to_le_bytes());
    payload
}

#[test]
fn strings_dumped_by_redis_are_restored() {
    let mut session = Session::new();
    let long = format!("{}b{}{}", "a".repeat(60), "a".repeat(20), "hello".repeat(30));
    for (payload, expected) in [(INTEGER, "-70000"), (TEXT, "hello"), (COMPRESSED, &long)] {
        assert_eq!(restore(&mut session, "k", &bytes_of(payload)), Reply::OK);
        assert_eq!(session.run("GET k"), bulk(expected));
    }
}

#[test]
fn hashes_dumped_by_redis_are_restored() {
    let mut session = Session::new();
    restore(&mut session, "large", &bytes_of(HASHTABLE));
    restore(&mut session, "small", &bytes_of(LISTPACK));
    for (field, value) in
        [("f", "v"), ("n", "5000"), ("neg", "-5"), ("big", "123456789012"), ("m", "8388000")]
    {
        assert_eq!(session.run(&format!("HGET large {field}")), bulk(value));
        assert_eq!(session.run(&format!("HGET small {field}")), bulk(value));
    }
    assert_eq!(session.run("HGET large l32"), bulk("-2000000000"));
    assert_eq!(session.run("HGET large longish"), bulk(&"0123456789".repeat(7)));
    assert_eq!(session.run("HLEN large"), Reply::Integer(7));
    assert_eq!(
        session.run("HMGET small t z e"),
        Reply::Array(vec![bulk("-4000"), bulk("0"), bulk("")])
    );
    assert_eq!(session.run("HLEN small"), Reply::Integer(9));
}

#[test]
fn strings_are_dumped_as_redis_does_it() {
    let mut session = Session::new();
    for (value, payload) in [("-70000", INTEGER), ("hello", TEXT)] {
        session.run(&format!("SET k {value}"));
        let [ours, theirs] = [dump(&mut session, "k"), Bytes::from(bytes_of(payload))];
        // Up to the footer, whose version is older.
        assert_eq!(ours[..ours.len() - 10], theirs[..theirs.len() - 10]);
    }
    assert_eq!(session.run("DUMP none"), Reply::Null);
}

#[test]
fn a_restored_key_expires_when_it_is_told_to() {
    let mut session = Session::new();
    session.run("SET k v");
    let payload = dump(&mut session, "k");
    let restore = |session: &mut Session, ttl: i64, option: &str| {
        session.call(cmd!("RESTORE", "k", ttl, &payload, "REPLACE", option))
    };
    assert_eq!(restore(&mut session, 5_000, "REPLACE"), Reply::OK);
    assert_eq!(session.run("PTTL k"), Reply::Integer(5_000));
    assert_eq!(restore(&mut session, 1_000_000_007, "ABSTTL"), Reply::OK);
    assert_eq!(session.run("PTTL k"), Reply::Integer(7));
    assert_eq!(restore(&mut session, 0, "ABSTTL"), Reply::OK);
    assert_eq!(session.run("PTTL k"), Reply::Integer(-1));
    assert_eq!(restore(&mut session, 7, "ABSTTL"), Reply::OK);
    assert_eq!(session.run("EXISTS k"), Reply::Integer(0));
}

#[test]
fn an_existing_key_is_replaced_only_if_told_to() {
    let mut session = Session::new();
    session.run("SET k v");
    let payload = dump(&mut session, "k");
    let reply = session.call(cmd!("RESTORE", "k", 0, &payload));
    assert_eq!(reply, Reply::error("BUSYKEY Target key name already exists."));
    for options in ["REPLACE IDLETIME 5", "FREQ 255 replace", "IDLETIME 1 IDLETIME 2 REPLACE"] {
        let mut command = Command::new("RESTORE").arg("k").arg(0).arg(&payload);
        options.split(' ').for_each(|word| command.push(word));
        assert_eq!(session.call(command.build()), Reply::OK, "{options}");
    }
}

#[test]
fn a_restore_that_makes_no_sense_is_refused_in_redis_words() {
    let mut session = Session::new();
    session.run("SET k v");
    for (line, text) in [
        ("RESTORE k x garbage", "BUSYKEY Target key name already exists."),
        ("RESTORE a -1 garbage", "ERR Invalid TTL value, must be >= 0"),
        ("RESTORE a x garbage", "ERR value is not an integer or out of range"),
        ("RESTORE a 0 garbage", "ERR DUMP payload version or checksum are wrong"),
        ("RESTORE a 0 garbage OTHER", "ERR syntax error"),
        ("RESTORE a 0 garbage IDLETIME", "ERR syntax error"),
        ("RESTORE a 0 garbage IDLETIME -1", "ERR Invalid IDLETIME value, must be >= 0"),
        ("RESTORE a 0 garbage FREQ 256", "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        ("RESTORE a 0 garbage FREQ 1 IDLETIME 1", "ERR syntax error"),
    ] {
        assert_eq!(session.error(line), text, "{line}");
    }
}

#[test]
fn a_payload_that_was_changed_is_refused() {
    let mut session = Session::new();
    let payload = bytes_of(LISTPACK);
    for at in 0..payload.len() {
        let mut wrong = payload.clone();
        wrong[at] ^= 0x10;
        let reply = restore(&mut session, "k", &wrong);
        assert_eq!(reply, Reply::error("ERR DUMP payload version or checksum are wrong"));
    }
    let newer = sealed(b"\x00\x01x", 13);
    let reply = restore(&mut session, "k", &newer);
    assert_eq!(reply, Reply::error("ERR DUMP payload version or checksum are wrong"));
}

#[test]
fn a_payload_of_a_type_that_is_not_there_is_refused() {
    let mut session = Session::new();
    session.run("SET k v");
    // A list, an unknown type, a hash without fields, no value at all.
    for body in [&b"\x01\x01\x01x"[..], b"\xfe\x01x", b"\x04\x00", b""] {
        let reply = restore(&mut session, "k", &sealed(body, 9));
        assert_eq!(reply, Reply::error("ERR Bad data format"), "{body:?}");
    }
    assert_eq!(session.run("GET k"), bulk("v"));
}

/// Bytes of all lengths, numbers among them.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100),
        prop::collection::vec(prop::sample::select(b"ab".to_vec()), 60..20_000),
        any::<i64>().prop_map(|n| n.to_string().into_bytes()),
        (-40_000i64..40_000).prop_map(|n| n.to_string().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_dumped_string_is_restored(value in any_bytes()) {
        let mut session = Session::new();
        session.call(cmd!("SET", "k", &value));
        let payload = dump(&mut session, "k");
        prop_assert_eq!(restore(&mut session, "copy", &payload), Reply::OK);
        prop_assert_eq!(session.run("GET copy"), Reply::bulk(&value));
    }

    #[test]
    fn a_dumped_hash_is_restored(
        fields in prop::collection::btree_map(any_bytes(), any_bytes(), 1..20)
    ) {
        let mut session = Session::new();
        for (field, value) in &fields {
            session.call(cmd!("HSET", "k", field, value));
        }
        let payload = dump(&mut session, "k");
        prop_assert_eq!(restore(&mut session, "copy", &payload), Reply::OK);
        prop_assert_eq!(session.run("HLEN copy"), Reply::Integer(fields.len() as i64));
        for (field, value) in &fields {
            prop_assert_eq!(session.call(cmd!("HGET", "copy", field)), Reply::bulk(value));
        }
    }

    #[test]
    fn garbage_with_a_right_footer_is_a_value_or_an_error(
        kind in prop::sample::select(vec![0u8, 4, 9, 13, 16]),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut session = Session::new();
        let reply = restore(&mut session, "k", &sealed(&[&[kind][..], &body].concat(), 9));
        let exists = session.run("EXISTS k");
        match reply {
            Reply::Error(error) => {
                prop_assert_eq!(error.text(), "ERR Bad data format");
                prop_assert_eq!(exists, Reply::Integer(0));
            }
            reply => prop_assert_eq!((reply, exists), (Reply::OK, Reply::Integer(1))),
        }
    }

    #[test]
    fn a_damaged_payload_with_a_right_footer_is_a_value_or_an_error(
        payload in prop::sample::select(vec![COMPRESSED, HASHTABLE, LISTPACK]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = bytes_of(payload);
        body.truncate(body.len() - 10);
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body.truncate(body.len() - cut.index(4).min(body.len()));
        let reply = restore(&mut Session::new(), "k", &sealed(&body, 9));
        let bad = Reply::error("ERR Bad data format");
        prop_assert!(reply == Reply::OK || reply == bad, "{reply:?}");
    }
}
