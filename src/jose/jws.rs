//! Compact JWS (RFC 7515 section 3.1).

use super::{Header, Jwk, JwsError, MAX_BYTES, base64url};

/// A token that was parsed strictly. Its signature is not verified until [`Jws::verify_with`] or [`VerifyingKey::verify`] was
/// called.
#[derive(Clone, Debug)]
pub struct Jws<'t> {
    signed: &'t str,
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'t> Jws<'t> {
    /// Parses a token that is signed with a known key.
    pub fn parse(token: &'t str) -> Result<Self, JwsError> {
        let parts = Parts::split(token)?;
        let header = Header::parse(&parts.header()?)?;
        parts.with(header)
    }

    /// Parses a token that brings its public key as `jwk`, as a DPoP proof does (RFC 9449 section 4.2).
    pub fn parse_with_jwk(token: &'t str) -> Result<(Self, Jwk), JwsError> {
        let parts = Parts::split(token)?;
        let (header, jwk) = Header::parse_with_jwk(&parts.header()?)?;
        Ok((parts.with(header)?, jwk))
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The decoded payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The bytes that are signed: the first two parts, with their dot (RFC 7515 section 5.2).
    pub(super) fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    /// The decoded signature.
    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// The parts of a token, still encoded.
struct Parts<'t> {
    signed: &'t str,
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    fn split(token: &'t str) -> Result<Self, JwsError> {
        if token.len() > MAX_BYTES {
            return Err(JwsError::TooLong { bytes: token.len() });
        }
        let parts = token.rsplit_once('.').and_then(|(signed, signature)| {
            let (header, payload) = signed.split_once('.')?;
            (!payload.contains('.')).then_some(Self { signed, header, payload, signature })
        });
        let is_jwe = || token.matches('.').count() == 4;
        parts.ok_or_else(|| if is_jwe() { JwsError::Encrypted } else { JwsError::Parts })
    }

    fn header(&self) -> Result<Vec<u8>, JwsError> {
        decode(self.header, "header")
    }

    fn with(self, header: Header) -> Result<Jws<'t>, JwsError> {
        let payload = decode(self.payload, "payload")?;
        let signature = decode(self.signature, "signature")?;
        Ok(Jws { signed: self.signed, header, payload, signature })
    }
}

fn decode(part: &str, name: &'static str) -> Result<Vec<u8>, JwsError> {
    base64url::decode(part).map_err(|_| JwsError::Base64 { part: name })
}
