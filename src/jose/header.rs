//! The protected header of a JWS (RFC 7515 section 4).

use serde_json::Value;

use super::{
    Algorithm, Jwk, JwsError,
    object::{self, Members, ObjectError},
};
use crate::text;

/// Members that bring or name a key: an attacker would write the own key there (RFC 8725 section 3.10).
const KEYS: [&str; 4] = ["jwk", "jku", "x5c", "x5u"];

/// The header of a JWS whose members have been checked.
///
/// `x5t`, `x5t#S256` and unknown members are ignored: they neither bring a key nor change the meaning (RFC 7515 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
}

impl Header {
    /// The algorithm of the signature, `alg`.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The identifier of the key, `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The type of the token, `typ`, as it was sent.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// Whether `typ` is this media type, written without `application/`. Case is ignored, and so is the prefix (RFC 7515 section
    /// 4.1.9).
    #[must_use]
    pub fn is_type(&self, media_type: &str) -> bool {
        self.typ().is_some_and(|typ| subtype(typ).eq_ignore_ascii_case(media_type))
    }

    /// Parses a header that must not bring a key.
    pub(super) fn parse(json: &[u8]) -> Result<Self, JwsError> {
        let members = members(json)?;
        for name in KEYS {
            if members.contains(name) {
                return Err(JwsError::KeyInHeader { name });
            }
        }
        Self::new(members)
    }

    /// Parses a header that must bring a public key as `jwk`, as a DPoP proof does (RFC 9449 section 4.2).
    pub(super) fn parse_with_jwk(json: &[u8]) -> Result<(Self, Jwk), JwsError> {
        let mut members = members(json)?;
        for name in KEYS {
            if name != "jwk" && members.contains(name) {
                return Err(JwsError::KeyInHeader { name });
            }
        }
        let Some(Value::Object(jwk)) = members.remove("jwk") else { return Err(JwsError::NoJwk) };
        let jwk = Jwk::new(&jwk.into()).map_err(JwsError::Jwk)?;
        Ok((Self::new(members)?, jwk))
    }

    fn new(mut members: Members<'_>) -> Result<Self, JwsError> {
        if members.contains("crit") {
            return Err(JwsError::Critical);
        }
        if members.contains("b64") {
            return Err(JwsError::UnencodedPayload);
        }
        let cty = string(&mut members, "cty")?;
        if cty.is_some_and(|cty| is_jwt(&cty)) {
            return Err(JwsError::Nested);
        }
        let name = string(&mut members, "alg")?.ok_or(JwsError::NoAlgorithm)?;
        let algorithm = name
            .parse()
            .map_err(|_| JwsError::Algorithm { found: text::bounded(&name, text::SHORT).into_owned() })?;
        Ok(Self { algorithm, kid: string(&mut members, "kid")?, typ: string(&mut members, "typ")? })
    }
}

fn members(json: &[u8]) -> Result<Members<'_>, JwsError> {
    object::parse(json).map_err(|error| match error {
        ObjectError::NotAnObject => JwsError::Header,
        ObjectError::Duplicate(name) => {
            JwsError::DuplicateMember { name: text::bounded(&name, text::SHORT).into_owned() }
        }
    })
}

fn string(members: &mut Members<'_>, name: &'static str) -> Result<Option<String>, JwsError> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(JwsError::NotAString { name }),
    }
}

/// A media type without the prefix that RFC 7515 section 4.1.9 recommends to omit.
fn subtype(media_type: &str) -> &str {
    match media_type.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        _ => media_type,
    }
}

/// Whether a content type is a JWT or a kind of it (RFC 7519 section 5.2).
fn is_jwt(cty: &str) -> bool {
    let cty = subtype(cty).to_ascii_lowercase();
    cty == "jwt" || cty.ends_with("+jwt")
}
