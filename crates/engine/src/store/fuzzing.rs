//! What the store reads back from a disk, for the fuzz targets: bytes as they
//! come, and bytes whose checksums match.

use super::DatabaseMeta;
use super::parts::{NewPart, PartPlace, PartRef};
use super::record::{NewRecord, Place, StoredRecord};

/// A record: what is read is written as it was, unless its numbers were longer than they need be.
pub fn record(keyspace: u32, hash: u128, expire_at: u64, kind: u8, key: &[u8], payload: &[u8]) {
    let place = Place { keyspace, hash };
    // As it comes.
    if let Ok(read) = StoredRecord::parse(place, payload) {
        let _ = read.payload();
    }
    let mut bytes = Vec::new();
    let key = &key[..key.len().min(200)];
    let new = NewRecord { key, expire_at, kind, payload };
    new.write(place, &mut bytes).expect("memory takes everything");
    assert_eq!(bytes.len(), new.len());
    let read = StoredRecord::parse(place, &bytes).expect("what was written");
    assert_eq!((read.key, read.expire_at, read.kind), (key, expire_at, kind));
    assert_eq!(read.payload(), Ok(payload));
    // Anywhere else it is not taken for whole.
    assert!(StoredRecord::parse(Place { hash: !hash, ..place }, &bytes).is_err());
    for end in 0..bytes.len() - payload.len() {
        assert!(StoredRecord::parse(place, &bytes[..end]).is_err(), "a record of {end} bytes");
    }
    // Numbers as they come, under the right checksum.
    let (head, body) = payload.split_at(payload.len().min(12));
    let mut forged = [&[0; 8][..], head, body].concat();
    for end in 8..=forged.len() {
        let checksum = super::record::header_checksum_of(place, &forged[4..end]);
        forged[..4].copy_from_slice(&checksum.to_le_bytes());
        if let Ok(read) = StoredRecord::parse(place, &forged) {
            assert!(read.key.len() <= forged.len());
            let _ = read.payload();
        }
    }
}

/// A part: what is read is written as it was.
pub fn part(keyspace: u32, value: u64, start: u64, bytes: &[u8]) {
    let place = PartPlace { keyspace, value, start };
    assert!(PartPlace::from_bytes(&place.to_bytes()) == Some(place));
    let _ = PartRef::parse(place, bytes);
    // The same under the right checksum.
    let forged = [&super::parts::checksum(place, &[bytes]).to_le_bytes()[..], bytes].concat();
    let Ok(PartRef { start, until, kind, payload }) = PartRef::parse(place, &forged) else {
        return assert!(bytes.len() < 9, "the checksum matches");
    };
    let mut again = Vec::new();
    let part = NewPart { start, until, kind, payload };
    part.write(place, &mut again).expect("memory takes everything");
    assert_eq!(again, forged);
    let elsewhere = PartPlace { value: !value, ..place };
    assert!(PartRef::parse(elsewhere, &forged).is_err());
}

/// What is remembered of a database: what is read is written as it was.
pub fn meta(index: u32, bytes: &[u8]) {
    if let Some(meta) = DatabaseMeta::from_bytes(index, bytes) {
        assert_eq!(meta.to_bytes(), bytes);
        assert!(DatabaseMeta::from_bytes(!index, bytes).is_none());
    }
    let forged = [&super::meta::checksum(index, bytes).to_le_bytes()[..], bytes].concat();
    let meta = DatabaseMeta::from_bytes(index, &forged);
    assert_eq!(meta.is_some(), bytes.len() == 44);
    meta.iter().for_each(|meta| assert_eq!(meta.to_bytes(), forged.as_slice()));
}
