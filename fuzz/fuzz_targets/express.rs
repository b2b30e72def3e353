//! Cookies and stored texts of Express, of any bytes.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use tuckbox_sessions::express::{Blob, BlobError, Sid, SidSecrets};

const NOW: u64 = 1_700_000_000_123;

fuzz_target!(|input: (&[u8], &[u8], &str, &[u8])| {
    let (cookie, text, name, value) = input;
    let Ok(secrets) = SidSecrets::new(["keyboard cat"]) else { return };
    // Nobody who does not know the secret makes a cookie.
    assert!(secrets.read(cookie).is_none());
    if let Some(sid) = Sid::parse(cookie) {
        assert_eq!(secrets.read(secrets.sign(&sid).as_bytes()), Some(sid));
    }

    // Half of the texts get the start that the other half will hardly find.
    let started = [br#"{"cookie":{"originalMaxAge":60000,"#, text].concat();
    for text in [Bytes::copy_from_slice(text), Bytes::from(started)] {
        let Ok(blob) = Blob::parse(text.clone()) else { continue };
        assert_eq!(blob.to_text().as_ref(), Ok(&text));
        check_changes(blob, name, value);
    }
});

/// What is changed is read again, and all else is as it was.
fn check_changes(before: Blob, name: &str, value: &[u8]) {
    let mut after = before.clone();
    after.touch(NOW);
    match after.set(name, value) {
        Ok(()) => {}
        Err(BlobError::Name(_) | BlobError::Value(_)) => return,
        Err(other) => panic!("{other}"),
    }
    let Ok(text) = after.to_text() else { return };
    let read = Blob::parse(text).unwrap();
    assert_eq!(read.get(name), after.get(name));
    assert_eq!(read.expires(), after.expires());
    let others = |blob: &Blob| -> Vec<(String, Bytes)> {
        let values = blob.values().filter(|(other, _)| *other != name);
        values.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    };
    assert_eq!(others(&read), others(&before));
}
