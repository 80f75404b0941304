//! Tokens, claims and key sets: what is accepted has the meaning that serde_json finds, and no other.
//!
//! An input that begins with `{` is a JWK or a JWK set; one with a line end is a header and a payload, which are encoded; any other
//! is a token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mtls_edge::jose::{Algorithm, Claims, Jwk, Jws, KeySet, MAX_BYTES, MAX_KEYS, VerifyingKey};
use serde_json::Value;

/// Members of a header that are never accepted.
const REFUSED: [&str; 6] = ["jwk", "jku", "x5c", "x5u", "crit", "b64"];
/// Members of private and symmetric keys.
const SECRET: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Checks an input.
pub fn check(input: &[u8]) {
    if input.first() == Some(&b'{') {
        check_key(input);
        check_claims(input);
        return;
    }
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (Some(first), second) = (parts.next(), parts.next()) else { return };
    if let Some(payload) = second {
        check_claims(payload);
        let [header, payload] = [first, payload].map(|part| URL_SAFE_NO_PAD.encode(part));
        check_token(&format!("{header}.{payload}.AA"));
    } else if let Ok(token) = std::str::from_utf8(first) {
        check_token(token);
    }
}

fn check_token(token: &str) {
    let Ok(jws) = Jws::parse(token) else { return };
    assert!(token.len() <= MAX_BYTES);
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3, "{token}");
    let decoded: Vec<Vec<u8>> = parts.iter().map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    for (part, bytes) in parts.iter().zip(&decoded) {
        assert_eq!(*part, URL_SAFE_NO_PAD.encode(bytes), "two encodings of the same bytes");
    }
    assert_eq!(jws.payload(), decoded[1]);
    let header = object(&decoded[0]).expect("an accepted header is an object");
    assert!(REFUSED.iter().all(|name| header.get(name).is_none()), "{header}");
    let alg = header["alg"].as_str().unwrap();
    assert_eq!(alg.parse(), Ok(jws.header().algorithm()));
    assert!(!alg.starts_with("HS") && !alg.eq_ignore_ascii_case("none"));
    assert_eq!(header.get("kid").map(|kid| kid.as_str().unwrap()), jws.header().kid());
    assert_eq!(header.get("typ").map(|typ| typ.as_str().unwrap()), jws.header().typ());
}

fn check_claims(payload: &[u8]) {
    let Ok(claims) = Claims::parse(payload) else { return };
    let expected = object(payload).expect("accepted claims are an object");
    assert_eq!(claims.iter().count(), expected.as_object().unwrap().len());
    for (name, value) in claims.iter() {
        assert_eq!(expected.get(name), Some(value));
    }
    if let Ok(Some(time)) = claims.time("exp") {
        let seconds = expected["exp"].as_f64().unwrap();
        assert_eq!(format!("{:.0}", seconds.floor()).trim_start_matches('-'), time.unix().to_string());
    }
    if let Ok(audience) = claims.audience() {
        assert!(audience.values().count() >= 1);
    }
}

fn check_key(json: &[u8]) {
    if let Ok(jwk) = Jwk::parse(json) {
        check_public(&object(json).expect("an accepted JWK is an object"), &jwk);
    }
    if let Ok(set) = KeySet::parse(json) {
        let expected = object(json).expect("an accepted set is an object");
        let entries = expected["keys"].as_array().unwrap();
        assert!(entries.len() <= MAX_KEYS);
        assert_eq!(entries.len(), set.keys().len() + set.unusable().len());
        let usable = (0..entries.len()).filter(|index| set.unusable().iter().all(|key| key.index != *index));
        for (index, jwk) in usable.zip(set.keys()) {
            check_public(&entries[index], jwk);
        }
        assert!(set.verifying_keys().len() <= set.keys().len());
    }
}

fn check_public(expected: &Value, jwk: &Jwk) {
    assert!(SECRET.iter().all(|name| expected.get(name).is_none()), "{expected}");
    assert_eq!(expected.get("kid").map(|kid| kid.as_str().unwrap()), jwk.kid());
    for algorithm in Algorithm::ALL {
        if let Ok(key) = VerifyingKey::from_jwk(jwk, algorithm, None) {
            assert!(jwk.key_type().fits(algorithm));
            assert_eq!(key.thumbprint(), jwk.thumbprint());
        }
    }
}

/// The object that serde_json finds, if no name is repeated in it.
fn object(json: &[u8]) -> Option<Value> {
    serde_json::from_slice(json).ok().filter(Value::is_object)
}
