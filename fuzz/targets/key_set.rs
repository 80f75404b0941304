//! See `checks/key_set.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mtls_edge_fuzz::key_set::check(input));
