//! One segment of the log, as a disk may give it back.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|segment: &[u8]| {
    let _ = tuckbox_engine::inspect(segment);
});
