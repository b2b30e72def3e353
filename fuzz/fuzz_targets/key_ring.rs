//! A key ring's text, and signatures and sealed values of any bytes.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tuckbox_sessions::KeyRing;

static RING: LazyLock<Option<KeyRing>> = LazyLock::new(|| {
    KeyRing::builder().current("k2", [2; 32]).old("k1", [1; 32]).build().ok()
});

fuzz_target!(|input: (&str, &[u8], &[u8])| {
    let (text, place, bytes) = input;
    let Some(ring) = &*RING else { return };
    // Nobody who knows no key makes a signature or a sealed value.
    assert!(ring.verify(place, b"value", bytes).is_none());
    for start in [&b""[..], b"\x01\x02k1", b"\x01\x02k2"] {
        assert!(ring.open(place, &[start, bytes].concat()).is_err());
    }
    let Ok(ring) = KeyRing::parse(text) else { return };
    let tag = ring.sign(place, bytes);
    assert!(ring.verify(place, bytes, tag.as_bytes()).is_some());
    let opened = ring.seal(place, bytes).ok().and_then(|sealed| ring.open(place, &sealed).ok());
    assert!(opened.is_some_and(|(value, _)| value == bytes));
});
