use std::collections::BTreeMap;

use super::*;
use crate::{
    memory::{Images, Keyspace, KeyspaceId, Value},
    random::Random,
    types::{Hash, Items},
};

/// What the store would hold of the parts.
type Stored = BTreeMap<(u64, u64), (u64, u8, Vec<u8>)>;

const KEY: &[u8] = b"key";

fn keyspace() -> Keyspace {
    let mut keyspace = Keyspace::new(KeyspaceId(0), [3; 16]);
    keyspace.set_part_bytes(40);
    keyspace
}

fn empty() -> Value {
    Value::Items(Hash::default().into())
}

fn decode(tag: u8, bytes: &[u8]) -> Collection {
    Collection::decode(Kind::from_tag(tag).unwrap(), bytes).unwrap()
}

fn field(n: usize) -> Vec<u8> {
    format!("field:{n}").into_bytes()
}

fn id_of(keyspace: &Keyspace) -> Option<ValueId> {
    match keyspace.known(KEY) {
        Some(Some(Value::Parts(head))) => Some(head.id),
        _ => None,
    }
}

/// Brings what is missing at a place into memory, as a command's fetch does.
fn fetch(keyspace: &mut Keyspace, stored: &Stored, place: u64) {
    let Some(Some(Value::Parts(head))) = keyspace.known(KEY) else { return };
    let id = head.id;
    let Some(gap) = keyspace.gap(&Parts::default(), head, Reach::one(place)) else { return };
    let before = stored.range(..=(id.0, gap.from)).next_back().filter(|((of, _), _)| *of == id.0);
    let after =
        stored.range((id.0, gap.from)..=(id.0, u64::MAX)).find(|((_, start), _)| *start > gap.from);
    let end = after.map_or(u64::MAX, |((_, start), _)| start - 1);
    let part = match before {
        Some((&(_, start), &(until, tag, ref bytes))) if until >= gap.from => {
            StoredPart { start, until, items: Some(decode(tag, bytes)) }
        }
        before => {
            let start = before.map_or(0, |(_, &(until, ..))| until + 1);
            StoredPart { start, until: end, items: None }
        }
    };
    keyspace.admit_part(id, part, true);
}

fn get(keyspace: &mut Keyspace, stored: &Stored, field: &[u8]) -> Option<Vec<u8>> {
    let place = keyspace.place(field);
    fetch(keyspace, stored, place);
    let view = keyspace.slot(KEY, 1)?.into_view::<Hash>().unwrap();
    view.of(field).unwrap().and_then(|hash| hash.get(field)).map(<[u8]>::to_vec)
}

fn edit(keyspace: &mut Keyspace, stored: &Stored, field: &[u8], edit: impl FnOnce(&mut Hash)) {
    let place = keyspace.place(field);
    fetch(keyspace, stored, place);
    if keyspace.slot(KEY, 1).is_none() {
        keyspace.set(KEY, empty(), 0);
    }
    keyspace.slot(KEY, 1).unwrap().edit(field, edit).unwrap();
    if keyspace.slot(KEY, 1).unwrap().value().items() == 0 {
        keyspace.slot(KEY, 1).unwrap().remove();
    }
}

fn apply(stored: &mut Stored, images: Images) {
    for image in images.parts {
        let key = (image.id.0, image.start);
        match image.items {
            Some((tag, bytes)) => stored.insert(key, (image.until, tag, bytes)),
            None => stored.remove(&key),
        };
    }
}

/// The fields in the stored parts of a value, which do not overlap.
fn fields_of(stored: &Stored, id: ValueId) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut fields = BTreeMap::new();
    let mut last = None;
    for (&(_, start), (until, tag, bytes)) in stored.range((id.0, 0)..=(id.0, u64::MAX)) {
        assert!(last.is_none_or(|last| last < start) && start <= *until, "parts overlap");
        last = Some(*until);
        let part = decode(*tag, bytes);
        let part = Hash::of(&part).unwrap();
        assert!(part.len() > 0, "an empty part has no record");
        fields.extend(part.iter().map(|(field, value)| (field.to_vec(), value.to_vec())));
    }
    fields
}

/// Sets, deletes and reads fields at random, with checkpoints that go on
/// meanwhile, fail or succeed, and with parts dropped and read back.
#[test]
fn a_value_in_parts_is_one_value_through_evictions_and_checkpoints() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let (mut keyspace, mut model) = (keyspace(), BTreeMap::new());
        let (mut stored, mut saving) =
            (Stored::new(), None::<(Stored, BTreeMap<_, _>, Option<ValueId>)>);
        for step in 0..6_000 {
            keyspace.begin(step + 1);
            let name = field(random.below(if step % 2000 < 1000 { 300 } else { 20 }));
            match random.below(40) {
                0 if saving.is_none() => {
                    keyspace.begin_snapshot();
                    saving = Some((stored.clone(), model.clone(), id_of(&keyspace)));
                }
                1..5 => {
                    let Some((mut copy, state, id)) = saving.take() else { continue };
                    match keyspace.next_images(8) {
                        Some(images) => {
                            apply(&mut copy, images);
                            saving = Some((copy, state, id));
                        }
                        None => {
                            if let Some(id) = id {
                                assert_eq!(fields_of(&copy, id), state, "the state of then");
                            }
                            let committed = random.below(3) > 0;
                            keyspace.end_snapshot(committed);
                            if committed {
                                stored = copy;
                            }
                        }
                    }
                }
                5..8 => keyspace.evict(1),
                8..20 => {
                    edit(&mut keyspace, &stored, &name, |hash| _ = hash.remove(&name));
                    model.remove(&name);
                }
                20..34 => {
                    let value = vec![b'v'; random.below(12)];
                    edit(&mut keyspace, &stored, &name, |hash| _ = hash.insert(&name, &value));
                    model.insert(name, value);
                }
                34 => _ = keyspace.take_dead(3),
                _ => {
                    let found = get(&mut keyspace, &stored, &name);
                    assert_eq!(found.as_ref(), model.get(&name), "seed {seed}, step {step}");
                }
            }
            let len = keyspace.slot(KEY, 1).map_or(0, |slot| slot.value().items());
            assert_eq!(len, model.len(), "seed {seed}, step {step}");
        }
    }
}

#[test]
fn memory_is_counted_to_the_last_byte() {
    let mut keyspace = keyspace();
    let stored = Stored::new();
    keyspace.set(b"other", empty(), 0);
    let empty = keyspace.memory();
    for round in 0..3 {
        keyspace.begin(round + 1);
        for n in 0..500 {
            edit(&mut keyspace, &stored, &field(n), |hash| _ = hash.insert(&field(n), b"value"));
        }
        assert!(id_of(&keyspace).is_some() && keyspace.memory() > empty + 5_000);
        keyspace.slot(KEY, 1).unwrap().remove();
        while !keyspace.take_dead(64).is_empty() {}
        assert_eq!(keyspace.memory(), empty);
    }
}

#[test]
fn a_checkpoint_gets_the_parts_of_a_value_that_was_deleted_after_it_began() {
    let (mut keyspace, stored) = (keyspace(), Stored::new());
    for n in 0..100 {
        edit(&mut keyspace, &stored, &field(n), |hash| _ = hash.insert(&field(n), b"value"));
    }
    let id = id_of(&keyspace).unwrap();
    keyspace.begin_snapshot();
    assert!(keyspace.take_dropped().is_empty());
    keyspace.slot(KEY, 1).unwrap().remove();
    assert!(keyspace.take_dead(1000).is_empty(), "the checkpoint wants them");
    let mut copy = Stored::new();
    while let Some(images) = keyspace.next_images(8) {
        apply(&mut copy, images);
    }
    assert_eq!(fields_of(&copy, id).len(), 100);
    keyspace.end_snapshot(true);

    keyspace.begin_snapshot();
    assert_eq!(keyspace.take_dropped(), [id]);
    while let Some(images) = keyspace.next_images(8) {
        assert!(images.parts.is_empty(), "the next one does not");
    }
    keyspace.end_snapshot(true);
    assert!(!keyspace.take_dead(1000).is_empty());
}

#[test]
fn a_name_moves_a_value_without_its_parts_and_a_copy_has_its_own() {
    let (mut keyspace, stored) = (keyspace(), Stored::new());
    for n in 0..100 {
        edit(&mut keyspace, &stored, &field(n), |hash| _ = hash.insert(&field(n), b"value"));
    }
    let id = id_of(&keyspace).unwrap();
    let copy = keyspace.slot(KEY, 1).unwrap().copied().unwrap();
    assert_eq!(copy.items(), 100);
    keyspace.set(b"copy", copy, 0);
    let moved = keyspace.slot(KEY, 1).unwrap().take();
    keyspace.set(b"other", moved, 0);
    assert!(matches!(keyspace.known(b"other"), Some(Some(Value::Parts(head))) if head.id == id));
    assert!(matches!(keyspace.known(b"copy"), Some(Some(Value::Parts(head))) if head.id != id));
    assert!(keyspace.take_dead(1000).is_empty());
}

#[test]
fn a_change_of_what_is_not_in_memory_is_refused_and_changes_nothing() {
    let (mut keyspace, stored) = (keyspace(), Stored::new());
    for n in 0..100 {
        edit(&mut keyspace, &stored, &field(n), |hash| _ = hash.insert(&field(n), b"value"));
    }
    keyspace.begin_snapshot();
    while keyspace.next_images(1000).is_some() {}
    keyspace.end_snapshot(true);
    (0..20).for_each(|_| keyspace.evict(64));
    keyspace.admit(KEY, Value::Parts(Box::new(Head::new(ValueId(1), Kind::Hash))), 0);
    let mut slot = keyspace.slot(KEY, 1).unwrap();
    assert_eq!(
        slot.edit(b"field:1", |hash: &mut Hash| hash.insert(b"field:1", b"new")),
        Err(Absent)
    );
    assert!(!keyspace.is_dirty());
}
