//! See `checks/distinguished_name.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mtls_edge_fuzz::distinguished_name::check(input));
