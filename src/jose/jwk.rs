//! Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037).

use serde_json::Value;

use super::{
    Algorithm, JwkThumbprint, KeyError, KeyType, base64url,
    material::Material,
    object::{self, Members, ObjectError},
};
use crate::text;

/// Members of private keys (RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// A public key of an accepted type, which may be used to verify signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    material: Material,
    kid: Option<String>,
    alg: Option<String>,
}

impl Jwk {
    /// Parses a JWK.
    ///
    /// # Errors
    ///
    /// If it is private, symmetric, not for signatures, of a type, curve or size that is not accepted, or malformed.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        Self::new(&members(json)?)
    }

    pub(super) fn new(members: &Members<'_>) -> Result<Self, KeyError> {
        let kty = string(members, "kty")?.ok_or(KeyError::Missing { name: "kty" })?;
        if kty == "oct" || members.contains("k") {
            return Err(KeyError::Symmetric);
        }
        if let Some(name) = PRIVATE.into_iter().find(|name| members.contains(name)) {
            return Err(KeyError::Private { name });
        }
        check_purpose(members)?;
        let material = match kty {
            "RSA" => Material::rsa(&number(members, "n")?, &number(members, "e")?)?,
            "EC" => match string(members, "crv")?.ok_or(KeyError::Missing { name: "crv" })? {
                "P-256" => Material::P256 { x: coordinate(members, "x")?, y: coordinate(members, "y")? },
                _ => return Err(KeyError::Curve),
            },
            "OKP" => match string(members, "crv")?.ok_or(KeyError::Missing { name: "crv" })? {
                "Ed25519" => Material::Ed25519 { x: coordinate(members, "x")? },
                _ => return Err(KeyError::Curve),
            },
            other => return Err(KeyError::Type { found: text::bounded(other, text::SHORT).into_owned() }),
        };
        let owned = |name| Ok::<_, KeyError>(string(members, name)?.map(str::to_owned));
        Ok(Self { material, kid: owned("kid")?, alg: owned("alg")? })
    }

    /// The identifier of the key.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithm for which the key is intended, if it has `alg`.
    ///
    /// # Errors
    ///
    /// If that is not an accepted algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Option<Result<Algorithm, KeyError>> {
        let alg = self.alg.as_deref()?;
        let found = || text::bounded(alg, text::SHORT).into_owned();
        Some(alg.parse().map_err(|_| KeyError::UnknownAlgorithm { found: found() }))
    }

    /// The type of the key.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        self.material.key_type()
    }

    /// The thumbprint (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> JwkThumbprint {
        self.material.thumbprint()
    }

    pub(super) const fn material(&self) -> &Material {
        &self.material
    }
}

/// Parses one JSON object.
pub(super) fn members(json: &[u8]) -> Result<Members<'_>, KeyError> {
    object::parse(json).map_err(|error| match error {
        ObjectError::NotAnObject => KeyError::NotJson,
        ObjectError::Duplicate(name) => {
            KeyError::DuplicateMember { name: text::bounded(&name, text::SHORT).into_owned() }
        }
    })
}

/// Whether signatures may be verified with the key (RFC 7517 sections 4.2 and 4.3).
fn check_purpose(members: &Members<'_>) -> Result<(), KeyError> {
    if string(members, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(KeyError::Purpose { name: "use" });
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(Value::Array(_)) => Err(KeyError::Purpose { name: "key_ops" }),
        Some(_) => Err(KeyError::Member { name: "key_ops", expected: "an array" }),
    }
}

fn string<'m>(members: &'m Members<'_>, name: &'static str) -> Result<Option<&'m str>, KeyError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(KeyError::Member { name, expected: "a string" }),
    }
}

fn number(members: &Members<'_>, name: &'static str) -> Result<Vec<u8>, KeyError> {
    let value = string(members, name)?.ok_or(KeyError::Missing { name })?;
    base64url::decode(value).map_err(|_| KeyError::Member { name, expected: "base64url without padding" })
}

/// A coordinate, of full length (RFC 7518 section 6.2.1.2).
fn coordinate(members: &Members<'_>, name: &'static str) -> Result<[u8; 32], KeyError> {
    let wrong = |_| KeyError::Member { name, expected: "base64url of 32 bytes" };
    number(members, name)?.try_into().map_err(wrong)
}
