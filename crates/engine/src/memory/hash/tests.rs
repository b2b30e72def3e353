use std::collections::BTreeMap;

use super::*;
use crate::random::Random;

fn model_of(hash: &Hash) -> BTreeMap<Vec<u8>, Vec<u8>> {
    hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect()
}

#[test]
fn both_forms_hold_what_was_put_in() {
    for fields in [20, 3000] {
        let mut random = Random::new(fields as u64);
        let (mut hash, mut model) = (Hash::new(), BTreeMap::new());
        for _ in 0..10_000 {
            let field = format!("field {}", random.below(fields)).into_bytes();
            let value = vec![b'v'; random.below(40)];
            if random.below(3) == 0 {
                assert_eq!(hash.remove(&field), model.remove(&field).is_some());
            } else {
                let new = !model.contains_key(&field);
                assert_eq!(hash.insert(&field, &value), new);
                model.insert(field.clone(), value);
            }
            assert_eq!(hash.get(&field), model.get(&field).map(|value| &**value));
            assert_eq!(hash.len(), model.len());
        }
        assert_eq!(model_of(&hash), model);
        let mut stored = Vec::new();
        hash.encode(&mut stored);
        let back = Hash::decode(&stored).unwrap();
        assert_eq!(model_of(&back), model);
        assert_eq!(back.encoding(), hash.encoding());
    }
}

#[test]
fn a_small_hash_keeps_the_order_of_insertion() {
    let mut hash = Hash::new();
    for field in ["one", "two", "three", "four"] {
        hash.insert(field.as_bytes(), b"1");
    }
    hash.insert(b"two", b"a longer value");
    hash.remove(b"one");
    let fields: Vec<_> = hash.iter().map(|(field, _)| field.to_vec()).collect();
    assert_eq!(fields, [&b"two"[..], b"three", b"four"]);
}

#[test]
fn the_encoding_is_the_one_redis_would_name() {
    let mut hash = Hash::new();
    hash.insert(b"f", &[b'x'; 64]);
    assert_eq!(hash.encoding(), "listpack");
    hash.insert(b"f", &[b'x'; 65]);
    assert_eq!(hash.encoding(), "hashtable");
    hash.insert(b"f", b"short again");
    assert_eq!(hash.encoding(), "hashtable");
    let mut hash = Hash::new();
    (0..512_u16).for_each(|n| _ = hash.insert(&n.to_be_bytes(), b""));
    assert_eq!(hash.encoding(), "listpack");
    hash.insert(b"one more", b"");
    assert_eq!(hash.encoding(), "hashtable");
}

#[test]
fn a_cut_hash_is_the_same_in_order_of_places() {
    let place_of = |field: &[u8]| u64::from(field[0] % 7);
    let mut hash = Hash::new();
    (0..200_u8).for_each(|n| _ = hash.insert(&[n, n], &[b'v'; 10]));
    let pieces = hash.cut(place_of, 300);
    assert!(pieces.len() > 3);
    let mut together = BTreeMap::new();
    for (number, (start, piece)) in pieces.iter().enumerate() {
        let until = pieces.get(number + 1).map_or(u64::MAX, |&(start, _)| start - 1);
        assert!(piece.iter().all(|(field, _)| (*start..=until).contains(&place_of(field))));
        together.extend(model_of(piece));
    }
    assert_eq!(together, model_of(&hash));
}

#[test]
fn garbage_is_not_a_hash() {
    let mut random = Random::new(5);
    assert!(Hash::decode(&[]).is_none());
    assert!(Hash::decode(&[0, 3, b'a']).is_none());
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..random.below(60)).map(|_| random.next() as u8).collect();
        let _ = Hash::decode(&bytes);
    }
}
