//! Selects the registered credential that matches what was presented.

use super::Denial;
use crate::{
    clock::Timestamp,
    trust::{ClientId, Credentials},
};

/// The first credential that matches and has not expired: its index, the match, and its `expires_at`. Otherwise the denial that
/// is closest to a match, which is the most informative.
pub(super) fn first_match<T, M>(
    client_id: &ClientId,
    credentials: &Credentials<T>,
    now: Timestamp,
    judge: impl Fn(&T) -> Result<M, Denial>,
) -> Result<(usize, M, Option<Timestamp>), Denial> {
    let mut closest = None;
    for (index, credential) in credentials.iter().enumerate() {
        let denial = match (judge(&credential.registered), credential.expires_at) {
            (Ok(_), Some(at)) if credential.is_expired(now) => {
                Denial::CredentialExpired { client_id: client_id.clone(), name: credential.name.clone(), at }
            }
            (Ok(matched), end) => return Ok((index, matched, end)),
            (Err(denial), _) => denial,
        };
        Denial::keep_closer(&mut closest, denial);
    }
    Err(closest.unwrap_or(Denial::UnknownCertificate))
}
