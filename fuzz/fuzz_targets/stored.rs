//! What the store reads back from a disk: records, parts, what is remembered of
//! a database, and the values in them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tuckbox_engine::fuzzing;

fuzz_target!(|input: (u8, u32, u64, u64, &[u8], &[u8])| {
    let (kind, keyspace, number, at, key, bytes) = input;
    let hash = u128::from(number) << 64 | u128::from(at);
    fuzzing::record(keyspace, hash, at, kind, key, bytes);
    fuzzing::part(keyspace, number, at, bytes);
    fuzzing::meta(keyspace, bytes);
    // The types there are, as a whole and in parts, and any other.
    for kind in [0, 1, 0x80, 0x81, kind] {
        fuzzing::value(kind, bytes);
    }
});
