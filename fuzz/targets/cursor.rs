//! Fuzzes `certmill_properties::cursor`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| certmill_properties::cursor(input));
