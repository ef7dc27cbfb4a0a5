//! Fuzzes `certmill_properties::pem_bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| certmill_properties::pem_bundle(input));
