//! See `checks/form.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mtls_edge_fuzz::form::check(input));
