//! What holds for every type in the list.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::random::Random;

fn model_of(items: &impl Items) -> BTreeMap<Vec<u8>, Vec<u8>> {
    items.iter().map(|(name, rest)| (name.to_vec(), rest.to_vec())).collect()
}

/// A structure of up to `len` items.
fn some<T: Items>(len: usize) -> T {
    let mut random = Random::new(len as u64);
    let mut items = T::default();
    for _ in 0..len {
        let name = format!("name {}", random.below(len)).into_bytes();
        let new = !model_of(&items).contains_key(&name);
        assert_eq!(items.insert(&name, &vec![b'r'; random.below(40)]), new);
    }
    items
}

pub(super) fn is_stored_as_it_is<T: Typed>() {
    for len in [1, 20, 500] {
        let mut items = some::<T>(len);
        for large in [items.is_large(), true] {
            if large {
                items.set_large();
            }
            let mut stored = Vec::new();
            items.encode(&mut stored);
            let back = T::decode(&stored).unwrap();
            assert_eq!(model_of(&back), model_of(&items));
            assert_eq!((back.len(), back.is_large()), (items.len(), large));
            assert_eq!((back.encoding(), back.bytes() > 0), (items.encoding(), true));
            // It is written in one way only, so that a check can tell damage.
            let mut again = Vec::new();
            back.encode(&mut again);
            assert_eq!(again, stored);
        }
    }
}

pub(super) fn is_cut_and_joined<T: Typed>() {
    let place_of = |name: &[u8]| u64::from(name[name.len() - 1] % 7);
    let items = some::<T>(200);
    let whole: Collection = items.clone().into();
    let pieces = whole.cut(place_of, 300);
    assert!(pieces.len() > 3);
    let mut joined: Collection = T::default().into();
    for (number, (start, piece)) in pieces.iter().enumerate() {
        let until = pieces.get(number + 1).map_or(u64::MAX, |&(start, _)| start - 1);
        let names = piece.names();
        assert!(names.iter().all(|name| (*start..=until).contains(&place_of(name))));
        joined.join(piece);
    }
    assert_eq!(model_of(T::of(&joined).unwrap()), model_of(&items));
}

pub(super) fn is_not_made_of_garbage<T: Typed>() {
    let mut random = Random::new(5);
    let mut stored = Vec::new();
    some::<T>(20).encode(&mut stored);
    assert!(T::decode(&[]).is_none());
    assert!(T::decode(&stored[..stored.len() - 1]).is_none());
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..random.below(60)).map(|_| random.next() as u8).collect();
        let _ = T::decode(&bytes);
    }
}

#[test]
fn every_type_keeps_its_items() {
    CHECKS.iter().for_each(|check| check());
}

#[test]
fn a_kind_is_told_from_its_tag_and_by_its_name() {
    for &kind in Kind::ALL {
        assert_eq!(Kind::from_tag(kind as u8), Some(kind));
        assert_eq!(Kind::from_tag(kind as u8 | IN_PARTS), Some(kind));
    }
    assert_eq!(Kind::from_tag(IN_PARTS - 1), None);
    let names: HashSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
}
