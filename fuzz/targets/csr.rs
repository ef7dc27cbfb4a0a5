//! Fuzzes `certmill_properties::csr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| certmill_properties::csr(input));
