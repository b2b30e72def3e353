use std::fs;
use std::path::Path;
use std::time::Instant;

use super::*;

mod crash;
mod damage;
mod full;
mod parts;
mod pass;
mod single;

const SEED: [u8; 16] = *b"0123456789abcdef";

fn open(dir: &Path) -> Store {
    Store::open(dir).unwrap()
}

fn meta(index: u32, keyspace: u32, keys: u64) -> DatabaseMeta {
    DatabaseMeta { index, keyspace, position: 0, keys, next_value: 7, seed: SEED }
}

/// A stand-in for the engine's hash: spreads numbers over all bits, and no two share one.
fn hash(number: u64) -> u128 {
    u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn key(number: u64) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

#[derive(Debug, PartialEq)]
struct Record {
    expire_at: u64,
    kind: u8,
    payload: Vec<u8>,
}

fn get(store: &Store, keyspace: u32, hash: u128, key: &[u8]) -> Result<Option<Record>, StoreError> {
    store.read(keyspace, hash, key, |record| Record {
        expire_at: record.expire_at,
        kind: record.kind,
        payload: record.payload.to_vec(),
    })
}

/// Commits the numbers as records of a keyspace, expiring at `expire_at`.
fn fill(
    store: &Store,
    keyspace: u32,
    numbers: std::ops::Range<u64>,
    expire_at: impl Fn(u64) -> u64,
) {
    let mut checkpoint = store.checkpoint().unwrap();
    for number in numbers {
        checkpoint
            .put(keyspace, hash(number), &key(number), expire_at(number), 1, &number.to_le_bytes())
            .unwrap();
    }
    checkpoint.commit().unwrap();
}

/// Sees nothing but the number of a value in parts.
struct Blind;

impl Contents for Blind {
    fn record(
        &self,
        _: u32,
        _: u128,
        _: &[u8],
        kind: u8,
        payload: &[u8],
    ) -> Result<Content, &'static str> {
        if kind & IN_PARTS == 0 {
            return Ok(Content::Whole);
        }
        let value = payload.first_chunk().ok_or("its value has no number")?;
        Ok(Content::Head { value: u64::from_le_bytes(*value), items: 0 })
    }

    fn part(&self, _: u32, _: &PartRef<'_>) -> Result<u64, &'static str> {
        Ok(0)
    }
}

#[track_caller]
fn assert_whole(store: &Store) -> CheckReport {
    let report = store.check(&Blind).unwrap();
    assert_eq!((report.problems.told(), report.index.told()), (&[][..], &[][..]));
    report
}

#[test]
fn committed_records_are_read_and_outlast_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("not/there/yet");
    {
        let store = open(&dir);
        assert!(store.meta().unwrap().is_empty());
        let mut checkpoint = store.checkpoint().unwrap();
        checkpoint.put(1, hash(1), b"one", 0, 3, b"first").unwrap();
        checkpoint.put(1, hash(2), b"two", 99, 4, b"").unwrap();
        checkpoint.put(2, hash(1), b"one", 0, 5, b"another database").unwrap();
        checkpoint.set_meta(&DatabaseMeta { position: 77, ..meta(0, 1, 2) }).unwrap();
        checkpoint.set_meta(&meta(15, 2, 1)).unwrap();
        checkpoint.commit().unwrap();
    }
    let store = open(&dir);
    let record = |expire_at, kind, payload: &[u8]| {
        Some(Record { expire_at, kind, payload: payload.to_vec() })
    };
    assert_eq!(get(&store, 1, hash(1), b"one").unwrap(), record(0, 3, b"first"));
    assert_eq!(get(&store, 1, hash(2), b"two").unwrap(), record(99, 4, b""));
    assert_eq!(get(&store, 2, hash(1), b"one").unwrap(), record(0, 5, b"another database"));
    assert_eq!(get(&store, 1, hash(3), b"three").unwrap(), None);
    assert_eq!(get(&store, 3, hash(1), b"one").unwrap(), None);
    assert_eq!(
        store.meta().unwrap(),
        [DatabaseMeta { position: 77, ..meta(0, 1, 2) }, meta(15, 2, 1)]
    );
    assert_eq!(assert_whole(&store).records, 3);
    assert!(store.size_on_disk().unwrap() > 0);
}

#[test]
fn a_dropped_checkpoint_never_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 0..10, |_| 5);
    let mut checkpoint = store.checkpoint().unwrap();
    checkpoint.put(1, hash(0), &key(0), 9, 1, b"changed").unwrap();
    checkpoint.put(1, hash(10), &key(10), 9, 1, b"new").unwrap();
    assert!(checkpoint.delete(1, hash(1), &key(1)).unwrap());
    checkpoint.set_meta(&meta(0, 1, 10)).unwrap();
    checkpoint.drop_later(Garbage::Keyspace(1)).unwrap();
    drop(checkpoint);
    assert_eq!(get(&store, 1, hash(0), &key(0)).unwrap().unwrap().payload, 0_u64.to_le_bytes());
    assert_eq!(store.scan(1, 0, 100).unwrap().len(), 10);
    assert!(store.meta().unwrap().is_empty() && store.garbage().unwrap().is_empty());
}

#[test]
fn reads_see_the_last_commit_while_a_checkpoint_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 0..1, |_| 0);
    let mut checkpoint = store.checkpoint().unwrap();
    checkpoint.put(1, hash(0), &key(0), 0, 1, b"new").unwrap();
    let read = || get(&store, 1, hash(0), &key(0)).unwrap().unwrap().payload;
    let before = std::thread::scope(|scope| scope.spawn(read).join().unwrap());
    assert_eq!(before, 0_u64.to_le_bytes());
    checkpoint.commit().unwrap();
    assert_eq!(read(), b"new");
}

#[test]
fn a_scan_gives_every_key_once_in_the_order_of_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 0..1000, |number| number % 3);
    fill(&store, 2, 0..50, |_| 0);
    for limit in [0, 1, 7, 1000, 5000] {
        let mut all = Vec::new();
        let mut from = 0;
        loop {
            let listed = store.scan(1, from, limit).unwrap();
            let Some(last) = listed.last() else { break };
            from = last.hash.checked_add(1).unwrap();
            all.extend(listed);
        }
        assert_eq!(all.len(), 1000);
        assert!(all.is_sorted_by(|a, b| a.hash < b.hash));
        for listed in &all {
            let number: u64 = std::str::from_utf8(&listed.key[4..]).unwrap().parse().unwrap();
            let hash = (hash(number) >> 64) as u64;
            assert_eq!(
                *listed,
                Listed { hash, key: key(number), expire_at: number % 3, kind: 1, head: None }
            );
        }
    }
}

#[test]
fn a_scan_does_not_split_keys_with_equal_upper_hash_bits() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut checkpoint = store.checkpoint().unwrap();
    for (upper, lower) in
        [(1_u64, 0_u64), (5, 0), (5, 1), (5, u64::MAX), (6, 0), (u64::MAX, 0), (u64::MAX, 7)]
    {
        let hash = u128::from(upper) << 64 | u128::from(lower);
        checkpoint.put(1, hash, format!("{upper}/{lower}").as_bytes(), 0, 1, b"").unwrap();
    }
    checkpoint.commit().unwrap();
    let hashes = |from, limit| -> Vec<u64> {
        store.scan(1, from, limit).unwrap().iter().map(|listed| listed.hash).collect()
    };
    assert_eq!(hashes(0, 1), [1]);
    assert_eq!(hashes(2, 1), [5, 5, 5]);
    assert_eq!(hashes(0, 2), [1, 5, 5, 5]);
    assert_eq!(hashes(0, 4), [1, 5, 5, 5]);
    assert_eq!(hashes(6, 2), [6, u64::MAX, u64::MAX]);
    assert_eq!(hashes(u64::MAX, 1), [u64::MAX, u64::MAX]);
    assert_eq!(hashes(0, 100).len(), 7);
}

#[test]
fn the_expiry_index_follows_every_change() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let expired = |now, limit| -> Vec<(u64, Vec<u8>)> {
        store
            .expired(1, now, limit)
            .unwrap()
            .into_iter()
            .map(|listed| (listed.expire_at, listed.key))
            .collect()
    };
    fill(&store, 1, 1..5, |number| number * 100);
    fill(&store, 2, 1..5, |_| 1);
    assert_eq!(expired(99, 10), []);
    assert_eq!(expired(200, 10), [(100, key(1)), (200, key(2))]);
    assert_eq!(expired(u64::MAX, 3), [(100, key(1)), (200, key(2)), (300, key(3))]);

    let mut checkpoint = store.checkpoint().unwrap();
    checkpoint.put(1, hash(1), &key(1), 350, 1, b"later").unwrap();
    checkpoint.put(1, hash(2), &key(2), 0, 1, b"never").unwrap();
    checkpoint.put(1, hash(3), &key(3), 300, 1, b"the same time").unwrap();
    assert!(checkpoint.delete(1, hash(4), &key(4)).unwrap());
    assert!(!checkpoint.delete(1, hash(5), &key(5)).unwrap());
    checkpoint.put(1, hash(6), &key(6), 1, 1, b"").unwrap();
    checkpoint.put(1, hash(6), &key(6), 2, 1, b"twice in one checkpoint").unwrap();
    checkpoint.set_meta(&meta(0, 1, 4)).unwrap();
    checkpoint.set_meta(&meta(1, 2, 4)).unwrap();
    checkpoint.commit().unwrap();
    assert_eq!(expired(u64::MAX, 10), [(2, key(6)), (300, key(3)), (350, key(1))]);
    let report = assert_whole(&store);
    assert_eq!((report.records, report.expiring), (8, 7));
}

#[test]
fn a_flushed_keyspace_goes_in_bounded_steps() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 0..100, |number| number % 2);
    fill(&store, 2, 0..10, |_| 1);
    let mut checkpoint = store.checkpoint().unwrap();
    checkpoint.drop_later(Garbage::Keyspace(1)).unwrap();
    checkpoint.set_meta(&meta(0, 2, 10)).unwrap();
    checkpoint.commit().unwrap();
    assert_eq!(store.garbage().unwrap(), [Garbage::Keyspace(1)]);
    assert_eq!(assert_whole(&store).records, 10);

    // 100 records and 50 entries of the index, 40 at a time.
    let mut more = Vec::new();
    while more.last() != Some(&false) {
        let mut checkpoint = store.checkpoint().unwrap();
        let entries = |checkpoint: &Checkpoint<'_>| {
            let count = |table: tables::Table| table.len(&checkpoint.txn).unwrap();
            count(store.tables.records) + count(store.tables.expiry)
        };
        let before = entries(&checkpoint);
        more.push(checkpoint.remove_garbage(40).unwrap());
        assert!(before - entries(&checkpoint) <= 40);
        checkpoint.commit().unwrap();
        assert_whole(&store);
    }
    assert_eq!(more, [true, true, true, false]);
    assert!(store.garbage().unwrap().is_empty());
    assert_eq!(store.scan(2, 0, 100).unwrap().len(), 10);
    assert!(store.scan(1, 0, 1).unwrap().is_empty() && store.expired(1, 9, 1).unwrap().is_empty());
}

#[test]
fn another_key_under_the_same_hash_is_an_error_and_not_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 0..1, |_| 0);
    let collides = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::Collision { .. })), "{result:?}")
    };
    collides(get(&store, 1, hash(0), b"another").map(drop));
    let mut checkpoint = store.checkpoint().unwrap();
    collides(checkpoint.put(1, hash(0), b"another", 0, 1, b""));
    collides(checkpoint.delete(1, hash(0), b"another").map(drop));
}

#[test]
fn check_tells_when_the_index_or_the_counts_do_not_agree() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 0..3, |_| 50);
    fill(&store, 9, 0..1, |_| 0);
    let mut checkpoint = store.checkpoint().unwrap();
    let entry =
        |number, at| Expiry { place: Place { keyspace: 1, hash: hash(number) }, at }.to_bytes();
    assert!(store.tables.expiry.delete(&mut checkpoint.txn, &entry(1, 50)).unwrap());
    store.tables.expiry.put(&mut checkpoint.txn, &entry(2, 51), &[]).unwrap();
    checkpoint.set_meta(&meta(0, 1, 4)).unwrap();
    checkpoint.commit().unwrap();
    let report = store.check(&Blind).unwrap();
    assert_eq!((report.records, report.expiring, report.problems.total()), (4, 3, 2));
    let told = [report.problems.told(), report.index.told()].concat().join("\n");
    for part in [
        "is not in the expiry index",
        "with another time",
        "should have 4 keys and has 3",
        "keyspace 9 with 1 keys",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(matches!(store.expired(1, u64::MAX, 9), Err(StoreError::Corrupt { .. })));

    // The index follows from the records.
    assert_eq!(report.index.total(), 2);
    store.mend().unwrap();
    let mended = store.check(&Blind).unwrap();
    assert_eq!((mended.index.total(), mended.problems.total()), (0, 2));
    assert_eq!(store.expired(1, u64::MAX, 9).unwrap().len(), 3);
}

#[test]
fn an_index_of_any_size_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 0..25_000, |number| 1_000 + number % 7);
    let mut checkpoint = store.checkpoint().unwrap();
    let expiry = store.tables.expiry;
    expiry.clear(&mut checkpoint.txn).unwrap();
    for number in 0..22_000 {
        // Every second one is as it should be.
        let at = 1_000 + number % 7 + 100 * (number % 2);
        let place = Place { keyspace: 1, hash: hash(number) };
        expiry.put(&mut checkpoint.txn, &Expiry { place, at }.to_bytes(), &[]).unwrap();
    }
    checkpoint.set_meta(&meta(0, 1, 25_000)).unwrap();
    checkpoint.commit().unwrap();
    let report = store.check(&Blind).unwrap();
    assert_eq!((report.index.total(), report.problems.total()), (11_000 + 14_000, 0));
    store.mend().unwrap();
    assert_whole(&store);
    assert_eq!(store.expired(1, u64::MAX, 30_000).unwrap().len(), 25_000);
}

#[test]
fn a_store_of_a_later_format_and_a_strange_file_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        let mut checkpoint = store.checkpoint().unwrap();
        let later = (tables::FORMAT + 1).to_le_bytes();
        store.tables.meta.put(&mut checkpoint.txn, tables::FORMAT_KEY, &later).unwrap();
        checkpoint.commit().unwrap();
    }
    let error = Store::open(dir.path()).err().unwrap();
    assert!(matches!(error, StoreError::VersionTooNew { found: 3, supported: 2, .. }), "{error}");

    fs::write(dir.path().join("data.mdb"), [b'x'; 10_000]).unwrap();
    let error = Store::open(dir.path()).err().unwrap();
    assert!(matches!(error, StoreError::Open { .. }), "{error}");

    let strange = tempfile::tempdir().unwrap();
    {
        let env = tables::open_env(strange.path(), 1 << 20).unwrap();
        let mut txn = env.write_txn().unwrap();
        env.create_database::<heed::types::Bytes, heed::types::Bytes>(&mut txn, Some("not ours"))
            .unwrap();
        txn.commit().unwrap();
    }
    let error = Store::open(strange.path()).err().unwrap();
    assert!(error.to_string().contains("not Tuckbox's"), "{error}");
}

#[test]
fn one_process_opens_a_store_once_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(matches!(Store::open(dir.path()), Err(StoreError::AlreadyOpen { .. })));
    drop(store);
    open(dir.path());
}

#[test]
fn a_payload_of_512_mib_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    // Mostly zeros that the test need not fill.
    let mut payload = vec![0_u8; 512 << 20];
    payload[0] = 1;
    payload[(512 << 20) - 1] = 2;
    let mut checkpoint = store.checkpoint().unwrap();
    checkpoint.put(1, hash(1), b"large", 5, 1, &payload).unwrap();
    checkpoint.commit().unwrap();
    let same = store.read(1, hash(1), b"large", |record| record.payload == payload).unwrap();
    assert_eq!(same, Some(true));
    let before = Instant::now();
    assert_eq!(store.scan(1, 0, 10).unwrap().len() + store.expired(1, 5, 10).unwrap().len(), 2);
    println!("listing a record of 512 MiB: {:?}", before.elapsed());
}

#[test]
fn a_store_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Store>();
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 1, 0..1000, |_| 0);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for number in (thread * 250)..(thread * 250 + 250) {
                    assert!(get(store, 1, hash(number), &key(number)).unwrap().is_some());
                    fill(store, 2, number..number + 1, |_| 0);
                }
            });
        }
    });
    assert_eq!(store.scan(2, 0, 2000).unwrap().len(), 1000);
}

/// LMDB writes pages of a transaction out before its end when they are more than it keeps.
#[test]
fn a_checkpoint_of_more_pages_than_are_kept_in_memory_is_whole_or_absent() {
    const RECORDS: u64 = 30_000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let payload =
        |number: u64, round: u8| vec![number as u8 ^ round; 1_500 + number as usize % 700];
    let write = |round: u8| {
        let mut checkpoint = store.checkpoint().unwrap();
        // In the order of hashes and in none.
        for number in (0..RECORDS).chain((0..RECORDS).map(|number| number * 7_919 % RECORDS)) {
            let (payload, expire_at) = (payload(number, round), number % 3);
            checkpoint.put(1, hash(number), &key(number), expire_at, 1, &payload).unwrap();
        }
        let part = NewPart { start: 0, until: 9, kind: 1, payload: &payload(1, round) };
        checkpoint.put_part(2, 1, &part).unwrap();
        checkpoint.set_meta(&meta(0, 1, RECORDS)).unwrap();
        checkpoint
    };
    write(1).commit().unwrap();
    drop(write(2));
    let holds = |round: u8| {
        (0..RECORDS).step_by(11).all(|number| {
            let found = get(&store, 1, hash(number), &key(number)).unwrap().unwrap();
            found.payload == payload(number, round)
        })
    };
    assert!(holds(1));
    write(3).commit().unwrap();
    assert!(holds(3));
    let problems = store.check(&Blind).unwrap().problems;
    assert_eq!(problems.total(), 1, "the part of no record: {problems:?}");
}
