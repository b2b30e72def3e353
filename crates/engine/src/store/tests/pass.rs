//! Many changes at once.

use std::collections::BTreeMap;

use super::*;
use crate::random::Random;

type Model = BTreeMap<u128, (Vec<u8>, Record)>;

/// One of some lengths: most are short, some take pages of their own.
fn payload(random: &mut Random) -> Vec<u8> {
    let longest = [0, 8, 100, 100, 700, 5_000][random.below(6)];
    vec![random.next() as u8; random.below(longest + 1)]
}

/// A batch of changes to records among `keys`, done to the model too.
fn change(checkpoint: &mut Checkpoint<'_>, model: &mut Model, keys: usize, random: &mut Random) {
    let mut batch = BTreeMap::new();
    // Few that lie far apart, or so many that the cursor goes step by step.
    let most = [3, 400][random.below(2)];
    for _ in 0..=random.below(most) {
        let number = random.below(keys) as u64;
        let record = Record {
            expire_at: random.below(3) as u64 * 1_000,
            kind: random.below(3) as u8,
            payload: payload(random),
        };
        let record = match (random.below(8), model.get(&hash(number))) {
            (0, _) => None,
            (1 | 2, Some((_, old))) => Some(Record { payload: old.payload.clone(), ..*old }),
            _ => Some(record),
        };
        batch.insert(hash(number), (key(number), record));
    }
    let changes = batch.iter().map(|(&hash, (key, record))| RecordChange {
        hash,
        key,
        expire_at: record.as_ref().map_or(0, |record| record.expire_at),
        value: record.as_ref().map(|record| (record.kind, &record.payload[..])),
    });
    checkpoint.change_records(1, &changes.collect::<Vec<_>>()).unwrap();
    for (hash, (key, record)) in batch {
        match record {
            Some(record) => _ = model.insert(hash, (key, record)),
            None => _ = model.remove(&hash),
        }
    }
}

#[test]
fn many_changes_at_once_leave_what_a_model_of_them_has() {
    for seed in 0..12 {
        let random = &mut Random::new(seed);
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        // Records of others before and behind.
        fill(&store, 0, 0..50, |_| 0);
        fill(&store, 2, 0..50, |_| 7);
        let mut model = Model::new();
        for round in 1..=8 {
            let mut checkpoint = store.checkpoint().unwrap();
            for _ in 0..round {
                change(&mut checkpoint, &mut model, 100 * round, random);
            }
            checkpoint.set_meta(&meta(0, 0, 50)).unwrap();
            checkpoint.set_meta(&meta(1, 1, model.len() as u64)).unwrap();
            checkpoint.set_meta(&meta(2, 2, 50)).unwrap();
            checkpoint.commit().unwrap();
        }
        for (&hash, (key, record)) in &model {
            assert_eq!(get(&store, 1, hash, key).unwrap().as_ref(), Some(record), "seed {seed}");
        }
        let expiring = model.values().filter(|(_, record)| record.expire_at > 0).count() as u64;
        let report = assert_whole(&store);
        assert_eq!((report.records, report.expiring), (model.len() as u64 + 100, expiring + 50));
    }
}

/// What the parts of values are, by value and first place.
type Parts = BTreeMap<(u64, u64), (u64, Vec<u8>)>;

fn change_parts(checkpoint: &mut Checkpoint<'_>, parts: &mut Parts, random: &mut Random) {
    let mut batch = BTreeMap::new();
    for _ in 0..random.below(60) {
        let (value, start) = (random.below(3) as u64, random.below(40) as u64 * 10);
        let items = (random.below(4) > 0).then(|| payload(random));
        batch.insert((value, start), items);
    }
    let changes = batch.iter().map(|(&(value, start), items)| PartChange {
        value,
        start,
        until: start + 9,
        items: items.as_ref().map(|items| (1, &items[..])),
    });
    checkpoint.change_parts(1, &changes.collect::<Vec<_>>()).unwrap();
    for ((value, start), items) in batch {
        match items {
            Some(items) => _ = parts.insert((value, start), (start + 9, items)),
            None => _ = parts.remove(&(value, start)),
        }
    }
}

#[test]
fn many_parts_at_once_leave_what_a_model_of_them_has() {
    let random = &mut Random::new(5);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut parts = Parts::new();
    for _ in 0..40 {
        let mut checkpoint = store.checkpoint().unwrap();
        change_parts(&mut checkpoint, &mut parts, random);
        change_parts(&mut checkpoint, &mut parts, random);
        checkpoint.commit().unwrap();
        for value in 0..3 {
            let all = (0, u64::MAX);
            let read = store.read_parts(1, value, all, usize::MAX, |part| part.payload.to_vec());
            let of_value = parts.range((value, 0)..=(value, u64::MAX));
            let known =
                of_value.map(|(&(_, start), (until, items))| (start, *until, items.clone()));
            assert_eq!(read.unwrap().parts, known.collect::<Vec<_>>());
        }
    }
}

/// Pages that a checkpoint of these records makes other than they were, and of how many in the file.
fn pages_written(store: &Store, numbers: &[u64], text: &[u8]) -> (usize, usize) {
    let file = tables::data_file(&store.dir);
    let before = fs::read(&file).unwrap();
    let keys: BTreeMap<u128, Vec<u8>> =
        numbers.iter().map(|&number| (hash(number), key(number))).collect();
    let changes = keys.iter().map(|(&hash, key)| RecordChange {
        hash,
        key,
        expire_at: 0,
        value: Some((1, text)),
    });
    let mut checkpoint = store.checkpoint().unwrap();
    checkpoint.change_records(1, &changes.collect::<Vec<_>>()).unwrap();
    checkpoint.commit().unwrap();
    let after = fs::read(&file).unwrap();
    let page = store.env.stat().page_size as usize;
    let pages = after.chunks(page).enumerate();
    let written =
        pages.filter(|(at, now)| before.get(at * page..).is_none_or(|old| !old.starts_with(now)));
    (written.count(), after.len() / page)
}

#[test]
fn what_is_there_already_costs_no_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let all: Vec<u64> = (0..20_000).collect();
    let (made, _) = pages_written(&store, &all, &[b'a'; 100]);
    assert!(made > 20_000 / 40, "{made} pages for 20,000 records of 130 bytes");
    assert_eq!(pages_written(&store, &all, &[b'a'; 100]).0, 0);
    // The leaf, the way to it, the list of free pages and a root.
    let (one, _) = pages_written(&store, &[77], &[b'b'; 100]);
    assert!(one < 12, "{one} pages for one record");
    let (same, _) = pages_written(&store, &all[70..80], &[b'b'; 100]);
    assert!(same < 9 * one, "{same} pages for nine records");
}

#[test]
fn records_that_are_written_over_again_and_again_do_not_make_the_file_grow() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let all: Vec<u64> = (0..5_000).collect();
    let (made, _) = pages_written(&store, &all, &[b'a'; 100]);
    let sizes = (0..12_u8).map(|round| pages_written(&store, &all, &[round; 100]));
    let sizes: Vec<_> = sizes.collect();
    for (written, _) in &sizes {
        // A record that is as long as before stays where it is: no page is cut.
        assert!(*written < made + 20, "{written} pages written, {made} at first");
    }
    assert_eq!(sizes[4].1, sizes[11].1, "pages of the file");
}

/// LMDB writes pages out in the middle then, and the cursor goes on.
#[test]
fn more_pages_than_are_kept_in_memory_are_changed_under_one_cursor() {
    const RECORDS: u64 = 25_000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let of = |number: u64, round: u8| vec![number as u8 ^ round; 1_400 + number as usize * 7 % 900];
    let mut numbers: Vec<_> = (0..RECORDS).collect();
    numbers.sort_unstable_by_key(|&number| hash(number));
    for round in 0..3 {
        let records = numbers.iter().map(|&number| {
            // Some grow and some shrink.
            (number, key(number), of(number, round)[usize::from(round) * 10..].to_vec())
        });
        let records: Vec<_> = records.collect();
        let changes = records.iter().map(|(number, key, payload)| RecordChange {
            hash: hash(*number),
            key,
            expire_at: number % 2 * u64::from(round),
            value: Some((1, payload)),
        });
        let mut checkpoint = store.checkpoint().unwrap();
        checkpoint.change_records(1, &changes.collect::<Vec<_>>()).unwrap();
        checkpoint.set_meta(&meta(0, 1, RECORDS)).unwrap();
        checkpoint.commit().unwrap();
        for (number, key, payload) in &records {
            let found = get(&store, 1, hash(*number), key).unwrap().unwrap();
            assert!(found.payload == *payload, "round {round}, record {number}");
        }
    }
    assert_eq!(assert_whole(&store).records, RECORDS);
}
