//! DPoP proofs (RFC 9449 section 4.3).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Method};

use super::{TargetUri, TokenHash};
use crate::{
    clock::Timestamp,
    jose::{Claims, ClaimsError, Jws, JwsError, KeyError, KeyType, TimeRules, VerifyingKey},
};

/// How long after `iat` a proof is accepted: it is made for one request.
const LIFE: Duration = Duration::from_secs(60);
const SKEW: i64 = TimeRules::SKEW;
/// The maximum length of a `jti` in bytes.
const MAX_JTI: usize = 256;

/// The maximum size in bits of an RSA key that a proof brings.
const MAX_RSA_BITS: usize = 4096;

/// Why a proof is not accepted: the first rule that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No header, several, or one that is not text.
    #[error("the request has {0} DPoP headers: it must have one")]
    Headers(usize),
    /// Not a JWS that brings a public key.
    #[error("{0}")]
    Jws(#[from] JwsError),
    /// `typ`.
    #[error("typ is not dpop+jwt")]
    Type,
    /// An RSA key of more bits than [`MAX_RSA_BITS`].
    #[error("jwk: RSA of {0} bits, expected at most {MAX_RSA_BITS}")]
    LargeKey(usize),
    /// The key cannot be used with the algorithm.
    #[error("jwk: {0}")]
    Key(#[from] KeyError),
    /// A claim is missing or of another type.
    #[error("{0}")]
    Claims(#[from] ClaimsError),
    /// `htm`.
    #[error("htm is not the method of the request")]
    Method,
    /// `htu`.
    #[error("htu is not the URI of the request")]
    Uri,
    /// `ath`.
    #[error("ath is not the hash of the access token")]
    TokenHash,
    /// `iat` is too old.
    #[error("issued {0} s ago (iat): at most 60 s are accepted")]
    Old(i64),
    /// Nobody knows whether it was used before.
    #[error("issued before the edge started")]
    BeforeStart,
    /// `jti` is empty or too long.
    #[error("jti is empty or too long")]
    Jti,
    /// It was used before.
    #[error("jti was used before")]
    Replayed,
}

/// A verified proof. It has not been checked whether it was used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The thumbprint of its key.
    pub key: [u8; 32],
    /// Unique for each proof of this key.
    pub jti: Box<str>,
    /// Until then it would be accepted.
    pub until: Timestamp,
}

impl Proof {
    /// The thumbprint of its key, as `jkt` has it.
    #[must_use]
    pub fn key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key)
    }
}

/// Verifies the proof of a request for this method, URI and access token. Proofs that were issued before `started` are refused.
///
/// # Errors
///
/// The first rule that it breaks.
pub fn verify_proof(
    headers: &HeaderMap,
    (method, uri, token): (&Method, &TargetUri, TokenHash),
    (started, now): (Timestamp, Timestamp),
) -> Result<Proof, ProofError> {
    let mut values = headers.get_all("dpop").iter();
    let (first, others) = (values.next(), values.count());
    let one = first.filter(|_| others == 0).and_then(|value| value.to_str().ok());
    let compact = one.ok_or(ProofError::Headers(usize::from(first.is_some()) + others))?;
    let (jws, jwk) = Jws::parse_with_jwk(compact)?;
    if !jws.header().is_type("dpop+jwt") {
        return Err(ProofError::Type);
    }
    // Anybody can bring a key whose use costs as much as many requests.
    if let KeyType::Rsa { bits } = jwk.key_type()
        && bits > MAX_RSA_BITS
    {
        return Err(ProofError::LargeKey(bits));
    }
    VerifyingKey::from_jwk(&jwk, jws.header().algorithm(), None)?.verify(&jws)?;
    let claims = Claims::parse(jws.payload())?;
    if claims.required_string("htm")? != method.as_str() {
        return Err(ProofError::Method);
    }
    if TargetUri::parse(claims.required_string("htu")?).as_ref() != Some(uri) {
        return Err(ProofError::Uri);
    }
    if claims.required_string("ath")? != URL_SAFE_NO_PAD.encode(token.0) {
        return Err(ProofError::TokenHash);
    }
    let issued = claims.required_time("iat")?;
    let ahead = issued.seconds_since(now);
    if ahead > SKEW {
        return Err(ClaimsError::InTheFuture { claim: "iat", seconds: ahead, limit: SKEW }.into());
    }
    let until = issued + LIFE;
    if until < now {
        return Err(ProofError::Old(now.seconds_since(issued)));
    }
    if issued < started {
        return Err(ProofError::BeforeStart);
    }
    let jti = claims.required_string("jti")?;
    if jti.is_empty() || jti.len() > MAX_JTI {
        return Err(ProofError::Jti);
    }
    Ok(Proof { key: *jwk.thumbprint().as_bytes(), jti: jti.into(), until: until.next() })
}
