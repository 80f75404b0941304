//! Tests of tokens and keys as a whole: published vectors, openssl as a second implementation, and hostile input.

mod claims;
mod keys;
mod openssl;
mod refused;
mod times;
mod vectors;

use serde_json::{Value, json};
use testkit::jws::SigningKey;

use super::*;

/// The verifying key of a signing key.
fn verifying(key: &SigningKey, algorithm: Algorithm, kid: Option<&str>) -> VerifyingKey {
    VerifyingKey::from_spki(&key.spki(), algorithm, kid).unwrap()
}

/// A JWK with further members.
fn with(mut jwk: Value, members: &Value) -> Value {
    jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    jwk
}

/// The JWK of a value.
fn jwk(value: &Value) -> Result<Jwk, KeyError> {
    Jwk::parse(value.to_string().as_bytes())
}

/// The claims of a value.
fn claims(value: &Value) -> Claims<'static> {
    Claims::parse(value.to_string().as_bytes()).unwrap().into_owned()
}

/// The claims of a typical assertion.
fn payload() -> Value {
    json!({ "iss": "a", "sub": "a", "aud": "https://auth.example.test/", "exp": 1_700_000_060, "jti": "1" })
}
