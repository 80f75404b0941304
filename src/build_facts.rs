//! What this program was built from, and with. `build.rs` finds it out.

/// The commit, or "unknown" if the sources were not in a git checkout.
pub const COMMIT: &str = env!("BUILD_COMMIT");
/// The compiler's version.
pub const RUSTC: &str = env!("BUILD_RUSTC");

/// All facts by name, in the order in which they are shown.
pub const FACTS: &[(&str, &str)] = &[
    ("version", env!("CARGO_PKG_VERSION")),
    ("commit", COMMIT),
    ("commit_date", env!("BUILD_COMMIT_DATE")),
    ("rustc", RUSTC),
    ("target", env!("BUILD_TARGET")),
    ("profile", env!("BUILD_PROFILE")),
    ("rustls", env!("BUILD_RUSTLS")),
    ("aws_lc_rs", env!("BUILD_AWS_LC_RS")),
    ("features", env!("BUILD_FEATURES")),
];
