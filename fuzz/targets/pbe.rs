//! See `checks/pbe.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mtls_edge_fuzz::pbe::check(input));
