//! The command line of `mtls-edge`.

fn main() {}
