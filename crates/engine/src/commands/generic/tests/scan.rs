use super::*;

/// One step of a `SCAN`: the next cursor and the keys.
fn step(reply: Reply) -> (u64, Vec<String>) {
    let mut parts = reply.into_array().expect("cursor and keys").into_iter();
    let cursor = parts.next().unwrap().into_bytes().unwrap().unwrap();
    let cursor = std::str::from_utf8(&cursor).unwrap().parse().unwrap();
    (cursor, texts(parts.next().unwrap()))
}

/// Scans from the beginning to the end, with `meanwhile` between two steps.
fn scan_all(
    world: &mut World,
    options: &str,
    mut meanwhile: impl FnMut(&mut World),
) -> Vec<String> {
    let (mut cursor, mut seen) = (0, Vec::new());
    loop {
        let (next, keys) = step(world.run(&format!("SCAN {cursor}{options}")));
        seen.extend(keys);
        if next == 0 {
            seen.sort();
            return seen;
        }
        assert!(next > cursor, "a walk goes forward");
        cursor = next;
        meanwhile(world);
    }
}

#[test]
fn a_step_has_exactly_as_many_keys_as_asked_for() {
    let mut world = World::new();
    for n in 0..1_000 {
        world.run(&format!("SET key:{n} v"));
    }
    let mut cursor = 0;
    for _ in 0..999 {
        let (next, keys) = step(world.run(&format!("SCAN {cursor} COUNT 1")));
        assert_eq!(keys.len(), 1);
        assert_ne!(next, 0);
        cursor = next;
    }
    let (next, keys) = step(world.run(&format!("SCAN {cursor} COUNT 1")));
    assert_eq!((next, keys.len()), (0, 1));
    let (next, keys) = step(world.run("SCAN 0 COUNT 1000"));
    assert_eq!((next, keys.len()), (0, 1_000));
    let (_, keys) = step(world.run("SCAN 0"));
    assert_eq!(keys.len(), 10);
    assert_eq!(step(World::new().run("SCAN 0")), (0, vec![]));
}

#[test]
fn a_scan_filters_by_pattern_and_type_after_counting() {
    let mut world = World::new();
    for n in 0..100 {
        world.run(&format!("SET string:{n} v"));
        world.run(&format!("HSET hash:{n} f v"));
    }
    assert_eq!(scan_all(&mut world, " TYPE hash", |_| {}).len(), 100);
    assert_eq!(scan_all(&mut world, " TYPE HASH MATCH *:1?", |_| {}).len(), 10);
    assert_eq!(scan_all(&mut world, " MATCH string:7 COUNT 3", |_| {}), ["string:7"]);
    assert_eq!(scan_all(&mut world, " TYPE list", |_| {}).len(), 0);
    let (next, keys) = step(world.run("SCAN 0 COUNT 5 MATCH nothing"));
    assert!(next != 0 && keys.is_empty());
}

#[test]
fn expired_and_deleted_keys_are_not_shown() {
    let mut world = World::new();
    for n in 0..100 {
        world.run(&format!("SET key:{n} v"));
    }
    for n in 0..100 {
        match n % 4 {
            0 => world.run(&format!("EXPIRE key:{n} 1")),
            1 => world.run(&format!("DEL key:{n}")),
            _ => Reply::Null,
        };
    }
    world.now += 1_000;
    assert_eq!(scan_all(&mut world, " COUNT 7", |_| {}).len(), 50);
    assert_eq!(texts(world.run("KEYS *")).len(), 50);
}

#[test]
fn a_walk_over_expired_keys_gives_up_in_time_and_goes_on() {
    let mut world = World::new();
    for n in 0..20_000 {
        world.run(&format!("SET key:{n} v PX 1"));
    }
    world.now += 1;
    world.run("SET last v");
    let (next, keys) = step(world.run("SCAN 0 COUNT 1"));
    assert!(next != 0 && keys.len() <= 1);
    assert_eq!(scan_all(&mut world, " COUNT 1", |_| {}), ["last"]);
    assert_eq!(world.run("RANDOMKEY"), bulk("last"));
}

#[test]
fn whatever_happens_meanwhile_a_key_that_stays_is_seen_once() {
    for count in [2, 10, 100] {
        let mut world = World::new();
        for n in 0..300 {
            world.run(&format!("SET stays:{n} v"));
            world.run(&format!("SET goes:{n} v"));
        }
        let mut dice = Random::new(count);
        let mut made = 0;
        let seen = scan_all(&mut world, &format!(" COUNT {count}"), |world| {
            // Splits segments under the cursor's feet, and lets it arrive.
            for _ in 0..dice.below(20).min(2_000 - made) {
                made += 1;
                world.run(&format!("SET comes:{made} v"));
            }
            world.run(&format!("DEL goes:{}", dice.below(300)));
            world.run(&format!("SET stays:{} other", dice.below(300)));
        });
        let mut once = seen.clone();
        once.dedup();
        assert_eq!(once, seen, "COUNT {count}");
        assert_eq!(seen.iter().filter(|key| key.starts_with("stays:")).count(), 300);
    }
}

#[test]
fn cursors_and_options_are_read_as_in_redis() {
    let mut session = Session::new();
    assert!(matches!(session.run("SCAN 18446744073709551615"), Reply::Array(_)));
    for (line, text) in [
        ("SCAN x", "ERR invalid cursor"),
        ("SCAN +", "ERR invalid cursor"),
        ("SCAN 0x", "ERR invalid cursor"),
        ("SCAN 18446744073709551616", "ERR invalid cursor"),
        ("SCAN 0 COUNT 0", "ERR syntax error"),
        ("SCAN 0 COUNT -1", "ERR syntax error"),
        ("SCAN 0 COUNT x", "ERR value is not an integer or out of range"),
        ("SCAN 0 MATCH", "ERR syntax error"),
        ("SCAN 0 OTHER x", "ERR syntax error"),
    ] {
        assert_eq!(session.error(line), text, "{line}");
    }
}

#[test]
fn keys_lists_what_matches() {
    let mut session = Session::new();
    assert_eq!(session.run("KEYS *"), Reply::Array(vec![]));
    for key in ["session:1", "session:2", "other"] {
        session.run(&format!("SET {key} v"));
    }
    assert_eq!(texts(session.run("KEYS session:?")), ["session:1", "session:2"]);
    assert_eq!(texts(session.run("KEYS *")).len(), 3);
    assert_eq!(texts(session.run("KEYS other")), ["other"]);
}

#[test]
fn a_random_key_is_any_key_about_as_often() {
    let mut world = World::new();
    assert_eq!(world.run("RANDOMKEY"), Reply::Null);
    for size in [1, 2, 10, 500] {
        for n in 0..size {
            world.run(&format!("SET {n} v"));
        }
        let mut times = vec![0; size];
        for _ in 0..size * 200 {
            let chosen = world.run("RANDOMKEY").into_bytes().unwrap().unwrap();
            times[std::str::from_utf8(&chosen).unwrap().parse::<usize>().unwrap()] += 1;
        }
        assert!(times.iter().all(|times| (80..=400).contains(times)), "{size}: {times:?}");
    }
}
