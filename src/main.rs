//! The command line of `mtls-edge`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mtls_edge::cli::main()
}

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
