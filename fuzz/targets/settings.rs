//! Fuzzes `certmill_properties::settings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| certmill_properties::settings(input));
