//! See `checks/certificate_key.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mtls_edge_fuzz::certificate_key::check(input));
