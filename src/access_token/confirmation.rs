//! The claim `cnf`: the keys that the user of a token must possess (RFC 7800).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::identity::Thumbprint;

/// The keys to which a token is bound. Neither: it is not bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// `x5t#S256`: a certificate (RFC 8705 section 3.1).
    pub certificate: Option<Thumbprint>,
    /// `jkt`: the SHA-256 JWK thumbprint of a DPoP key (RFC 9449 section 6.1).
    pub dpop_key: Option<[u8; 32]>,
}

/// Why a `cnf` cannot be checked. The token is bound to something, so that it is refused everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmationError {
    /// Not an object.
    #[error("cnf is not an object")]
    NotAnObject,
    /// Not the base64url of 32 bytes. Some servers write the thumbprint in hex.
    #[error("{member} in cnf is not base64url of 32 bytes (43 characters)")]
    Member {
        /// The member of `cnf`.
        member: &'static str,
    },
    /// It contains methods that the edge does not know.
    #[error("cnf has neither x5t#S256 nor jkt")]
    Unknown,
}

impl Confirmation {
    /// Reads the value of `cnf`. Methods besides the known ones are ignored (RFC 7800 section 3.1).
    pub fn parse(cnf: Option<&Value>) -> Result<Self, ConfirmationError> {
        let members = match cnf {
            None => return Ok(Self::default()),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(ConfirmationError::NotAnObject),
        };
        let hash = |member: &'static str| {
            members
                .get(member)
                .map(|value| decode(value).ok_or(ConfirmationError::Member { member }))
                .transpose()
        };
        let certificate = hash("x5t#S256")?.map(Thumbprint::from_bytes);
        let confirmation = Self { certificate, dpop_key: hash("jkt")? };
        if confirmation.is_none() { Err(ConfirmationError::Unknown) } else { Ok(confirmation) }
    }

    /// Whether the token is not bound.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.certificate.is_none() && self.dpop_key.is_none()
    }
}

/// Base64url without padding of exactly 32 bytes.
fn decode(value: &Value) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(value.as_str()?).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HASH: &str = "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2";

    #[test]
    fn only_base64url_of_32_bytes_is_a_thumbprint() {
        let exact = URL_SAFE_NO_PAD.encode([7; 32]);
        let both = Confirmation::parse(Some(&json!({"x5t#S256": exact, "jkt": exact, "kid": "x"}))).unwrap();
        assert_eq!(both.certificate, Some(Thumbprint::from_bytes([7; 32])));
        assert_eq!(both.dpop_key, Some([7; 32]));
        assert!(Confirmation::parse(None).unwrap().is_none());
        let hex = "07".repeat(32);
        // The last character of HASH has bits that 32 bytes do not have.
        for wrong in [
            json!(hex),
            json!(format!("{exact}=")),
            json!(exact[1..]),
            json!(HASH),
            json!(7),
            json!(""),
            json!(null),
        ] {
            for member in ["x5t#S256", "jkt"] {
                let mut cnf = json!({"x5t#S256": exact, "jkt": exact});
                cnf[member] = wrong.clone();
                assert_eq!(
                    Confirmation::parse(Some(&cnf)),
                    Err(ConfirmationError::Member { member }),
                    "{wrong}"
                );
            }
        }
    }

    #[test]
    fn a_confirmation_that_cannot_be_checked_is_refused() {
        for cnf in [json!({}), json!({"jwk": {}}), json!({"x5t": "a"}), json!({"kid": "a"})] {
            assert_eq!(Confirmation::parse(Some(&cnf)), Err(ConfirmationError::Unknown), "{cnf}");
        }
        for cnf in [json!(null), json!("x"), json!([])] {
            assert_eq!(Confirmation::parse(Some(&cnf)), Err(ConfirmationError::NotAnObject), "{cnf}");
        }
    }
}
