//! Whether a client possesses the keys to which its token is bound.

use super::{Confirmation, InvalidToken, Scheme};
use crate::{
    clock::Timestamp,
    identity::{Thumbprint, Validity},
};

/// What the client has proved to possess, besides the token.
#[derive(Clone, Copy, Debug)]
pub struct ClientSide {
    /// The scheme of the token.
    pub scheme: Scheme,
    /// The connection's certificate: `None` without one, an error if it cannot be parsed.
    pub certificate: Option<Result<(Thumbprint, Validity), ()>>,
    /// The thumbprint of the key that signed the verified DPoP proof, with the scheme DPoP.
    pub dpop_key: Option<[u8; 32]>,
}

/// A token whose every binding holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Whether it is bound to the connection's certificate, which then is vouched for.
    pub to_certificate: bool,
    /// Whether it is bound to the key of the DPoP proof, whose `jti` then must be recorded.
    pub to_dpop_key: bool,
}

impl ClientSide {
    /// Whether the client could use any bound token. Otherwise the issuer need not be asked.
    #[must_use]
    pub const fn could_be_bound(&self) -> bool {
        self.certificate.is_some() || self.dpop_key.is_some()
    }
}

/// Checks every binding of a token (RFC 8705 section 3, RFC 9449 section 7). Whether a CA has issued or revoked the certificate does not
/// matter, since its key is what the token was bound to; but an expired certificate is refused.
pub fn check_binding(
    confirmation: &Confirmation,
    client: &ClientSide,
    allow_unbound: bool,
    now: Timestamp,
) -> Result<Bound, InvalidToken> {
    if let Some(expected) = confirmation.certificate {
        let (thumbprint, validity) = match client.certificate {
            None => return Err(InvalidToken::NoCertificate),
            Some(Err(())) => return Err(InvalidToken::UnreadableCertificate),
            Some(Ok(presented)) => presented,
        };
        if thumbprint != expected {
            return Err(InvalidToken::OtherCertificate);
        }
        match validity.outside(now) {
            None => {}
            Some(true) => return Err(InvalidToken::ExpiredCertificate),
            Some(false) => return Err(InvalidToken::FutureCertificate),
        }
    }
    match (client.scheme, confirmation.dpop_key) {
        // RFC 9449 section 7.2: a bound token must not be downgraded.
        (Scheme::Bearer, Some(_)) => return Err(InvalidToken::DpopBound),
        (Scheme::Dpop, None) => return Err(InvalidToken::NotDpopBound),
        (Scheme::Dpop, Some(expected)) if client.dpop_key != Some(expected) => {
            return Err(InvalidToken::OtherDpopKey);
        }
        _ => {}
    }
    if confirmation.is_none() && !allow_unbound {
        return Err(InvalidToken::Unbound);
    }
    Ok(Bound {
        to_certificate: confirmation.certificate.is_some(),
        to_dpop_key: confirmation.dpop_key.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1000);
    const VALID: Validity =
        Validity { not_before: Timestamp::from_unix(1000), not_after: Timestamp::from_unix(1000) };

    fn confirmation(certificate: Option<u8>, key: Option<u8>) -> Confirmation {
        Confirmation {
            certificate: certificate.map(|byte| Thumbprint::from_bytes([byte; 32])),
            dpop_key: key.map(|byte| [byte; 32]),
        }
    }

    fn client(scheme: Scheme, certificate: Option<u8>, key: Option<u8>) -> ClientSide {
        ClientSide {
            scheme,
            certificate: certificate.map(|byte| Ok((Thumbprint::from_bytes([byte; 32]), VALID))),
            dpop_key: key.map(|byte| [byte; 32]),
        }
    }

    #[test]
    fn every_binding_of_a_token_must_hold() {
        use Scheme::{Bearer, Dpop};
        let check = |confirmation: Confirmation, client: ClientSide| {
            check_binding(&confirmation, &client, false, NOW)
                .map(|bound| (bound.to_certificate, bound.to_dpop_key))
        };
        for (token, user, expected) in [
            ((Some(1), None), (Bearer, Some(1), None), Ok((true, false))),
            ((Some(1), None), (Bearer, Some(2), None), Err(InvalidToken::OtherCertificate)),
            ((Some(1), None), (Bearer, None, None), Err(InvalidToken::NoCertificate)),
            ((None, Some(5)), (Dpop, None, Some(5)), Ok((false, true))),
            ((None, Some(5)), (Dpop, Some(1), Some(5)), Ok((false, true))),
            ((None, Some(5)), (Dpop, None, Some(6)), Err(InvalidToken::OtherDpopKey)),
            ((None, Some(5)), (Bearer, None, None), Err(InvalidToken::DpopBound)),
            ((None, Some(5)), (Bearer, None, Some(5)), Err(InvalidToken::DpopBound)),
            ((Some(1), None), (Dpop, Some(1), Some(5)), Err(InvalidToken::NotDpopBound)),
            ((Some(1), Some(5)), (Dpop, Some(1), Some(5)), Ok((true, true))),
            ((Some(1), Some(5)), (Dpop, Some(2), Some(5)), Err(InvalidToken::OtherCertificate)),
            ((Some(1), Some(5)), (Dpop, Some(1), Some(6)), Err(InvalidToken::OtherDpopKey)),
            ((Some(1), Some(5)), (Dpop, None, Some(5)), Err(InvalidToken::NoCertificate)),
            ((Some(1), Some(5)), (Bearer, Some(1), None), Err(InvalidToken::DpopBound)),
            ((None, None), (Bearer, Some(1), None), Err(InvalidToken::Unbound)),
            ((None, None), (Dpop, None, Some(5)), Err(InvalidToken::NotDpopBound)),
        ] {
            let found = check(confirmation(token.0, token.1), client(user.0, user.1, user.2));
            assert_eq!(found, expected, "{token:?} {user:?}");
        }
    }

    #[test]
    fn an_unbound_token_passes_only_where_the_route_allows_it() {
        let user = client(Scheme::Bearer, Some(1), None);
        let none = Bound { to_certificate: false, to_dpop_key: false };
        assert_eq!(check_binding(&confirmation(None, None), &user, true, NOW), Ok(none));
        // What is bound stays bound.
        let other = check_binding(&confirmation(Some(2), None), &user, true, NOW);
        assert_eq!(other, Err(InvalidToken::OtherCertificate));
    }

    #[test]
    fn an_expired_certificate_does_not_hold_a_token() {
        let user = client(Scheme::Bearer, Some(1), None);
        let at = |now| check_binding(&confirmation(Some(1), None), &user, false, now);
        assert!(at(NOW).is_ok());
        assert_eq!(at(NOW.next()), Err(InvalidToken::ExpiredCertificate));
        assert_eq!(at(NOW.previous()), Err(InvalidToken::FutureCertificate));
        let unreadable = ClientSide { certificate: Some(Err(())), ..user };
        let denied = check_binding(&confirmation(Some(1), None), &unreadable, false, NOW);
        assert_eq!(denied, Err(InvalidToken::UnreadableCertificate));
    }
}
