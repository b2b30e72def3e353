//! Files that are not as they were written.

use super::*;

#[test]
fn a_flipped_bit_on_the_disk_is_reported_and_never_returned() {
    let dir = tempfile::tempdir().unwrap();
    let payload = b"a payload that is found in the file";
    let place = Place { keyspace: 1, hash: hash(1) };
    {
        let store = open(dir.path());
        fill(&store, 1, 0..1, |_| 0);
        let mut checkpoint = store.checkpoint().unwrap();
        checkpoint.put(1, hash(1), &key(1), 9, 1, payload).unwrap();
        checkpoint.set_meta(&meta(0, 1, 2)).unwrap();
        checkpoint.commit().unwrap();
    }
    flip_bit(dir.path(), payload);
    let store = open(dir.path());
    let error = get(&store, 1, hash(1), &key(1)).unwrap_err();
    assert!(
        matches!(&error, StoreError::Corrupt { place: named, .. } if *named == place.to_string()),
        "{error}"
    );
    let told = error.to_string();
    assert!(
        told.contains("data.mdb")
            && told.contains(&format!("{:032x}", hash(1)))
            && !told.contains("key:"),
        "{told}"
    );
    assert_eq!(
        store.check(&Blind).unwrap().problems.told(),
        [format!("{place}: the checksum of the record's payload does not match")]
    );
    // The rest is served, and the damaged record can be written anew.
    assert!(get(&store, 1, hash(0), &key(0)).unwrap().is_some());
    fill(&store, 1, 1..2, |_| 0);
    assert_whole(&store);
}

#[test]
fn a_damaged_header_stops_listings_and_changes_of_the_record() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        let mut checkpoint = store.checkpoint().unwrap();
        checkpoint.put(1, hash(1), b"a key that is found in the file", 9, 1, b"").unwrap();
        checkpoint.commit().unwrap();
    }
    flip_bit(dir.path(), b"a key that is found in the file");
    let store = open(dir.path());
    let corrupt = |result: Result<(), StoreError>| {
        assert!(matches!(result, Err(StoreError::Corrupt { .. })), "{result:?}")
    };
    corrupt(get(&store, 1, hash(1), b"a key that is found in the file").map(drop));
    corrupt(store.scan(1, 0, 10).map(drop));
    corrupt(store.expired(1, 9, 10).map(drop));
    let mut checkpoint = store.checkpoint().unwrap();
    corrupt(checkpoint.put(1, hash(1), b"a key that is found in the file", 9, 1, b""));
    corrupt(checkpoint.delete(1, hash(1), b"a key that is found in the file").map(drop));
    drop(checkpoint);
    assert_eq!(
        store.check(&Blind).unwrap().problems.total(),
        2,
        "the record, and a keyspace without a database"
    );
}

#[test]
fn cut_and_zeroed_files_are_reported_and_do_not_kill_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data.mdb");
    {
        let store = open(dir.path());
        fill(&store, 1, 0..20_000, |number| number + 1);
        let mut checkpoint = store.checkpoint().unwrap();
        checkpoint.set_meta(&meta(0, 1, 20_000)).unwrap();
        checkpoint.commit().unwrap();
    }
    let whole = fs::read(&file).unwrap();
    let mut opened = 0;
    // Whole pages, as a disk loses them: part of a page is more than LMDB can notice.
    let tenth = whole.len() / 10 / 4096 * 4096;
    let cut = (1..10).map(|tenths| whole[..tenth * tenths].to_vec());
    let zeroed = (1..10).map(|tenths| {
        let mut file = whole.clone();
        file[tenth * tenths..tenth * (tenths + 1)].fill(0);
        file
    });
    for damaged in cut.chain(zeroed) {
        fs::write(&file, damaged).unwrap();
        match Store::open(dir.path()) {
            Ok(store) => {
                opened += 1;
                assert_lost_pages_are_told(&store);
            }
            Err(error) => assert!(matches!(error, StoreError::Corrupt { .. }), "{error}"),
        }
    }
    assert!(
        opened > 0,
        "the damage was past the roots every time: what an open store does was not tried"
    );
}

/// Listings are left out: built for debugging, LMDB aborts where it would otherwise report a listing's lost page.
fn assert_lost_pages_are_told(store: &Store) {
    let lost = |error: &StoreError| assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    let mut lost_records = 0;
    for number in 0..20_000 {
        match get(store, 1, hash(number), &key(number)) {
            Ok(record) => assert_eq!(record.unwrap().payload, number.to_le_bytes()),
            Err(error) => {
                lost(&error);
                lost_records += 1;
            }
        }
    }
    let mut checkpoint = store.checkpoint().unwrap();
    let put =
        (0..20_000).try_for_each(|number| checkpoint.put(1, hash(number), &key(number), 0, 1, b""));
    assert!(
        lost_records > 0 || put.is_err(),
        "neither a record nor the expiry index missed its pages"
    );
    put.err().iter().for_each(lost);
}

/// Flips a bit of every occurrence of `bytes` in the data file of a closed store.
fn flip_bit(dir: &Path, bytes: &[u8]) {
    let path = dir.join("data.mdb");
    let mut file = fs::read(&path).unwrap();
    let at: Vec<usize> = file
        .windows(bytes.len())
        .enumerate()
        .filter(|(_, window)| *window == bytes)
        .map(|(at, _)| at)
        .collect();
    assert!(!at.is_empty());
    at.into_iter().for_each(|at| file[at + bytes.len() / 2] ^= 0x10);
    fs::write(&path, file).unwrap();
}
