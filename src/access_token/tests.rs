use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use testkit::jws::{SigningKey, hs256, unsigned};

use super::*;
use crate::{
    clock::Timestamp,
    jose::{ClaimsError, JwsError, KeySet},
};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// A change of claims.
type Change = fn(&mut Value);

fn rules() -> Rules {
    Rules {
        issuer: "https://as.example/".into(),
        audiences: ["https://api.example".into(), "api".into()].into(),
        typ: TokenType::AtJwt,
    }
}

fn claims() -> Value {
    json!({
        "iss": "https://as.example/", "aud": "https://api.example", "exp": NOW.unix() + 300, "iat": NOW.unix(),
        "client_id": "billing", "cnf": { "x5t#S256": URL_SAFE_NO_PAD.encode([7; 32]) },
    })
}

fn keys(keys: &[(&SigningKey, Option<&str>, Option<&str>)]) -> IssuerKeys {
    let jwks: Vec<Value> = keys
        .iter()
        .map(|(key, kid, alg)| {
            let mut jwk = key.jwk();
            for (name, value) in [("kid", kid), ("alg", alg)] {
                if let Some(value) = value {
                    jwk[name] = json!(value);
                }
            }
            jwk
        })
        .collect();
    IssuerKeys::of(&KeySet::parse(json!({ "keys": jwks }).to_string().as_bytes()).unwrap())
}

#[test]
fn a_token_of_the_issuer_is_accepted() {
    for (key, algorithm) in [
        (SigningKey::rsa(), "RS256"),
        (SigningKey::rsa(), "PS256"),
        (SigningKey::p256(), "ES256"),
        (SigningKey::ed25519(), "EdDSA"),
    ] {
        for typ in ["at+jwt", "application/at+jwt", "AT+JWT"] {
            let header = json!({ "alg": algorithm, "typ": typ, "kid": "1" });
            let token = key.token(&header, &claims());
            let set = keys(&[(&SigningKey::p256(), Some("0"), None), (&key, Some("1"), None)]);
            let facts = verify_jwt(&token, &rules(), &set, NOW).unwrap();
            assert_eq!(facts.client_id.as_deref(), Some("billing"));
            assert_eq!(facts.expires, Some(NOW + Duration::from_secs(300)));
            assert!(facts.confirmation.certificate.is_some());
        }
    }
}

#[test]
fn a_key_verifies_only_its_own_kid_and_algorithm() {
    let (key, other) = (SigningKey::rsa(), SigningKey::rsa());
    let token = |header: Value| key.token(&header, &claims());
    let verify = |token: &str, set: &IssuerKeys| match verify_jwt(token, &rules(), set, NOW) {
        Err(InvalidToken::Key(mismatch)) => Err(mismatch),
        other => other.map(drop).map_err(|other| panic!("{other}")),
    };
    let plain = token(json!({ "alg": "RS256", "typ": "at+jwt" }));
    let named = token(json!({ "alg": "RS256", "typ": "at+jwt", "kid": "1" }));
    let (one, two) = (Some("1"), Some("2"));
    let alg = Some("RS256");
    for (set, plain_result, named_result) in [
        (keys(&[(&key, one, alg)]), Ok(()), Ok(())),
        (keys(&[(&key, None, alg)]), Ok(()), Ok(())),
        (keys(&[(&other, two, alg), (&key, one, alg)]), Ok(()), Ok(())),
        (keys(&[(&key, two, alg)]), Ok(()), Err(KeyMismatch::Kid)),
        (keys(&[(&other, one, alg), (&key, two, alg)]), Ok(()), Err(KeyMismatch::Signature)),
        (keys(&[(&other, one, alg)]), Err(KeyMismatch::Signature), Err(KeyMismatch::Signature)),
        (
            keys(&[(&key, one, Some("PS256"))]),
            Err(KeyMismatch::Algorithm(crate::jose::Algorithm::RS256)),
            Err(KeyMismatch::Algorithm(crate::jose::Algorithm::RS256)),
        ),
    ] {
        assert_eq!(verify(&plain, &set), plain_result, "{set:?}");
        assert_eq!(verify(&named, &set), named_result, "{set:?}");
    }
    let many: Vec<_> = ["1", "2", "3", "4", "5"].map(|kid| (&other, Some(kid), alg)).into();
    assert_eq!(verify(&plain, &keys(&many)), Err(KeyMismatch::Ambiguous));
}

#[test]
fn each_rule_of_a_token_is_enforced() {
    let key = SigningKey::p256();
    let set = keys(&[(&key, None, None)]);
    let refused = |token: &str| verify_jwt(token, &rules(), &set, NOW).unwrap_err();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut claims = claims();
        change(&mut claims);
        key.token(&json!({ "alg": "ES256", "typ": "at+jwt" }), &claims)
    };
    let public = SigningKey::p256().public_pem();
    assert!(matches!(refused(&unsigned(&claims())), InvalidToken::Jws(JwsError::Algorithm { .. })));
    assert!(matches!(
        refused(&hs256(public.as_bytes(), &claims())),
        InvalidToken::Jws(JwsError::Algorithm { .. })
    ));
    assert_eq!(refused(&with(&|claims| claims["iss"] = json!("https://as.example"))), InvalidToken::Issuer);
    for audience in [json!("https://api.example/"), json!(["x"]), json!("API")] {
        assert_eq!(refused(&with(&|claims| claims["aud"] = audience.clone())), InvalidToken::Audience);
    }
    for claim in ["iss", "aud", "exp"] {
        let missing = refused(&with(&|claims| drop(claims.as_object_mut().unwrap().remove(claim))));
        assert!(matches!(missing, InvalidToken::Claims(ClaimsError::Missing { .. })), "{claim}: {missing}");
    }
    let expired = refused(&with(&|claims| claims["exp"] = json!(NOW.unix())));
    assert_eq!(expired, InvalidToken::Claims(ClaimsError::Expired { seconds: 0 }));
    for claim in ["iat", "nbf"] {
        assert!(
            verify_jwt(&with(&|claims| claims[claim] = json!(NOW.unix() + 10)), &rules(), &set, NOW).is_ok()
        );
        let early = refused(&with(&|claims| claims[claim] = json!(NOW.unix() + 11)));
        assert!(matches!(early, InvalidToken::Claims(ClaimsError::InTheFuture { .. })), "{early}");
    }
    let hex = refused(&with(&|claims| claims["cnf"]["x5t#S256"] = json!("07".repeat(32))));
    assert_eq!(hex, InvalidToken::Confirmation(ConfirmationError::Member { member: "x5t#S256" }));
    let several = with(&|claims| claims["aud"] = json!(["x", "api"]));
    assert!(verify_jwt(&several, &rules(), &set, NOW).is_ok());
}

#[test]
fn only_an_access_tokens_typ_is_accepted() {
    let key = SigningKey::p256();
    let set = keys(&[(&key, None, None)]);
    let verify = |header: Value, typ| {
        let token = key.token(&header, &claims());
        verify_jwt(&token, &Rules { typ, ..rules() }, &set, NOW).map(drop)
    };
    for (header, plain_accepted) in [
        (json!({ "alg": "ES256" }), true),
        (json!({ "alg": "ES256", "typ": "JWT" }), true),
        (json!({ "alg": "ES256", "typ": "dpop+jwt" }), false),
        (json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt" }), false),
        (json!({ "alg": "ES256", "typ": "logout+jwt" }), false),
        (json!({ "alg": "ES256", "typ": "" }), false),
    ] {
        assert!(matches!(verify(header.clone(), TokenType::AtJwt), Err(InvalidToken::Type(_))), "{header}");
        assert_eq!(verify(header.clone(), TokenType::AnyJwt).is_ok(), plain_accepted, "{header}");
    }
    assert!(verify(json!({ "alg": "ES256", "typ": "at+jwt" }), TokenType::AnyJwt).is_ok());
}

#[test]
fn an_introspection_response_is_read_strictly() {
    let said = |response: Value| introspected(response.to_string().as_bytes(), &rules(), NOW);
    let active = |change: &dyn Fn(&mut Value)| {
        let mut response = claims();
        response["active"] = json!(true);
        change(&mut response);
        said(response).unwrap()
    };
    assert!(active(&|_| {}).is_ok());
    assert!(active(&|response| drop(response.as_object_mut().unwrap().remove("iss"))).is_ok());
    let endless = active(&|response| drop(response.as_object_mut().unwrap().remove("exp"))).unwrap();
    assert_eq!(endless.expires, None);
    assert_eq!(said(json!({ "active": false })), Ok(Err(InvalidToken::Inactive)));
    for response in
        [json!({}), json!({ "active": "true" }), json!({ "active": 1 }), json!({ "active": null })]
    {
        assert_eq!(said(response.clone()), Err(IntrospectionError::Active), "{response}");
    }
    for text in ["", "[]", "true", r#"{"active":false,"active":true}"#, "<html>"] {
        assert!(matches!(
            introspected(text.as_bytes(), &rules(), NOW),
            Err(IntrospectionError::Malformed(_))
        ));
    }
    let changes: [(Change, InvalidToken); 5] = [
        (|response| response["iss"] = json!("https://other.example/"), InvalidToken::Issuer),
        (|response| response["aud"] = json!("other"), InvalidToken::Audience),
        (
            |response| response["exp"] = json!(NOW.unix() - 5),
            InvalidToken::Claims(ClaimsError::Expired { seconds: 5 }),
        ),
        (|response| response["token_type"] = json!("refresh_token"), InvalidToken::NotAnAccessToken),
        (|response| response["typ"] = json!("Refresh"), InvalidToken::NotAnAccessToken),
    ];
    for (change, why) in changes {
        assert_eq!(active(&change), Err(why));
    }
    let without_aud = active(&|response| drop(response.as_object_mut().unwrap().remove("aud")));
    assert_eq!(without_aud, Err(InvalidToken::Claims(ClaimsError::Missing { claim: "aud" })));
    let any = Rules { audiences: [].into(), ..rules() };
    assert!(introspected(br#"{"active":true}"#, &any, NOW).unwrap().is_ok());
    assert_eq!(introspection_form("a+b/c.d"), "token=a%2Bb%2Fc.d&token_type_hint=access_token");
}

fn proof_claims(token: &str) -> Value {
    json!({
        "jti": "1", "htm": "GET", "htu": "https://api.example/a?x=1", "iat": NOW.unix(),
        "ath": URL_SAFE_NO_PAD.encode(TokenHash::of(token).0),
    })
}

fn proof_header(key: &SigningKey) -> Value {
    json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk() })
}

fn verified(proofs: &[String], started: Timestamp) -> Result<Proof, ProofError> {
    let mut headers = HeaderMap::new();
    for proof in proofs {
        headers.append("dpop", HeaderValue::try_from(proof).unwrap());
    }
    let uri = TargetUri::of_request("api.example", "/a");
    verify_proof(&headers, (&Method::GET, &uri, TokenHash::of("token")), (started, NOW))
}

#[test]
fn each_rule_of_a_proof_is_enforced() {
    let key = SigningKey::p256();
    let proof = |header: &Value, claims: &Value| verified(&[key.token(header, claims)], Timestamp::MIN);
    let (header, good) = (proof_header(&key), proof_claims("token"));
    let accepted = proof(&header, &good).unwrap();
    assert_eq!((&*accepted.jti, accepted.until), ("1", NOW + Duration::from_secs(61)));
    let one = key.token(&header, &good);
    assert_eq!(verified(&[], Timestamp::MIN), Err(ProofError::Headers(0)));
    assert_eq!(verified(&[one.clone(), one.clone()], Timestamp::MIN), Err(ProofError::Headers(2)));
    assert_eq!(verified(&[one], NOW.next()), Err(ProofError::BeforeStart));

    let with = |member: &str, value: Value| {
        let mut claims = good.clone();
        claims[member] = value;
        proof(&header, &claims).unwrap_err()
    };
    assert_eq!(with("htm", json!("POST")), ProofError::Method);
    assert_eq!(with("htm", json!("get")), ProofError::Method);
    assert_eq!(with("htu", json!("https://api.example/b")), ProofError::Uri);
    assert_eq!(with("htu", json!("https://other.example/a")), ProofError::Uri);
    assert_eq!(with("ath", json!(URL_SAFE_NO_PAD.encode([0; 32]))), ProofError::TokenHash);
    assert_eq!(with("iat", json!(NOW.unix() - 61)), ProofError::Old(61));
    assert!(matches!(
        with("iat", json!(NOW.unix() + 11)),
        ProofError::Claims(ClaimsError::InTheFuture { .. })
    ));
    assert_eq!(with("jti", json!("")), ProofError::Jti);
    assert_eq!(with("jti", json!("x".repeat(257))), ProofError::Jti);
    for claim in ["jti", "htm", "htu", "iat", "ath"] {
        assert!(matches!(with(claim, json!([])), ProofError::Claims(ClaimsError::Type { .. })), "{claim}");
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(claim);
        let missing = proof(&header, &claims);
        assert!(matches!(missing, Err(ProofError::Claims(ClaimsError::Missing { .. }))), "{claim}");
    }
}

#[test]
fn a_proof_brings_a_public_key_that_signed_it() {
    let (key, other) = (SigningKey::p256(), SigningKey::p256());
    let good = proof_claims("token");
    let proof = |header: Value| verified(&[key.token(&header, &good)], Timestamp::MIN);
    let header = |member: &str, value: Value| {
        let mut header = proof_header(&key);
        header[member] = value;
        header
    };
    assert_eq!(proof(header("typ", json!("JWT"))), Err(ProofError::Type));
    assert_eq!(proof(header("jwk", other.jwk())), Err(ProofError::Jws(JwsError::Signature)));
    let mut private = key.jwk();
    private["d"] = json!("AAAA");
    for jwk in [private, json!({ "kty": "oct", "k": "AAAA" }), json!("x"), json!({})] {
        let refused = proof(header("jwk", jwk.clone()));
        assert!(matches!(refused, Err(ProofError::Jws(JwsError::Jwk(_) | JwsError::NoJwk))), "{jwk}");
    }
    let token =
        |header: &Value| verified(&[key.token_of("ES256", &header.to_string(), &good.to_string())], NOW);
    for algorithm in ["none", "HS256"] {
        let refused = token(&header("alg", json!(algorithm)));
        assert!(matches!(refused, Err(ProofError::Jws(JwsError::Algorithm { .. }))), "{algorithm}");
    }
    assert!(matches!(token(&header("alg", json!("RS256"))), Err(ProofError::Key(_))));
}
