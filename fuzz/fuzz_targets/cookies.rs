//! `Cookie` headers of any bytes, one or two of them.

#![no_main]

use http::{HeaderMap, HeaderValue, header::COOKIE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Option<&[u8]>)| {
    let mut headers = HeaderMap::new();
    for bytes in std::iter::once(input.0).chain(input.1) {
        if let Ok(value) = HeaderValue::from_bytes(bytes) {
            headers.append(COOKIE, value);
        }
    }
    // An id is 43 characters: nothing shorter presents one.
    let longest = headers.values().map(HeaderValue::len).max().unwrap_or(0);
    let presents = tuckbox_sessions::presents_an_id(&headers, "session");
    assert!(!presents || longest >= "session=".len() + 43);
});
