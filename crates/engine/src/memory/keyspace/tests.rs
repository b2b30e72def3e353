use std::collections::BTreeMap;

use super::*;
use crate::{
    memory::{Removed, Str},
    random::Random,
};

fn key(n: u64) -> Vec<u8> {
    format!("key:{n}").into_bytes()
}

fn string(n: u64) -> Value {
    Value::Str(Str::from_slice(format!("value {n}").as_bytes()))
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

/// What the store would hold, by key.
type Stored = BTreeMap<Vec<u8>, (u64, Vec<u8>)>;

fn apply(stored: &mut Stored, images: Images) {
    for image in images.keys {
        match image.value {
            Some((_, payload)) => stored.insert(image.key.to_vec(), (image.expire_at, payload)),
            None => stored.remove(&*image.key),
        };
    }
}

#[test]
fn keys_are_found_through_many_splits() {
    let mut keyspace = Keyspace::new(KeyspaceId(0), [1; 16]);
    for n in 0..50_000 {
        keyspace.set(&key(n), string(n), 0);
    }
    assert_eq!(keyspace.len(), 50_000);
    assert!(keyspace.visits() > 100);
    for n in 0..50_000 {
        assert_eq!(keyspace.get(&key(n), 1).map(bytes), Some(bytes(&string(n))));
    }
    assert!(keyspace.get(b"no such key", 1).is_none());
}

#[test]
fn a_list_goes_through_every_key_once_in_order() {
    let mut keyspace = Keyspace::new(KeyspaceId(0), [2; 16]);
    for n in 0..5_000 {
        keyspace.set(&key(n), string(n), 0);
    }
    let (mut from, mut seen) = (0, Vec::new());
    loop {
        let (found, until) = keyspace.list(from, 10, 1);
        seen.extend(found.iter().map(|listed| (listed.place, listed.key.to_vec())));
        if until == u64::MAX {
            break;
        }
        from = until + 1;
    }
    assert!(seen.is_sorted());
    let mut keys: Vec<_> = seen.into_iter().map(|(_, key)| key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5_000);
}

#[test]
fn an_expired_key_is_gone_at_its_time_and_swept_in_the_background() {
    let mut keyspace = Keyspace::new(KeyspaceId(0), [3; 16]);
    for n in 0..1_000 {
        keyspace.set(&key(n), string(n), if n % 2 == 0 { 100 } else { 0 });
    }
    assert!(keyspace.get(&key(0), 99).is_some());
    assert!(keyspace.get(&key(0), 100).is_none());
    assert_eq!(keyspace.next_expiry(), Some(100));
    while !keyspace.sweep_expired(100, 1, &mut Removed::default()) {}
    assert_eq!(keyspace.len(), 500);
    assert_eq!(keyspace.next_expiry(), None);
}

#[test]
fn memory_is_counted_back_to_nothing() {
    let mut keyspace = Keyspace::new(KeyspaceId(0), [4; 16]);
    for n in 0..1_000 {
        keyspace.set(&key(n), string(n), 0);
        keyspace.set(&key(n), string(n * 1_000_000), 0);
    }
    assert!(keyspace.memory() > 50_000);
    for n in 0..1_000 {
        keyspace.slot(&key(n), 1).unwrap().remove();
    }
    // Segments give back their room when they are visited.
    while !keyspace.sweep_expired(1, 100, &mut Removed::default()) {}
    assert_eq!(keyspace.memory(), 0);
}

#[test]
fn a_watcher_hears_of_changes_and_of_nothing_else() {
    let mut keyspace = Keyspace::new(KeyspaceId(0), [5; 16]);
    keyspace.set(b"a", string(1), 0);
    let flag = Arc::new(AtomicBool::new(false));
    keyspace.watch(b"a", Arc::clone(&flag));
    keyspace.set(b"b", string(1), 0);
    keyspace.get(b"a", 1);
    assert!(!flag.load(Ordering::Relaxed));
    keyspace.slot(b"a", 1).unwrap().set_expire_at(50);
    assert!(flag.load(Ordering::Relaxed));
    assert!(keyspace.books.watchers.is_empty());
}

/// Random changes while checkpoints begin, proceed, fail and commit: what the
/// store gets is the exact state at the checkpoint's beginning, each time.
#[test]
fn a_checkpoint_is_the_state_at_its_beginning() {
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let mut keyspace = Keyspace::new(KeyspaceId(0), [6; 16]);
        let mut model: Stored = BTreeMap::new();
        let mut stored: Stored = BTreeMap::new();
        for round in 0..12 {
            let change = |keyspace: &mut Keyspace, model: &mut Stored, random: &mut Random| {
                let name = key(random.below(900) as u64);
                match random.below(4) {
                    0 => {
                        model.remove(&name);
                        if let Some(slot) = keyspace.slot(&name, 1) {
                            slot.remove();
                        }
                    }
                    1 => {
                        if let Some(mut slot) = keyspace.slot(&name, 1) {
                            slot.change(|value| *value = string(7));
                            let expire_at = slot.expire_at();
                            model.insert(name, (expire_at, bytes(&string(7))));
                        }
                    }
                    _ => {
                        let (value, expire_at) =
                            (string(random.next()), random.below(2) as u64 * 1000);
                        model.insert(name.clone(), (expire_at, bytes(&value)));
                        keyspace.set(&name, value, expire_at);
                    }
                }
            };
            for _ in 0..300 {
                change(&mut keyspace, &mut model, &mut random);
            }
            let expected = model.clone();
            keyspace.begin_snapshot();
            let mut next = stored.clone();
            while let Some(images) = keyspace.next_images(20) {
                apply(&mut next, images);
                for _ in 0..random.below(60) {
                    change(&mut keyspace, &mut model, &mut random);
                }
            }
            let committed = random.below(4) > 0;
            keyspace.end_snapshot(committed);
            if committed {
                assert_eq!(next, expected, "seed {seed} round {round}");
                stored = next;
            }
            assert_eq!(keyspace.len(), model.len() as u64);
            keyspace.forget_gone(usize::MAX);
        }
    }
}

#[test]
fn evicted_keys_come_back_from_the_store_and_changed_ones_stay() {
    let mut keyspace = Keyspace::new(KeyspaceId(0), [7; 16]);
    for n in 0..1_000 {
        keyspace.set(&key(n), string(n), 0);
    }
    keyspace.evict(usize::MAX);
    keyspace.evict(usize::MAX);
    assert_eq!(keyspace.evicted(), 0, "nothing is in the store yet");
    keyspace.begin_snapshot();
    while keyspace.next_images(100).is_some() {}
    keyspace.end_snapshot(true);
    keyspace.set(&key(1), string(11), 0);
    keyspace.evict(usize::MAX);
    keyspace.evict(usize::MAX);
    assert_eq!(keyspace.evicted(), 999);
    assert_eq!(keyspace.len(), 1_000);
    assert!(keyspace.is_missing(&key(2)));
    assert!(!keyspace.is_missing(&key(1)));
    keyspace.admit(&key(1), string(1), 0);
    keyspace.admit(&key(2), string(2), 0);
    assert_eq!(keyspace.get(&key(1), 1).map(bytes), Some(bytes(&string(11))));
    assert_eq!(keyspace.get(&key(2), 1).map(bytes), Some(bytes(&string(2))));
    keyspace.expire_cold(&key(3), string(3));
    assert_eq!(keyspace.len(), 999);
    assert!(!keyspace.is_missing(&key(3)));
}
