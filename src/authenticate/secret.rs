//! Verification of client secrets (RFC 6749 section 2.3.1).

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest};

use super::{Denial, matching::first_match};
use crate::{
    clock::Timestamp,
    trust::{ClientId, Credentials, RegisteredSecret},
};

/// The index of the credential whose secret was presented. Hashes are compared in constant time.
pub(super) fn judge(
    client_id: &ClientId,
    secrets: &Credentials<RegisteredSecret>,
    presented: &str,
    now: Timestamp,
) -> Result<usize, Denial> {
    let hash = digest::digest(&digest::SHA256, presented.as_bytes());
    let matched = first_match(client_id, secrets, now, |RegisteredSecret { sha256 }| {
        verify_slices_are_equal(sha256, hash.as_ref()).map_err(|_| Denial::SecretMismatch(client_id.clone()))
    });
    matched.map(|(credential, (), _)| credential)
}
