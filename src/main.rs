//! The command line of `mtls-edge`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The allocator requests huge pages, and the kernel zeroes each in one go (2 MiB): a burst of new connections would repeatedly
    // stall a worker. It fails only on kernels without huge pages.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    mtls_edge::cli::main()
}

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
