use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{jws::SigningKey, tool::openssl};

use super::*;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The fault of a file, without the folder, and its help.
    fn fault(
        &self,
        content: impl AsRef<[u8]>,
        algorithm: Option<Algorithm>,
        kid: Option<&str>,
    ) -> [String; 2] {
        let path = self.write("key", content);
        let fault = read(&path, algorithm, kid).unwrap_err();
        let folder = format!("{}/", self.0.path().display());
        [fault.what, fault.help.unwrap_or_default()].map(|text| text.replace(&folder, ""))
    }
}

fn with(mut jwk: Value, members: &Value) -> Value {
    jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    jwk
}

#[test]
fn every_form_of_a_key_is_read() {
    let folder = Folder::new();
    for algorithm in Algorithm::ALL {
        let key = SigningKey::for_algorithm(algorithm.as_str());
        let wanted = VerifyingKey::from_spki(&key.spki(), algorithm, Some("a")).unwrap();
        let jwk = key.jwk();
        folder.write("private.pem", key.private_pem());
        openssl(folder.0.path(), &["pkey", "-in", "private.pem", "-pubout", "-out", "public.pem"]);
        openssl(
            folder.0.path(),
            &["pkey", "-in", "private.pem", "-pubout", "-outform", "DER", "-out", "public.der"],
        );
        let subject = ["-subj", "/CN=a", "-days", "9", "-out", "certificate.pem"];
        openssl(folder.0.path(), &[&["req", "-x509", "-key", "private.pem"][..], &subject].concat());
        let set = json!({ "keys": [with(SigningKey::p256().jwk(), &json!({ "kid": "b" })), with(jwk.clone(), &json!({ "kid": "a" }))] });
        for path in [
            folder.0.path().join("public.pem"),
            folder.0.path().join("public.der"),
            folder.0.path().join("certificate.pem"),
            folder.write("key.jwk", jwk.to_string()),
            folder.write("bom.jwk", format!("\u{feff}\n{jwk}")),
            folder.write("keys.jwks", set.to_string()),
        ] {
            assert_eq!(read(&path, Some(algorithm), Some("a")).as_ref(), Ok(&wanted), "{}", path.display());
        }
    }
}

#[test]
fn the_algorithm_is_that_of_the_credential_or_jwk_else_rs256() {
    let folder = Folder::new();
    let (rsa, p256) = (SigningKey::rsa(), SigningKey::p256());
    let algorithm = |content: String, algorithm| {
        read(&folder.write("key", content), algorithm, None).unwrap().algorithm()
    };
    assert_eq!(algorithm(rsa.public_pem(), None), Algorithm::RS256);
    assert_eq!(algorithm(rsa.public_pem(), Some(Algorithm::PS256)), Algorithm::PS256);
    assert_eq!(algorithm(rsa.jwk().to_string(), None), Algorithm::RS256);
    assert_eq!(algorithm(with(rsa.jwk(), &json!({ "alg": "RS384" })).to_string(), None), Algorithm::RS384);
    assert_eq!(algorithm(with(p256.jwk(), &json!({ "alg": "ES256" })).to_string(), None), Algorithm::ES256);
    assert_eq!(
        folder.fault(p256.public_pem(), None, None),
        ["key cannot be used: an EC key on P-256 cannot verify RS256", "write alg = \"ES256\""]
    );
    assert_eq!(
        folder.fault(with(rsa.jwk(), &json!({ "alg": "RS384" })).to_string(), Some(Algorithm::PS256), None),
        ["key cannot be used: the JWK is for RS384, not PS256", "write alg = \"RS384\""]
    );
}

#[test]
fn a_jwk_set_with_several_keys_needs_kid() {
    let folder = Folder::new();
    let named = |kid: &str| with(SigningKey::p256().jwk(), &json!({ "kid": kid, "alg": "ES256" }));
    let encryption = with(SigningKey::rsa().jwk(), &json!({ "kid": "c", "use": "enc" }));
    let set = json!({ "keys": [named("a"), named("b"), encryption] }).to_string();
    let select = "write kid = one of \"a\" and \"b\"";
    assert_eq!(folder.fault(&set, None, None), ["key is a JWK set with several keys, expected one", select]);
    assert_eq!(
        folder.fault(&set, None, Some("c")),
        ["key is a JWK set without a key whose kid is \"c\"", select]
    );
    assert_eq!(
        folder.fault(&set, Some(Algorithm::EdDSA), Some("a")),
        ["key is a JWK set without such a key for EdDSA", "write alg = \"ES256\""]
    );
    assert_eq!(read(&folder.write("key", &set), None, Some("b")).unwrap().kid(), Some("b"));
    let one = json!({ "keys": [named("a")] }).to_string();
    assert_eq!(read(&folder.write("key", one), None, None).unwrap().kid(), Some("a"));
    assert_eq!(
        folder.fault(
            json!({ "keys": [with(SigningKey::rsa().jwk(), &json!({ "use": "enc" }))] }).to_string(),
            None,
            None
        ),
        ["key is a JWK set without a key for signatures", "key 1: the JWK is not for signatures (use)"]
    );
}

#[test]
fn a_private_key_is_refused_with_the_way_to_its_public_part() {
    let folder = Folder::new();
    let [what, help] = folder.fault(SigningKey::rsa().private_pem(), None, None);
    assert_eq!(
        what,
        "key, line 1: found a private key, expected a public key (\"-----BEGIN PUBLIC KEY-----\")"
    );
    assert!(help.ends_with("openssl pkey -in key -pubout"), "{help}");
    let jwk = with(SigningKey::p256().jwk(), &json!({ "d": "AAAA" }));
    for json in [jwk.to_string(), json!({ "keys": [jwk] }).to_string()] {
        let [what, help] = folder.fault(json, None, None);
        assert_eq!(
            what,
            "key cannot be used: the JWK contains a private key (d): only public keys are accepted"
        );
        assert!(help.contains("generate a new one"), "{help}");
    }
    let [what, help] = folder.fault(r#"{"kty":"oct","k":"AAAA"}"#, None, None);
    assert_eq!(
        what,
        "key cannot be used: the JWK is a symmetric key (kty oct): only public keys are accepted"
    );
    assert!(help.contains("secret_sha256"), "{help}");
}

#[test]
fn weak_keys_that_openssl_makes_are_refused() {
    let folder = Folder::new();
    let made = |arguments: &[&str]| {
        openssl(folder.0.path(), &[&["genpkey", "-out", "made.key"], arguments].concat());
        openssl(folder.0.path(), &["pkey", "-in", "made.key", "-pubout"])
    };
    for (arguments, algorithm, what) in [
        (
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"][..],
            None,
            "the RSA key has 1024 bits: 2048 to 8192 are accepted",
        ),
        (
            &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_pubexp:3"],
            None,
            "the RSA key has a public exponent that is not accepted: use 65537",
        ),
        (
            &["-algorithm", "RSA-PSS"],
            Some(Algorithm::PS256),
            "the key is of type id-RSASSA-PSS: use an RSA key of type rsaEncryption",
        ),
        (
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Some(Algorithm::ES256),
            "the key is on a curve that is not accepted: use P-256 or Ed25519",
        ),
        (
            &["-algorithm", "X25519"],
            Some(Algorithm::EdDSA),
            "the key is of a type that is not accepted (1.3.101.110): use RSA, EC (P-256) or Ed25519",
        ),
    ] {
        let [found, help] = folder.fault(made(arguments), algorithm, None);
        assert_eq!(found, format!("key cannot be used: {what}"));
        assert!(help.starts_with("generate a new key: "), "{help}");
    }
}
