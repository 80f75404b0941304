//! Key sets: a token is verified if and only if the set has the key that signed it, for that algorithm and purpose and by that name.
//!
//! An input is the `kid` of the token, a line end, and the text of the set. In it `"@e"`, `"@p"` and `"@r"` become the public keys of this
//! run, without their braces, so that other members can be beside theirs: `{"@e", "use": "sig"}`.

use mtls_edge::jose::{Algorithm, Jws, KeySet, MAX_BYTES, MAX_KEYS, VerifyingKey};
use serde_json::{Map, Value, json};

use super::signed::{Key, object};

/// Keys by which a signature is checked at most, as for access tokens.
const MAX_CANDIDATES: usize = 4;

/// Checks an input.
pub fn check(input: &[u8]) {
    accepted(input);
}

/// Checks an input, and returns how many tokens were verified.
pub fn accepted(input: &[u8]) -> usize {
    let Ok(text) = std::str::from_utf8(input) else { return 0 };
    let Some((kid, set)) = text.split_once('\n') else { return 0 };
    let set = b"epr".iter().fold(set.to_owned(), |set, letter| {
        let jwk = Key::of(*letter).jwk().to_string();
        set.replace(&format!("\"@{}\"", char::from(*letter)), &jwk[1..jwk.len() - 1])
    });
    let Ok(keys) = KeySet::parse(set.as_bytes()) else { return 0 };
    let members = object(set.as_bytes()).expect("an accepted set has unique names");
    let entries: Vec<&Map<String, Value>> =
        members["keys"].as_array().unwrap().iter().filter_map(Value::as_object).collect();
    assert!(members["keys"].as_array().unwrap().len() <= MAX_KEYS);
    let usable = keys.verifying_keys();
    let tokens = [(b'e', "EdDSA"), (b'p', "ES256"), (b'r', "RS256"), (b'r', "PS256"), (b's', "EdDSA")];
    let mut verified = 0;
    for (letter, alg) in tokens {
        let key = Key::of(letter);
        let mut header = json!({ "alg": alg });
        if !kid.is_empty() {
            header["kid"] = kid.into();
        }
        let token = key.token(alg, &header.to_string(), "{}");
        if token.len() > MAX_BYTES {
            continue;
        }
        let jws = Jws::parse(&token).unwrap();
        let kid = header["kid"].as_str();
        let found = jws.verify_within(MAX_CANDIDATES, &usable);
        let is_same = |entry: &&&Map<String, Value>| is_usable(entry, key, alg, kid);
        let is_in_set = entries.iter().any(|entry| is_same(&entry));
        match found {
            Ok(found) => {
                assert!(is_in_set, "{alg} with {set}");
                assert_eq!(found.thumbprint(), thumbprint_of(key, alg));
                verified += 1;
            }
            // Beyond the maximum, which key is tried depends on their order.
            Err(_) => {
                assert!(!is_in_set || candidates(&usable, alg, kid) > MAX_CANDIDATES, "{alg} with {set}");
            }
        }
    }
    verified
}

/// Whether an entry is this key, for this algorithm, for signatures, and not under another name.
fn is_usable(entry: &Map<String, Value>, key: &Key, alg: &str, kid: Option<&str>) -> bool {
    let public = key.jwk();
    let is_key = public.as_object().unwrap().iter().all(|(name, value)| entry.get(name) == Some(value));
    let is_for = match entry.get("alg").map(Value::as_str) {
        // The usual algorithm of an RSA key is RS256.
        None => alg != "PS256",
        Some(named) => named == Some(alg) || (alg == "EdDSA" && named == Some("Ed25519")),
    };
    let is_named = match (entry.get("kid").map(Value::as_str), kid) {
        (Some(None), _) => false,
        (Some(Some(own)), Some(wanted)) => own == wanted,
        _ => true,
    };
    let may_sign = entry.get("use").is_none_or(|purpose| purpose == "sig");
    let may_verify = entry.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
    });
    is_key && is_for && is_named && may_sign && may_verify
}

fn thumbprint_of(key: &Key, alg: &str) -> mtls_edge::jose::JwkThumbprint {
    let set = json!({ "keys": [key.jwk()] }).to_string();
    let keys = KeySet::parse(set.as_bytes()).unwrap();
    let algorithm: Algorithm = alg.parse().unwrap();
    VerifyingKey::from_jwk(&keys.keys()[0], algorithm, None).unwrap().thumbprint()
}

/// The keys of a set that may have signed a token.
fn candidates(keys: &[VerifyingKey], alg: &str, kid: Option<&str>) -> usize {
    let algorithm: Algorithm = alg.parse().unwrap();
    let may = |key: &&VerifyingKey| {
        key.algorithm() == algorithm && (kid.is_none() || key.kid().is_none() || key.kid() == kid)
    };
    keys.iter().filter(may).count()
}
