//! `inspect` of public keys, JWK and JWK sets.

use std::{fs, path::Path, process::Output};

use serde_json::json;
use tempfile::TempDir;
use testkit::jws::SigningKey;

use crate::support::{
    command::{check, edge, text},
    tool::openssl,
};

/// The example of RFC 7638 section 3.1, and its thumbprint.
const RFC_7638: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
const THUMBPRINT: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

/// The output of `inspect` for a file with this content.
fn inspected(content: &str) -> Output {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, content).unwrap();
    edge(&["inspect", file.to_str().unwrap()])
}

fn shown(content: &str) -> String {
    let output = inspected(content);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

#[test]
fn inspect_prints_the_thumbprint_kid_and_type_of_a_jwk() {
    let printed = shown(RFC_7638);
    for line in [
        "key                     RSA key of 2048 bits",
        "kid                     2011-04-29",
        &format!("thumbprint (RFC 7638)   {THUMBPRINT}"),
        "alg                     RS256, RS384, PS256",
        "name = \"2011-04-29\"",
        "alg = \"RS256\"",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(!printed.lines().any(|line| line.starts_with("kid = ")), "a JWK has its kid itself: {printed}");
}

#[test]
fn inspect_reads_keys_of_openssl_in_pem_and_der() {
    for (key, shown) in [
        (&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"][..], "RSA key of 3072 bits"),
        (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "EC key on P-256"),
        (&["-algorithm", "ED25519"], "Ed25519 key"),
    ] {
        let folder = TempDir::new().unwrap();
        openssl(folder.path(), &[&["genpkey", "-out", "a.key"], key].concat());
        openssl(folder.path(), &["pkey", "-in", "a.key", "-pubout", "-out", "a.pem"]);
        openssl(folder.path(), &["pkey", "-in", "a.key", "-pubout", "-outform", "DER", "-out", "a.der"]);
        let facts = ["a.pem", "a.der"].map(|file| {
            let output = edge(&["inspect", folder.path().join(file).to_str().unwrap()]);
            assert!(output.status.success(), "{}", text(&output.stderr));
            let printed = text(&output.stdout).to_owned();
            printed.split("\ncredential to paste").next().unwrap().to_owned()
        });
        assert!(facts[0].contains(shown), "{}", facts[0]);
        assert_eq!(facts[0], facts[1]);
    }
}

#[test]
fn inspect_lists_each_key_of_a_set() {
    let (rsa, ed) = (SigningKey::rsa().jwk(), SigningKey::ed25519().jwk());
    let with = |mut jwk: serde_json::Value, members: serde_json::Value| {
        jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        jwk
    };
    let set = json!({ "keys": [
        with(rsa.clone(), json!({ "kid": "one", "alg": "PS256" })),
        with(ed, json!({ "kid": "two" })),
        with(rsa, json!({ "kid": "three", "use": "enc" })),
        { "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" },
    ] });
    let printed = shown(&set.to_string());
    assert!(printed.contains("a JWK set with 2 keys"), "{printed}");
    assert!(printed.contains("alg = \"PS256\"\nkid = \"one\""), "{printed}");
    assert!(printed.contains("alg = \"EdDSA\"\nkid = \"two\""), "{printed}");
    assert!(
        printed.contains("key 3 of the set is not used: the JWK is not for signatures (use)"),
        "{printed}"
    );
    assert!(printed.contains("key 4 of the set is not used: the key is on a curve"), "{printed}");
}

/// Asserts that a file is refused as a private key, and that nothing of it is printed.
fn refused(content: &str, secrets: &[&str], word: &str) {
    let output = inspected(content);
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout).to_owned() + text(&output.stderr);
    assert!(printed.contains(word) && printed.contains("nothing of it was printed"), "{printed}");
    for secret in secrets {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn inspect_refuses_private_keys_and_prints_nothing_of_them() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let pem = SigningKey::for_algorithm(algorithm).private_pem();
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        refused(&pem, &lines, "contains a private key");
        // Beside its public part, and cut off.
        let public = SigningKey::for_algorithm(algorithm).public_pem();
        refused(&format!("{public}{pem}"), &lines, "contains a private key");
        refused(pem.split("-----END").next().unwrap(), &lines, "contains a private key");
    }
    let mut jwk = SigningKey::rsa().jwk();
    jwk["d"] = "c2VjcmV0LW51bWJlcg".into();
    let set = json!({ "keys": [SigningKey::ed25519().jwk(), jwk] });
    for json in [jwk.clone(), set] {
        refused(&json.to_string(), &["c2VjcmV0LW51bWJlcg", jwk["n"].as_str().unwrap()], "private key (d)");
    }
    refused(r#"{"kty":"oct","k":"c2VjcmV0LW51bWJlcg"}"#, &["c2VjcmV0LW51bWJlcg"], "symmetric key");
}

#[test]
fn inspects_key_credential_is_accepted() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("e");
    assert!(edge(&["init", dir.to_str().unwrap()]).status.success());
    let (one, two) = (SigningKey::p256(), SigningKey::rsa());
    let mut jwk = two.jwk();
    jwk["kid"] = "jar".into();
    let keys = [("one.pem", one.public_pem()), ("two.json", json!({ "keys": [jwk] }).to_string())];
    for (file, content) in keys {
        fs::write(dir.join(file), content).unwrap();
        let pasted = pasted(&dir, file);
        let application =
            format!("[[application]]\nclient_id = \"a\"\nauth_method = \"private_key_jwt\"\n{pasted}");
        fs::write(dir.join("applications.toml"), &application).unwrap();
        let output = check(&dir.join("edge.toml"));
        assert!(output.status.success(), "{application}{}", text(&output.stderr));
    }
}

/// What `inspect` prints to paste.
fn pasted(dir: &Path, file: &str) -> String {
    let output = edge(&["inspect", dir.join(file).to_str().unwrap()]);
    let printed = text(&output.stdout);
    printed.split("applications.toml:\n\n").nth(1).unwrap_or_else(|| panic!("{printed}")).to_owned()
}
