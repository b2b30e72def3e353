use std::collections::HashMap;

use super::*;
use crate::random::Random;

type Model = HashMap<Vec<u8>, u64>;

fn key(number: usize) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

/// A hash that is the same for many keys, in the part that an index looks at.
fn crowded(key: &[u8]) -> u64 {
    let spread = key.iter().fold(7u64, |hash, &byte| hash.wrapping_mul(31) ^ u64::from(byte));
    (spread << 63) | 0xfe00 | (spread % 5)
}

/// One that is different for most.
fn scattered(key: &[u8]) -> u64 {
    key.iter().fold(u64::MAX / 3, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
    })
}

fn assert_is(segment: &Segment, model: &Model, hash_of: fn(&[u8]) -> u64) {
    assert_eq!(segment.len(), model.len());
    assert_eq!(segment.iter().count(), model.len());
    for (key, &mark) in model {
        let found = segment.get(hash_of(key), key).map(|entry| entry.expire_at);
        assert_eq!(found, Some(mark), "{}", key.escape_ascii());
    }
    for number in 0..50 {
        let absent = format!("absent:{number}").into_bytes();
        assert!(segment.get(hash_of(&absent), &absent).is_none());
    }
}

fn put(segment: &mut Segment, model: &mut Model, key: &[u8], mark: u64, hash_of: fn(&[u8]) -> u64) {
    let (mut found, _) = segment.find_or_insert(hash_of(key), key, hash_of, || Entry::new(key));
    found.get_mut().expire_at = mark;
    model.insert(key.to_vec(), mark);
}

/// Anything that can happen to a segment, in random order.
fn changes(
    segment: &mut Segment,
    model: &mut Model,
    random: &mut Random,
    hash_of: fn(&[u8]) -> u64,
) {
    for step in 0..1_500 {
        let key = key(random.below(600));
        match random.below(100) {
            0 => {
                let share = random.below(20) as u64;
                let gone = |mark: u64| mark % 20 < share;
                let mut removed = Removed::default();
                segment.drain_if(hash_of, |entry| gone(entry.expire_at), &mut removed);
                let before = model.len();
                model.retain(|_, mark| !gone(*mark));
                assert_eq!(removed.entries.len(), before - model.len());
                assert!(!segment.is_sparse());
            }
            1..40 => {
                if let Some((found, _)) = segment.find(hash_of(&key), &key) {
                    found.remove(hash_of);
                }
                model.remove(&key);
            }
            _ if model.len() < SPLIT_AT => put(segment, model, &key, step, hash_of),
            _ => {}
        }
    }
}

#[test]
fn a_segment_has_what_a_map_has() {
    for hash_of in [crowded, scattered] {
        for seed in 0..12 {
            let (mut segment, mut model) = (Segment::new(0), Model::new());
            let mut random = Random::new(seed);
            for _ in 0..4 {
                changes(&mut segment, &mut model, &mut random, hash_of);
                assert_is(&segment, &model, hash_of);
            }
        }
    }
}

#[test]
fn a_full_segment_is_split_by_the_next_bit_of_the_hash_and_keeps_the_order() {
    for hash_of in [crowded, scattered] {
        let (mut lower, mut model) = (Segment::new(0), Model::new());
        (0..SPLIT_AT).for_each(|number| put(&mut lower, &mut model, &key(number), 1, hash_of));
        let order: Vec<Vec<u8>> = lower.iter().map(|entry| entry.key.to_vec()).collect();
        let room = lower.room();
        let mut upper = lower.split(hash_of);
        assert_eq!((lower.header.depth, upper.header.depth), (1, 1));
        let is_up = |key: &[u8]| hash_of(key) >> 63 == 1;
        let (up, down): (Model, Model) = model.into_iter().partition(|(key, _)| is_up(key));
        assert!(up.len() > 100 && down.len() > 100);
        assert_is(&lower, &down, hash_of);
        assert_is(&upper, &up, hash_of);
        for half in [&lower, &upper] {
            let keys: Vec<_> = half.iter().map(|entry| entry.key.to_vec()).collect();
            let is_in = |key: &&Vec<u8>| half.get(hash_of(key), key).is_some();
            assert!(order.iter().filter(is_in).eq(&keys));
        }
        // Half the entries each, and an index each.
        assert!(lower.room() + upper.room() < room + 4 * 1040);
        let mut random = Random::new(1);
        let mut up = up;
        changes(&mut upper, &mut up, &mut random, hash_of);
        assert_is(&upper, &up, hash_of);
    }
}

#[test]
fn what_is_taken_out_leaves_nothing_behind() {
    let (mut segment, mut model) = (Segment::new(0), Model::new());
    (0..SPLIT_AT).for_each(|number| put(&mut segment, &mut model, &key(number), 1, scattered));
    let full = segment.room();
    assert!(full >= SPLIT_AT * size_of::<Entry>());
    let mut freed = 0;
    for number in 0..SPLIT_AT - 1 {
        let key = key(number);
        let found = segment.find(scattered(&key), &key).map(|(found, _)| found);
        freed += found.unwrap().remove(scattered);
    }
    assert_eq!(segment.len(), 1);
    assert_eq!(segment.room(), full - freed);
    segment.drain_if(scattered, |_| true, &mut Removed::default());
    assert_eq!(segment.room(), 0);
}
