//! Fuzzes `certmill_properties::envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| certmill_properties::envelope(input));
