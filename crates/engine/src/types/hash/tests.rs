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
        let (mut hash, mut model) = (Hash::default(), BTreeMap::new());
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
    }
}

#[test]
fn a_small_hash_keeps_the_order_of_insertion() {
    let mut hash = Hash::default();
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
    let mut hash = Hash::default();
    hash.insert(b"f", &[b'x'; 64]);
    assert_eq!(hash.encoding(), "listpack");
    hash.insert(b"f", &[b'x'; 65]);
    assert_eq!(hash.encoding(), "hashtable");
    hash.insert(b"f", b"short again");
    assert_eq!(hash.encoding(), "hashtable");
    let mut hash = Hash::default();
    (0..512_u16).for_each(|n| _ = hash.insert(&n.to_be_bytes(), b""));
    assert_eq!(hash.encoding(), "listpack");
    hash.insert(b"one more", b"");
    assert_eq!(hash.encoding(), "hashtable");
}
