//! The command line of `mtls-edge`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The allocator asks for huge pages, of which the kernel zeroes 2 MiB at once: a crowd of new connections would stop a worker
    // for that time over and over. A kernel without them has nothing to turn off.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    mtls_edge::cli::main()
}

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;
