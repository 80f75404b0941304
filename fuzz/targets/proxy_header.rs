//! See `checks/proxy_header.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mtls_edge_fuzz::proxy_header::check(input));
