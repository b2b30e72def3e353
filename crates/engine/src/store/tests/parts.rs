//! Parts of values.

use super::*;

/// First place, last place, text.
type Found = (u64, u64, String);

fn put(store: &Store, value: u64, parts: &[(u64, u64, &str)]) {
    let mut checkpoint = store.checkpoint().unwrap();
    for &(start, until, text) in parts {
        let part = NewPart { start, until, kind: 1, payload: text.as_bytes() };
        checkpoint.put_part(1, value, &part).unwrap();
    }
    checkpoint.commit().unwrap();
}

/// Has a record stand for a value in parts.
fn put_head(store: &Store, value: u64) {
    let mut checkpoint = store.checkpoint().unwrap();
    let payload = [value.to_le_bytes(), [0; 8]].concat();
    checkpoint.put(1, hash(value), &key(value), 0, 1 | IN_PARTS, &payload).unwrap();
    checkpoint.set_meta(&meta(0, 1, 1)).unwrap();
    checkpoint.commit().unwrap();
}

/// The parts read, and the places about which this says everything.
fn read(store: &Store, value: u64, from: u64, until: u64, limit: usize) -> (Vec<Found>, u64, u64) {
    let read = store.read_parts(1, value, (from, until), limit, |part| {
        String::from_utf8(part.payload.to_vec()).unwrap()
    });
    let read = read.unwrap();
    (read.parts, read.from, read.until)
}

fn found(start: u64, until: u64, text: &str) -> Found {
    (start, until, text.to_owned())
}

#[test]
fn the_part_of_a_place_is_found_and_so_is_that_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, 6, &[(0, u64::MAX, "before")]);
    put(&store, 7, &[(10, 19, "a"), (20, 29, "b"), (50, u64::MAX, "c")]);
    put(&store, 8, &[(0, u64::MAX, "after")]);
    let (a, b, c) = (found(10, 19, "a"), found(20, 29, "b"), found(50, u64::MAX, "c"));
    assert_eq!(read(&store, 7, 0, 0, 9), (vec![], 0, 9));
    assert_eq!(read(&store, 7, 10, 10, 9), (vec![a.clone()], 10, 19));
    assert_eq!(read(&store, 7, 25, 25, 9), (vec![b.clone()], 20, 49));
    assert_eq!(read(&store, 7, 30, 35, 9), (vec![], 30, 49));
    assert_eq!(read(&store, 7, u64::MAX, u64::MAX, 9), (vec![c.clone()], 50, u64::MAX));
    assert_eq!(read(&store, 7, 0, u64::MAX, 2), (vec![a.clone(), b.clone()], 0, 49));
    assert_eq!(read(&store, 7, 15, u64::MAX, 9), (vec![a, b, c], 10, u64::MAX));
    assert_eq!(read(&store, 9, 4, 4, 9), (vec![], 0, u64::MAX));
    let mut checkpoint = store.checkpoint().unwrap();
    assert!(checkpoint.delete_part(1, 7, 50).unwrap());
    assert!(!checkpoint.delete_part(1, 7, 51).unwrap());
    checkpoint.commit().unwrap();
    assert_eq!(read(&store, 7, u64::MAX, u64::MAX, 9), (vec![], 30, u64::MAX));
}

#[test]
fn the_parts_of_a_dropped_value_go_in_bounded_steps_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put_head(&store, 8);
    let many: Vec<_> = (0..100).map(|n| (n * 10, n * 10 + 9, "text")).collect();
    (7..=8).for_each(|value| put(&store, value, &many));
    let mut checkpoint = store.checkpoint().unwrap();
    checkpoint.drop_later(Garbage::Value(1, 7)).unwrap();
    checkpoint.drop_later(Garbage::Value(1, 9)).unwrap();
    checkpoint.commit().unwrap();
    assert_eq!(store.garbage().unwrap(), [Garbage::Value(1, 7)], "there is nothing of 9");
    assert_eq!(assert_whole(&store).parts, 100);
    let mut more = Vec::new();
    while more.last() != Some(&false) {
        let mut checkpoint = store.checkpoint().unwrap();
        let before = store.tables.parts.len(&checkpoint.txn).unwrap();
        more.push(checkpoint.remove_garbage(40).unwrap());
        assert!(before - store.tables.parts.len(&checkpoint.txn).unwrap() <= 40);
        checkpoint.commit().unwrap();
    }
    assert_eq!(more, [true, true, false]);
    assert!(!store.has_garbage().unwrap());
    assert_eq!(read(&store, 7, 0, u64::MAX, 999).0, []);
    assert_eq!(read(&store, 8, 0, u64::MAX, 999).0.len(), 100);
}

#[test]
fn a_flushed_keyspace_takes_its_values_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put(&store, 7, &[(0, 9, "a")]);
    put(&store, 8, &[(0, 9, "a")]);
    let mut checkpoint = store.checkpoint().unwrap();
    checkpoint.drop_later(Garbage::Value(1, 7)).unwrap();
    checkpoint.drop_later(Garbage::Keyspace(1)).unwrap();
    assert!(!checkpoint.remove_garbage(100).unwrap());
    checkpoint.commit().unwrap();
    assert!(!store.has_garbage().unwrap());
    assert_eq!(assert_whole(&store).parts, 0);
}

#[test]
fn a_part_that_was_damaged_or_left_behind_is_reported_and_never_returned() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put_head(&store, 7);
    put(&store, 7, &[(0, 9, "a"), (10, 19, "b"), (15, 30, "overlaps")]);
    put(&store, 8, &[(0, 9, "of no record")]);
    let mut checkpoint = store.checkpoint().unwrap();
    let place = crate::store::parts::PartPlace { keyspace: 1, value: 7, start: 10 }.to_bytes();
    let mut bytes = store.tables.parts.get(&checkpoint.txn, &place).unwrap().unwrap().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    store.tables.parts.put(&mut checkpoint.txn, &place, &bytes).unwrap();
    checkpoint.commit().unwrap();
    let error = store.read_parts(1, 7, (12, 12), 1, |_| ()).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(
        store.read_parts(1, 7, (5, 5), 1, |_| ()).is_err(),
        "what follows tells how far it goes"
    );
    let told = store.check(&Blind).unwrap().problems.told().join("\n");
    for problem in ["checksum of the part", "belongs to no record"] {
        assert!(told.contains(problem), "{told}");
    }
}

#[test]
fn a_store_of_the_format_before_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        let mut checkpoint = store.checkpoint().unwrap();
        let before = (tables::FORMAT - 1).to_le_bytes();
        store.tables.meta.put(&mut checkpoint.txn, tables::FORMAT_KEY, &before).unwrap();
        checkpoint.commit().unwrap();
    }
    let error = Store::open(dir.path()).err().unwrap();
    assert!(matches!(error, StoreError::VersionTooOld { found: 1, supported: 2, .. }), "{error}");
    assert!(error.to_string().contains("DUMP"), "{error}");
}
