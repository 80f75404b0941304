//! Tokens that are refused, and by which rule.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use testkit::jws::{hs256, unsigned};

use super::*;

/// Why a token with this header is refused, although its signature is valid.
fn header_error(header: &str) -> JwsError {
    let token = SigningKey::ed25519().token_of("EdDSA", header, &payload().to_string());
    Jws::parse(&token).unwrap_err()
}

#[test]
fn headers_are_refused_by_the_first_rule_that_they_break() {
    for (header, error) in [
        (r#"{"alg":"EdDSA","jwk":{}}"#, JwsError::KeyInHeader { name: "jwk" }),
        (r#"{"alg":"EdDSA","x5c":["AA=="]}"#, JwsError::KeyInHeader { name: "x5c" }),
        (r#"{"alg":"EdDSA","jku":"https://a.test/"}"#, JwsError::KeyInHeader { name: "jku" }),
        (r#"{"alg":"EdDSA","x5u":null}"#, JwsError::KeyInHeader { name: "x5u" }),
        (r#"{"alg":"EdDSA","crit":["exp"],"exp":1}"#, JwsError::Critical),
        (r#"{"alg":"EdDSA","crit":[]}"#, JwsError::Critical),
        (r#"{"alg":"EdDSA","b64":false}"#, JwsError::UnencodedPayload),
        (r#"{"alg":"EdDSA","b64":false,"crit":["b64"]}"#, JwsError::Critical),
        (r#"{"alg":"EdDSA","b64":true}"#, JwsError::UnencodedPayload),
        (r#"{"alg":"EdDSA","cty":"JWT"}"#, JwsError::Nested),
        (r#"{"alg":"EdDSA","cty":"Application/at+jwt"}"#, JwsError::Nested),
        (r#"{"alg":"EdDSA","kid":1}"#, JwsError::NotAString { name: "kid" }),
        (r#"{"alg":"EdDSA","typ":["JWT"]}"#, JwsError::NotAString { name: "typ" }),
        (r#"{"alg":["EdDSA"]}"#, JwsError::NotAString { name: "alg" }),
        (r#"{"typ":"JWT"}"#, JwsError::NoAlgorithm),
        (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, JwsError::DuplicateMember { name: "alg".into() }),
        (r#"{"alg":"none","\u0061lg":"EdDSA"}"#, JwsError::DuplicateMember { name: "alg".into() }),
        (r#"{"alg":"EdDSA","x":{"y":1,"y":2}}"#, JwsError::DuplicateMember { name: "y".into() }),
        (r#"{"alg":"EdDSA"} {}"#, JwsError::Header),
        (r#"["EdDSA"]"#, JwsError::Header),
        ("", JwsError::Header),
    ] {
        assert_eq!(header_error(header), error, "{header}");
    }
    for name in ["none", "None", "HS256", "HS512", "RS512", "ES384", "ES256K", "eddsa", "RSA-OAEP", ""] {
        let header = json!({ "alg": name }).to_string();
        assert_eq!(header_error(&header), JwsError::Algorithm { found: name.into() });
    }
    let long = "x".repeat(4000);
    let JwsError::Algorithm { found } = header_error(&json!({ "alg": long }).to_string()) else { panic!() };
    assert!(found.len() <= crate::text::SHORT + 3);
}

#[test]
fn members_that_bring_no_key_are_ignored() {
    let key = SigningKey::ed25519();
    let header = json!({ "alg": "Ed25519", "x5t": "AA", "x5t#S256": "AA", "cty": "json", "new": { "a": [1] }, "typ": "application/JWT" });
    let token = key.token(&header, &payload());
    let jws = Jws::parse(&token).unwrap();
    assert_eq!(verifying(&key, Algorithm::EdDSA, None).verify(&jws), Ok(()));
    assert!(jws.header().is_type("jwt") && !jws.header().is_type("at+jwt"));
    assert_eq!(jws.header().typ(), Some("application/JWT"));
}

#[test]
fn only_compact_jws_is_accepted() {
    let token = SigningKey::ed25519().token(&json!({ "alg": "EdDSA" }), &payload());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let base64 = |part| JwsError::Base64 { part };
    for (token, error) in [
        (String::new(), JwsError::Parts),
        (header.to_owned(), JwsError::Parts),
        (format!("{header}.{payload}"), JwsError::Parts),
        (format!("{token}.{signature}"), JwsError::Parts),
        (format!("{header}.{payload}.{payload}.{payload}.{signature}"), JwsError::Encrypted),
        (format!("{token}.{payload}.{payload}.{signature}"), JwsError::Parts),
        (format!("{header}=.{payload}.{signature}"), base64("header")),
        (format!(" {token}"), base64("header")),
        (format!("{token}\n"), base64("signature")),
        (format!("{token}="), base64("signature")),
        (format!("{header}.{payload}+.{signature}"), base64("payload")),
        (format!("{header}.{payload}\u{e9}.{signature}"), base64("payload")),
        (format!(r#"{{"payload":"{payload}"}}"#), JwsError::Parts),
        ("a".repeat(MAX_BYTES + 1), JwsError::TooLong { bytes: MAX_BYTES + 1 }),
    ] {
        assert_eq!(Jws::parse(&token).unwrap_err(), error, "{token}");
    }
    // Padding of 64 bytes leaves four bits, which must be zero.
    let last = signature.chars().last().unwrap();
    assert!("AQgw".contains(last), "{last}");
    let other = char::from(u8::try_from(last).unwrap() + 1);
    let changed = format!("{}{other}", &token[..token.len() - 1]);
    assert_eq!(Jws::parse(&changed).unwrap_err(), base64("signature"));
}

#[test]
fn tokens_of_up_to_8_kib_are_accepted() {
    let key = SigningKey::ed25519();
    let token = |length: usize| key.token(&json!({ "alg": "EdDSA" }), &json!({ "a": "x".repeat(length) }));
    let padding = (1..MAX_BYTES).rev().find(|length| token(*length).len() <= MAX_BYTES).unwrap();
    assert!(token(padding).len() > MAX_BYTES - 4);
    assert!(Jws::parse(&token(padding)).is_ok());
    assert!(matches!(Jws::parse(&token(padding + 4)), Err(JwsError::TooLong { .. })));
}

#[test]
fn a_key_is_used_with_its_own_algorithm_only() {
    let rsa = SigningKey::rsa();
    for signed in ["RS256", "RS384", "PS256"] {
        let token = rsa.token(&json!({ "alg": signed }), &payload());
        let jws = Jws::parse(&token).unwrap();
        for registered in [Algorithm::RS256, Algorithm::RS384, Algorithm::PS256] {
            let key = verifying(&rsa, registered, None);
            let expected = if registered.as_str() == signed {
                Ok(())
            } else {
                Err(JwsError::OtherAlgorithm { found: signed.parse().unwrap() })
            };
            assert_eq!(key.verify(&jws), expected, "{signed} with a key for {registered}");
            assert_eq!(jws.verify_with([&key]).map(|_| ()), expected);
        }
    }
}

#[test]
fn hmac_with_the_public_key_and_none_are_refused() {
    let rsa = SigningKey::rsa();
    for secret in [rsa.spki(), rsa.public_pem().into_bytes(), rsa.jwk().to_string().into_bytes(), Vec::new()]
    {
        let token = hs256(&secret, &payload());
        assert_eq!(Jws::parse(&token).unwrap_err(), JwsError::Algorithm { found: "HS256".into() });
    }
    assert_eq!(Jws::parse(&unsigned(&payload())).unwrap_err(), JwsError::Algorithm { found: "none".into() });
}

#[test]
fn empty_and_zero_signatures_are_refused() {
    for algorithm in Algorithm::ALL {
        let signing = SigningKey::for_algorithm(algorithm.as_str());
        let key = verifying(&signing, algorithm, None);
        let token = signing.token(&json!({ "alg": algorithm.as_str() }), &payload());
        let signed = &token[..token.rfind('.').unwrap()];
        let length = if matches!(key.key_type(), KeyType::Rsa { .. }) { 256 } else { 64 };
        for signature in
            [vec![], vec![0; length], vec![0; length - 1], vec![0xff; length], vec![1; length + 1]]
        {
            let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
            assert_eq!(key.verify(&Jws::parse(&token).unwrap()), Err(JwsError::Signature), "{algorithm}");
        }
    }
}

#[test]
fn kid_selects_the_key_and_without_it_two_are_tried() {
    let [one, two, three] = [1, 2, 3].map(|_| SigningKey::ed25519());
    let algorithm = Algorithm::EdDSA;
    let registered = |key, kid| verifying(key, algorithm, kid);
    let signed = |key: &SigningKey, kid: Option<&str>| {
        let header = kid.map_or(json!({ "alg": "EdDSA" }), |kid| json!({ "alg": "EdDSA", "kid": kid }));
        key.token(&header, &payload())
    };
    let judged = |token: String, keys: &[&VerifyingKey]| {
        Jws::parse(&token).unwrap().verify_with(keys.iter().copied()).map(VerifyingKey::thumbprint)
    };
    let (a, b) = (registered(&one, Some("a")), registered(&two, Some("b")));
    assert_eq!(judged(signed(&one, Some("a")), &[&a, &b]), Ok(a.thumbprint()));
    assert_eq!(judged(signed(&two, Some("b")), &[&a, &b]), Ok(b.thumbprint()));
    assert_eq!(judged(signed(&one, Some("b")), &[&a, &b]), Err(JwsError::Signature));
    assert_eq!(judged(signed(&one, Some("c")), &[&a, &b]), Err(JwsError::UnknownKid));
    for (key, signing) in [(&a, &one), (&b, &two)] {
        assert_eq!(judged(signed(signing, None), &[&a, &b]), Ok(key.thumbprint()));
    }
    assert_eq!(judged(signed(&three, None), &[&a, &b]), Err(JwsError::Signature));
    // A key that was registered without kid is tried for every kid.
    let (unnamed, rsa) = (registered(&one, None), verifying(&SigningKey::rsa(), Algorithm::RS256, Some("a")));
    assert_eq!(judged(signed(&one, Some("any")), &[&rsa, &b, &unnamed]), Ok(unnamed.thumbprint()));
    assert_eq!(judged(signed(&two, Some("any")), &[&unnamed, &b]), Err(JwsError::Signature));
    // The key with the token's kid is tried first.
    let same = registered(&one, Some("same"));
    let found = |token: &str| {
        let keys = [&unnamed, &same];
        Jws::parse(token).unwrap().verify_with(keys).unwrap().kid().map(str::to_owned)
    };
    assert_eq!(found(&signed(&one, Some("same"))).as_deref(), Some("same"));
    assert_eq!(found(&signed(&one, None)), None);
    let c = registered(&three, Some("c"));
    assert_eq!(judged(signed(&three, None), &[&a, &b, &c]), Err(JwsError::KidRequired));
    assert_eq!(judged(signed(&three, Some("c")), &[&a, &b, &c]), Ok(c.thumbprint()));
    assert_eq!(judged(signed(&one, None), &[&rsa]), Err(JwsError::OtherAlgorithm { found: algorithm }));
    assert_eq!(judged(signed(&one, None), &[]), Err(JwsError::OtherAlgorithm { found: algorithm }));
}

#[test]
fn a_token_may_bring_its_key_only_where_that_is_expected() {
    let key = SigningKey::p256();
    let signed =
        |jwk: Value| key.token(&json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": jwk }), &payload());
    let token = signed(key.jwk());
    assert_eq!(Jws::parse(&token).unwrap_err(), JwsError::KeyInHeader { name: "jwk" });
    let (jws, jwk) = Jws::parse_with_jwk(&token).unwrap();
    VerifyingKey::from_jwk(&jwk, jws.header().algorithm(), None).unwrap().verify(&jws).unwrap();
    let error = |token: String| Jws::parse_with_jwk(&token).unwrap_err();
    let private = with(key.jwk(), &json!({ "d": "AA" }));
    assert_eq!(error(signed(private)), JwsError::Jwk(KeyError::Private { name: "d" }));
    assert_eq!(error(signed(json!({ "kty": "oct", "k": "AA" }))), JwsError::Jwk(KeyError::Symmetric));
    assert_eq!(error(signed(json!("key"))), JwsError::NoJwk);
    assert_eq!(error(key.token(&json!({ "alg": "ES256" }), &payload())), JwsError::NoJwk);
    let other = json!({ "alg": "ES256", "jwk": key.jwk(), "jku": "https://a.test/" });
    assert_eq!(error(key.token(&other, &payload())), JwsError::KeyInHeader { name: "jku" });
}

fn tokens() -> &'static [(String, VerifyingKey)] {
    static TOKENS: std::sync::OnceLock<Vec<(String, VerifyingKey)>> = std::sync::OnceLock::new();
    TOKENS.get_or_init(|| {
        let signed = |algorithm: Algorithm| {
            let key = SigningKey::for_algorithm(algorithm.as_str());
            let token = key.token(&json!({ "alg": algorithm.as_str(), "kid": "a" }), &payload());
            (token, verifying(&key, algorithm, Some("a")))
        };
        Algorithm::ALL.into_iter().map(signed).collect()
    })
}

proptest! {
    #[test]
    fn no_text_panics(text: String) {
        let _ = Jws::parse(&text);
        let _ = Jws::parse_with_jwk(&text);
    }

    #[test]
    fn no_header_and_payload_panic(header in "\\PC{0,60}", payload: Vec<u8>, signature: Vec<u8>) {
        let text = [header.as_bytes(), &payload, &signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        if let Ok(jws) = Jws::parse(&text) {
            for (_, key) in tokens() {
                prop_assert!(key.verify(&jws).is_err());
            }
        }
        let _ = Claims::parse(&payload);
        let _ = KeySet::parse(header.as_bytes());
    }

    #[test]
    fn every_change_of_one_byte_is_refused(which in 0..Algorithm::ALL.len(), at: prop::sample::Index, byte in 1_u8..0x80) {
        let (token, key) = &tokens()[which];
        prop_assert!(key.verify(&Jws::parse(token).unwrap()).is_ok());
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        let is_accepted = Jws::parse(&changed).is_ok_and(|jws| jws.verify_with([key]).is_ok());
        prop_assert!(!is_accepted, "{}", changed);
    }

    #[test]
    fn every_insertion_and_removal_of_one_byte_is_refused(which in 0..Algorithm::ALL.len(), at: prop::sample::Index, byte in 0_u8..0x80, insert: bool) {
        let (token, key) = &tokens()[which];
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        if insert { changed.insert(at, byte) } else { let _ = changed.remove(at); }
        let changed = String::from_utf8(changed).unwrap();
        let is_accepted = Jws::parse(&changed).is_ok_and(|jws| jws.verify_with([key]).is_ok());
        prop_assert!(!is_accepted, "{}", changed);
    }
}
