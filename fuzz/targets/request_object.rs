//! See `checks/request_object.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mtls_edge_fuzz::request_object::check(input));
