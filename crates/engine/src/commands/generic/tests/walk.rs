//! Walks over keys of which some are only in the store.

use std::collections::BTreeMap;

use super::*;
use crate::{
    commands::{ColdKey, Walk, generic::walk},
    database::Call,
    memory::{Str, Value},
    types::Kind,
};

/// What the store has, by key: when it expires.
type Store = BTreeMap<String, u64>;

/// A world whose first logical database has `stored` keys in its store, and
/// none of them in memory yet.
fn world_of(stored: usize) -> (World, Store) {
    let mut world = World::new();
    world.keyspaces[0] = Keyspace::stored(KeyspaceId(0), [9; 16], stored as u64, 1);
    (world, (0..stored).map(|n| (format!("cold:{n}"), 0)).collect())
}

/// Reads the store as a walk wants it, `extra` keys more than needed.
fn read(world: &World, store: &Store, walk: Walk, extra: usize) -> Cold {
    let place = |key: &String| world.keyspaces[0].hash(key.as_bytes()).place();
    let mut all: Vec<_> =
        store.iter().map(|(key, &expire_at)| (place(key), key, expire_at)).collect();
    all.sort();
    let count = walk.count.saturating_add(extra);
    let (behind, ahead) = all.split_at(all.partition_point(|&(place, ..)| place < walk.from));
    let behind = if walk.wraps { behind } else { &[] };
    let keys: Vec<_> = ahead
        .iter()
        .chain(behind)
        .take(count)
        .map(|&(place, key, expire_at)| {
            let key = key.clone().into_bytes();
            ColdKey { place, key, kind: Kind::Str, expire_at }
        })
        .collect();
    let until = match keys.last() {
        Some(last) if ahead.len() + behind.len() > count => last.place,
        _ if walk.wraps => walk.from.wrapping_sub(1),
        _ => u64::MAX,
    };
    Cold { keyspace: KeyspaceId(0), from: walk.from, keys, until }
}

/// Runs a command that walks, with what it wants read from the store.
fn run(world: &mut World, store: &Store, line: &str, extra: usize) -> Reply {
    let command = words(line);
    let spec = table::lookup(command.name()).unwrap();
    let handler = commands::handler(spec).unwrap();
    let call = Call { spec, handler, command, db: 0 };
    let wanted = walk(&call, 0, &mut world.random).expect("a walk");
    world.cold = Some(read(world, store, wanted, extra));
    let reply = world.call(0, &call.command).0;
    world.cold = None;
    reply
}

fn scan_all(
    world: &mut World,
    store: &mut Store,
    count: usize,
    mut meanwhile: impl FnMut(&mut World, &mut Store),
) -> Vec<String> {
    let (mut cursor, mut seen) = (String::from("0"), Vec::new());
    for extra in (0..4).cycle() {
        let reply = run(world, store, &format!("SCAN {cursor} COUNT {count}"), extra);
        let mut parts = reply.into_array().unwrap().into_iter();
        cursor = texts(Reply::Array(vec![parts.next().unwrap()])).remove(0);
        let keys = texts(parts.next().unwrap());
        assert!(keys.len() <= count);
        seen.extend(keys);
        if cursor == "0" {
            break;
        }
        meanwhile(world, store);
    }
    seen.sort();
    seen
}

#[test]
fn a_scan_merges_memory_and_store() {
    for count in [1, 7, 1_000] {
        let (mut world, mut store) = world_of(200);
        for n in 0..200 {
            world.run(&format!("SET warm:{n} v"));
        }
        let seen = scan_all(&mut world, &mut store, count, |_, _| {});
        let mut once = seen.clone();
        once.dedup();
        assert_eq!(once, seen);
        assert_eq!(seen.len(), 400);
        assert_eq!(texts(run(&mut world, &store, "KEYS *", 0)), seen);
        assert!(world.keyspaces[0].is_missing(b"cold:1"), "a walk loads nothing");
    }
}

#[test]
fn memory_knows_better_than_the_store() {
    let (mut world, mut store) = world_of(100);
    let value = || Value::Str(Str::from_slice(b"v"));
    for n in 0..50 {
        // Brought into memory, then deleted, expired or made a hash there.
        let key = format!("cold:{n}");
        world.keyspaces[0].admit(key.as_bytes(), value(), 0);
        match n % 5 {
            0 => world.run(&format!("DEL {key}")),
            1 => world.run(&format!("PEXPIRE {key} 5")),
            2 => {
                world.run(&format!("DEL {key}"));
                world.run(&format!("HSET {key} f v"))
            }
            _ => Reply::Null,
        };
    }
    store.insert("cold:99".into(), world.now + 5);
    world.now += 5;
    let seen = scan_all(&mut world, &mut store, 9, |_, _| {});
    assert_eq!(seen.len(), 100 - 20 - 1);
    assert_eq!(texts(run(&mut world, &store, "KEYS *", 0)), seen);
    let hashes = run(&mut world, &store, "SCAN 0 COUNT 1000 TYPE hash", 0);
    assert_eq!(texts(hashes.into_array().unwrap().remove(1)).len(), 10);
}

#[test]
fn a_key_that_comes_and_goes_between_memory_and_store_is_seen_once() {
    for count in [1, 4, 25] {
        let (mut world, mut store) = world_of(400);
        let mut dice = Random::new(count as u64);
        let seen = scan_all(&mut world, &mut store, count, |world, store| {
            for _ in 0..5 {
                let key = format!("cold:{}", dice.below(400));
                if world.keyspaces[0].is_missing(key.as_bytes()) {
                    world.keyspaces[0].admit(key.as_bytes(), Value::Str(Str::from_slice(b"v")), 0);
                }
                world.run(&format!("SET new:{} v", dice.below(1_000)));
            }
            match dice.below(3) {
                0 => world.keyspaces[0].evict(usize::MAX),
                1 => checkpoint(world, store),
                _ => {}
            }
        });
        let mut once = seen.clone();
        once.dedup();
        assert_eq!(once, seen);
        assert_eq!(seen.iter().filter(|key| key.starts_with("cold:")).count(), 400);
    }
}

/// Brings the store up to date with memory.
fn checkpoint(world: &mut World, store: &mut Store) {
    let keyspace = &mut world.keyspaces[0];
    keyspace.begin_snapshot();
    while let Some(images) = keyspace.next_images(10) {
        for image in images.keys {
            let key = String::from_utf8(image.key.to_vec()).unwrap();
            match image.value {
                Some(_) => store.insert(key, image.expire_at),
                None => store.remove(&key),
            };
        }
    }
    keyspace.end_snapshot(true);
}

#[test]
fn a_random_key_is_any_key_in_the_store_about_as_often() {
    for size in [1, 2, 10, 150] {
        let (mut world, store) = world_of(size);
        let mut times = BTreeMap::<_, usize>::new();
        for _ in 0..size * 100 {
            let chosen = run(&mut world, &store, "RANDOMKEY", 0).into_bytes().unwrap();
            *times.entry(chosen).or_default() += 1;
        }
        assert_eq!(times.len(), size);
        assert!(times.values().all(|times| (40..=200).contains(times)), "{size}: {times:?}");
    }
}

#[test]
fn a_random_key_is_never_one_that_is_gone() {
    let (mut world, store) = world_of(300);
    world.run("SET warm v");
    for key in store.keys() {
        world.keyspaces[0].admit(key.as_bytes(), Value::Str(Str::from_slice(b"v")), 0);
        world.run(&format!("DEL {key}"));
    }
    for _ in 0..100 {
        assert_eq!(run(&mut world, &store, "RANDOMKEY", 0), bulk("warm"));
    }
    world.run("DEL warm");
    assert_eq!(run(&mut world, &store, "RANDOMKEY", 0), Reply::Null);
}

#[test]
fn a_walk_whose_keys_were_not_read_says_so() {
    let (mut world, store) = world_of(100);
    let refused = |reply: Reply| matches!(reply, Reply::Error(error) if error.code() == "ERR");
    assert!(refused(world.run("SCAN 0")));
    assert!(refused(world.run("KEYS *")));
    let walk = Walk { from: 0, count: 10, wraps: false };
    world.cold = Some(read(&world, &store, walk, 0));
    assert!(refused(world.run("SCAN 18446744073709551615")));
    assert!(refused(world.run("KEYS *")));
    assert!(!refused(world.run("SCAN 0")));
    // An emptied keyspace has all its keys in memory again.
    world.run("FLUSHDB");
    assert_eq!(world.run("KEYS *"), Reply::Array(vec![]));
}

#[test]
fn keys_in_another_database_are_named() {
    let key_elsewhere = |line: &str| {
        let command = words(line);
        let spec = table::lookup(command.name()).unwrap();
        let call = Call { spec, handler: commands::handler(spec).unwrap(), command, db: 2 };
        commands::keys_elsewhere(&call)
            .map(|(db, key)| (db, String::from_utf8_lossy(key).into_owned()))
    };
    assert_eq!(key_elsewhere("COPY a b REPLACE DB 3"), Some((3, "b".into())));
    assert_eq!(key_elsewhere("MOVE a 0"), Some((0, "a".into())));
    for line in
        ["COPY a b", "COPY a b DB 2", "COPY a b DB 16", "COPY a b DB", "MOVE a 2", "MOVE a x"]
    {
        assert_eq!(key_elsewhere(line), None, "{line}");
    }
}
