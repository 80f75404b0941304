//! Keys that are accepted and refused.

use proptest::prelude::*;
use testkit::jws::SigningKey;

use super::*;

#[test]
fn a_key_is_the_same_from_every_form() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::for_algorithm(algorithm.as_str());
        let from_spki = verifying(&key, algorithm, Some("a"));
        let parsed =
            jwk(&with(key.jwk(), &json!({ "kid": "a", "use": "sig", "key_ops": ["verify"] }))).unwrap();
        let from_jwk = VerifyingKey::from_jwk(&parsed, algorithm, None).unwrap();
        assert_eq!(from_spki, from_jwk);
        assert_eq!(from_jwk.thumbprint(), parsed.thumbprint());
        let token = key.token(&json!({ "alg": algorithm.as_str() }), &payload());
        assert_eq!(from_jwk.verify(&Jws::parse(&token).unwrap()), Ok(()));
        assert_ne!(from_spki, verifying(&key, algorithm, Some("b")));
        assert_ne!(
            from_spki,
            verifying(&SigningKey::for_algorithm(algorithm.as_str()), algorithm, Some("a"))
        );
    }
}

#[test]
fn a_key_fits_the_algorithms_of_its_type_only() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::for_algorithm(algorithm.as_str());
        let key_type = verifying(&key, algorithm, None).key_type();
        for other in Algorithm::ALL {
            let made = VerifyingKey::from_spki(&key.spki(), other, None);
            assert_eq!(made.is_ok(), key_type.fits(other), "{key_type} for {other}");
            if !key_type.fits(other) {
                assert_eq!(made, Err(KeyError::OtherType { key_type, algorithm: other }));
            }
        }
    }
}

#[test]
fn unacceptable_jwks_are_refused_by_reason() {
    let (rsa, p256) = (SigningKey::rsa().jwk(), SigningKey::p256().jwk());
    let member = |name, expected| KeyError::Member { name, expected };
    let base64 = "base64url without padding";
    for (value, error) in [
        (json!({}), KeyError::Missing { name: "kty" }),
        (json!({ "kty": 1 }), member("kty", "a string")),
        (json!({ "kty": "oct", "k": "AAAA" }), KeyError::Symmetric),
        (with(rsa.clone(), &json!({ "k": "AAAA" })), KeyError::Symmetric),
        (with(rsa.clone(), &json!({ "d": "AAAA" })), KeyError::Private { name: "d" }),
        (with(rsa.clone(), &json!({ "oth": [] })), KeyError::Private { name: "oth" }),
        (with(rsa.clone(), &json!({ "use": "enc" })), KeyError::Purpose { name: "use" }),
        (with(rsa.clone(), &json!({ "key_ops": ["sign"] })), KeyError::Purpose { name: "key_ops" }),
        (with(rsa.clone(), &json!({ "key_ops": "verify" })), member("key_ops", "an array")),
        (with(rsa.clone(), &json!({ "kid": 1 })), member("kid", "a string")),
        (with(rsa.clone(), &json!({ "e": "AQ" })), KeyError::RsaExponent),
        (with(rsa.clone(), &json!({ "e": "Aw" })), KeyError::RsaExponent),
        (with(rsa.clone(), &json!({ "e": "AQAA" })), KeyError::RsaExponent),
        (with(rsa.clone(), &json!({ "e": "B".repeat(40) + "AQAB" })), KeyError::RsaExponent),
        (with(rsa.clone(), &json!({ "e": "" })), KeyError::RsaExponent),
        (with(rsa.clone(), &json!({ "e": "AQAB=" })), member("e", base64)),
        (with(rsa.clone(), &json!({ "n": "AQAB" })), KeyError::RsaSize { bits: 17 }),
        (with(rsa.clone(), &json!({ "n": "////" })), member("n", base64)),
        (json!({ "kty": "RSA", "e": "AQAB" }), KeyError::Missing { name: "n" }),
        (with(p256.clone(), &json!({ "crv": "P-384" })), KeyError::Curve),
        (with(p256.clone(), &json!({ "crv": "secp256k1" })), KeyError::Curve),
        (with(p256.clone(), &json!({ "y": "AAAA" })), member("y", "base64url of 32 bytes")),
        (json!({ "kty": "OKP", "crv": "X25519", "x": "A".repeat(43) }), KeyError::Curve),
        (json!({ "kty": "AKP", "alg": "ML-DSA-44" }), KeyError::Type { found: "AKP".into() }),
    ] {
        assert_eq!(jwk(&value), Err(error), "{value}");
    }
    assert_eq!(
        Jwk::parse(br#"{"kty":"RSA","kty":"oct"}"#),
        Err(KeyError::DuplicateMember { name: "kty".into() })
    );
    assert_eq!(Jwk::parse(b"[]"), Err(KeyError::NotJson));
    // A point that is not on the curve.
    let off = jwk(&with(p256, &json!({ "y": SigningKey::p256().jwk()["y"] }))).unwrap();
    assert_eq!(VerifyingKey::from_jwk(&off, Algorithm::ES256, None), Err(KeyError::Malformed));
}

#[test]
fn the_algorithm_and_kid_of_a_jwk_must_agree() {
    let key = with(SigningKey::rsa().jwk(), &json!({ "alg": "RS384", "kid": "a" }));
    let key = jwk(&key).unwrap();
    let made = |algorithm, kid| VerifyingKey::from_jwk(&key, algorithm, kid);
    assert!(made(Algorithm::RS384, None).is_ok() && made(Algorithm::RS384, Some("a")).is_ok());
    let found = "RS384".to_owned();
    assert_eq!(
        made(Algorithm::PS256, None),
        Err(KeyError::OtherAlgorithm { found, algorithm: Algorithm::PS256 })
    );
    assert_eq!(made(Algorithm::RS384, Some("b")), Err(KeyError::OtherKid { found: "a".into() }));
    let other = jwk(&with(SigningKey::rsa().jwk(), &json!({ "alg": "RSA-OAEP" }))).unwrap();
    let unknown = KeyError::UnknownAlgorithm { found: "RSA-OAEP".into() };
    assert_eq!(other.algorithm(), Some(Err(unknown.clone())));
    assert_eq!(VerifyingKey::from_jwk(&other, Algorithm::RS256, None), Err(unknown));
}

#[test]
fn a_set_gives_every_key_that_can_verify() {
    let named = |key: Value, members: Value| with(key, &members);
    let set = json!({ "keys": [
        named(SigningKey::rsa().jwk(), json!({ "kid": "1" })),
        named(SigningKey::rsa().jwk(), json!({ "kid": "2", "alg": "PS256" })),
        named(SigningKey::rsa().jwk(), json!({ "kid": "3", "use": "enc" })),
        named(SigningKey::p256().jwk(), json!({ "kid": "4" })),
        named(SigningKey::ed25519().jwk(), json!({ "kid": "5", "alg": "Ed25519" })),
        { "kty": "EC", "crv": "P-521", "kid": "6" },
        named(SigningKey::rsa().jwk(), json!({ "kid": "7", "alg": "RS512" })),
        "key",
    ] });
    let set = KeySet::parse(set.to_string().as_bytes()).unwrap();
    let found: Vec<_> =
        set.verifying_keys().iter().map(|key| (key.kid().unwrap().to_owned(), key.algorithm())).collect();
    let expected =
        [("1", Algorithm::RS256), ("2", Algorithm::PS256), ("4", Algorithm::ES256), ("5", Algorithm::EdDSA)];
    assert_eq!(found, expected.map(|(kid, algorithm)| (kid.to_owned(), algorithm)));
    let unusable: Vec<_> = set.unusable().iter().map(|key| (key.index, key.error.clone())).collect();
    assert_eq!(
        unusable,
        [(2, KeyError::Purpose { name: "use" }), (5, KeyError::Curve), (7, KeyError::NotJson)]
    );
}

#[test]
fn a_set_with_a_secret_or_too_many_keys_is_refused() {
    let error = |value: Value| KeySet::parse(value.to_string().as_bytes()).unwrap_err();
    let key = SigningKey::p256().jwk();
    let private = with(key.clone(), &json!({ "d": "AA" }));
    assert_eq!(error(json!({ "keys": [key, private] })), KeyError::Private { name: "d" });
    assert_eq!(error(json!({ "keys": [{ "kty": "oct", "k": "AA" }] })), KeyError::Symmetric);
    assert_eq!(
        error(json!({ "keys": vec![key.clone(); MAX_KEYS + 1] })),
        KeyError::TooManyKeys { keys: MAX_KEYS + 1 }
    );
    assert!(KeySet::parse(json!({ "keys": vec![key.clone(); MAX_KEYS] }).to_string().as_bytes()).is_ok());
    assert_eq!(error(key), KeyError::Missing { name: "keys" });
    assert_eq!(error(json!({ "keys": {} })), KeyError::Member { name: "keys", expected: "an array" });
}

#[test]
fn malformed_subject_public_key_infos_are_refused() {
    let error = |spki: &[u8], algorithm| VerifyingKey::from_spki(spki, algorithm, None).unwrap_err();
    for algorithm in Algorithm::ALL {
        let spki = SigningKey::for_algorithm(algorithm.as_str()).spki();
        assert_eq!(error(&[&spki[..], &[0]].concat(), algorithm), KeyError::Malformed);
        assert_eq!(error(&spki[..spki.len() - 1], algorithm), KeyError::Malformed);
    }
    assert_eq!(error(b"", Algorithm::RS256), KeyError::Malformed);
    let mut point = SigningKey::p256().spki();
    let at = point.len() - 65;
    point[at] = 5;
    assert_eq!(error(&point, Algorithm::ES256), KeyError::Malformed);
}

proptest! {
    #[test]
    fn no_key_panics(bytes: Vec<u8>, at: prop::sample::Index, byte: u8, which in 0..Algorithm::ALL.len()) {
        let algorithm = Algorithm::ALL[which];
        let _ = VerifyingKey::from_spki(&bytes, algorithm, None);
        let mut spki = KEYS.with(|keys| keys[which].clone());
        let at = at.index(spki.len());
        spki[at] = byte;
        let _ = VerifyingKey::from_spki(&spki, algorithm, None);
    }
}

thread_local! {
    static KEYS: Vec<Vec<u8>> =
        Algorithm::ALL.into_iter().map(|algorithm| SigningKey::for_algorithm(algorithm.as_str()).spki()).collect();
}
