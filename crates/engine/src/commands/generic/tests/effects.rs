//! What commands tell the log, and that running it again does the same.

use proptest::prelude::*;

use super::*;

#[test]
fn effects_hold_absolute_times_and_what_really_happened() {
    let mut world = World::new();
    world.run("SET a v");
    assert_eq!(world.effects("EXPIRE a 10"), ["0: PEXPIREAT a 1010000"]);
    assert_eq!(world.effects("PEXPIRE a 10 XX"), ["0: PEXPIREAT a 1000010"]);
    assert_eq!(world.effects("RENAME a b"), ["0: RENAME a b"]);
    assert_eq!(world.effects("COPY b c DB 1"), ["0: COPY b c DB 1"]);
    assert_eq!(world.effects("MOVE b 2"), ["0: MOVE b 2"]);
    world.run("SET a v EX 10");
    assert_eq!(world.effects("PERSIST a"), ["0: PERSIST a"]);
    assert_eq!(world.effects("EXPIREAT a 1"), ["0: DEL a"]);
    world.run("SET a v");
    assert_eq!(world.effects("SORT none STORE a"), ["0: DEL a"]);
    world.run("SET a v");
    assert_eq!(world.effects("UNLINK a x"), ["0: UNLINK a x"]);
    assert_eq!(world.effects("SWAPDB 1 2"), ["0: SWAPDB 1 2"]);
    assert_eq!(world.effects("FLUSHALL"), ["0: FLUSHALL"]);
}

#[test]
fn what_changes_nothing_tells_nothing_and_wakes_nobody() {
    let mut world = World::new();
    world.run("SET a v");
    world.run("SET b v");
    let flags = ["a", "b", "none"].map(|key| world.watch(0, key));
    for line in [
        "DEL none",
        "EXPIRE none 10",
        "EXPIRE a 10 XX",
        "EXPIRE a -1 GT",
        "PERSIST a",
        "TTL a",
        "COPY a b",
        "COPY none b REPLACE",
        "RENAME a a",
        "RENAMENX a b",
        "MOVE none 1",
        "EXISTS a b none",
        "TOUCH a",
        "TYPE a",
        "OBJECT ENCODING a",
        "MEMORY USAGE a",
        "DUMP a",
        "SCAN 0",
        "KEYS *",
        "RANDOMKEY",
        "SORT none STORE none",
        "RESTORE a 0 x REPLACE",
        "SWAPDB 0 0",
        "SWAPDB 3 4",
        "FLUSHDB OTHER",
        "DBSIZE",
        "TIME",
        "WAIT 0 0",
    ] {
        assert_eq!(world.effects(line), Vec::<String>::new(), "{line}");
        assert!(!flags.iter().any(|flag| raised(flag)), "{line}");
    }
    assert_eq!(world.flushes.count, 0);
}

#[test]
fn those_who_watch_hear_of_both_ends_of_a_transfer() {
    let mut world = World::new();
    for (line, watched) in [
        ("RENAME a b", [(0, "a"), (0, "b")]),
        ("MOVE a 1", [(0, "a"), (1, "a")]),
        ("COPY a c DB 1", [(1, "c"), (1, "c")]),
        ("EXPIRE a 10", [(0, "a"), (0, "a")]),
    ] {
        world.run("FLUSHALL");
        world.run("SET a v");
        let flags = watched.map(|(db, key)| world.watch(db, key));
        world.run(line);
        assert!(flags.iter().all(|flag| raised(flag)), "{line}");
    }
}

#[test]
fn a_flush_tells_those_whose_key_was_there() {
    let mut world = World::new();
    world.run("SET there v");
    let (there, absent) = (world.watch(0, "there"), world.watch(0, "absent"));
    world.run("FLUSHDB ASYNC");
    assert!(raised(&there) && !raised(&absent));
    world.run("SET absent v");
    assert!(raised(&absent));
    assert_eq!((world.flushes.flushed.len(), world.flushes.trash.len()), (1, 1));
    world.run("FLUSHALL SYNC");
    assert_eq!(world.flushes.flushed.len(), 2, "empty databases are left alone");
}

#[test]
fn a_swap_tells_those_whose_key_was_there_or_is_there_now() {
    let mut world = World::new();
    world.run("SET zero v");
    world.call(1, &words("SET one v"));
    let watch = |world: &mut World, key| [0, 1].map(|db| world.watch(db, key));
    let (zero, one, absent) =
        (watch(&mut world, "zero"), watch(&mut world, "one"), watch(&mut world, "absent"));
    assert_eq!(world.run("SWAPDB 0 1"), Reply::OK);
    assert_eq!(world.run("GET one"), bulk("v"));
    assert!(zero.iter().chain(&one).all(|flag| raised(flag)));
    assert!(!absent.iter().any(|flag| raised(flag)));
    world.run("SET absent v");
    assert!(raised(&absent[0]) && !raised(&absent[1]));
    world.call(1, &words("SET absent v"));
    assert!(raised(&absent[1]));
    assert!(world.flushes.changed);
}

#[test]
fn databases_that_are_not_there_cannot_be_swapped() {
    let mut session = Session::new();
    for (line, text) in [
        ("SWAPDB x 1", "ERR invalid first DB index"),
        ("SWAPDB 0 x", "ERR invalid second DB index"),
        ("SWAPDB 0 99999999999", "ERR invalid second DB index"),
        ("SWAPDB 0 16", "ERR DB index is out of range"),
        ("SWAPDB -1 0", "ERR DB index is out of range"),
        ("FLUSHDB OTHER", "ERR syntax error"),
        ("FLUSHALL SYNC ASYNC", "ERR syntax error"),
    ] {
        assert_eq!(session.error(line), text, "{line}");
    }
}

#[test]
fn the_time_has_seconds_and_microseconds() {
    let mut session = Session::new();
    session.clock.advance(7_089);
    assert_eq!(session.run("TIME"), Reply::Array(vec![bulk("1000007"), bulk("89000")]));
}

/// All that can be seen of a world's first databases: key by key what `DUMP` and `PEXPIRETIME`
/// answer.
fn state(world: &mut World) -> Vec<(usize, String, Reply, Reply)> {
    let mut state = Vec::new();
    for db in 0..3 {
        for key in texts(world.call(db, &words("KEYS *")).0) {
            let value = world.call(db, &cmd!("DUMP", &key)).0;
            let expiry = world.call(db, &cmd!("PEXPIRETIME", &key)).0;
            state.push((db, key, value, expiry));
        }
    }
    state
}

/// Lines over few keys and databases, so that they meet; `$` stands for a
/// payload that can be restored.
fn any_line() -> impl Strategy<Value = String> {
    let key = || prop::sample::select(vec!["a", "b", "c", "d"]);
    let db = 0..3;
    let condition = prop::sample::select(vec!["", " NX", " XX", " GT", " LT"]);
    let replace = prop::sample::select(vec!["", " REPLACE"]);
    prop_oneof![
        4 => (key(), 0..9).prop_map(|(key, n)| format!("SET {key} {n}")),
        2 => (key(), 1..50).prop_map(|(key, ms)| format!("SET {key} v PX {ms}")),
        2 => (key(), key(), key()).prop_map(|(key, f, v)| format!("HSET {key} {f} {v}")),
        2 => (key(), -5..50, condition).prop_map(|(key, ms, c)| format!("PEXPIRE {key} {ms}{c}")),
        1 => (key(), key()).prop_map(|(a, b)| format!("DEL {a} {b}")),
        1 => key().prop_map(|key| format!("PERSIST {key}")),
        2 => (key(), key()).prop_map(|(a, b)| format!("RENAME {a} {b}")),
        1 => (key(), key()).prop_map(|(a, b)| format!("RENAMENX {a} {b}")),
        2 => (key(), db.clone()).prop_map(|(key, db)| format!("MOVE {key} {db}")),
        2 => (key(), key(), db.clone(), replace.clone())
            .prop_map(|(a, b, db, replace)| format!("COPY {a} {b} DB {db}{replace}")),
        2 => (key(), 0..50, replace)
            .prop_map(|(key, ms, replace)| format!("RESTORE {key} {ms} ${replace}")),
        1 => (key(), key()).prop_map(|(a, b)| format!("SORT {a} STORE {b}")),
        1 => (db.clone(), db).prop_map(|(a, b)| format!("SWAPDB {a} {b}")),
        1 => Just("FLUSHDB".to_owned()),
        1 => Just("RANDOMKEY".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn effects_bring_a_copy_to_the_same_state(
        lines in prop::collection::vec((0usize..3, 0u64..20, any_line()), 1..60)
    ) {
        let (mut world, mut copy) = (World::new(), World::new());
        world.run("SET payload restored");
        let payload = world.run("DUMP payload").into_bytes().unwrap().unwrap();
        world.run("DEL payload");
        for (db, passed, line) in lines {
            world.now += passed;
            let watched: Vec<_> = [0, 1, 2]
                .into_iter()
                .flat_map(|db| ["a", "b", "c", "d"].map(|key| (db, key)))
                .map(|(db, key)| {
                    // What has expired is removed first: that is a change too.
                    world.call(db, &cmd!("EXISTS", key));
                    world.watch(db, key)
                })
                .collect();
            let mut command = Command::new(line.split(' ').next().unwrap_or_default());
            for word in line.split(' ').skip(1) {
                match word {
                    "$" => command.push(&payload),
                    word => command.push(word),
                }
            }
            let effects = world.call(db, &command.build()).1;
            let woken = watched.iter().any(|flag| raised(flag));
            prop_assert!(!woken || !effects.is_empty(), "{line}: a change that is not told");
            copy.now = world.now;
            for (db, effect) in effects {
                let reply = copy.call(db, &effect).0;
                prop_assert!(!matches!(reply, Reply::Error(_)), "{line}: {effect:?} {reply:?}");
            }
            prop_assert_eq!(state(&mut world), state(&mut copy), "{}", line);
        }
    }
}
