//! Signed tokens (RFC 7515), with any header and any payload, as an application or an attacker makes them.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

/// A private key that signs tokens.
pub enum SigningKey {
    /// RSA of 2048 bits.
    Rsa(Box<RsaKeyPair>),
    /// P-256.
    P256(Box<EcdsaKeyPair>),
    /// Ed25519.
    Ed25519(Box<Ed25519KeyPair>),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// A new RSA key of 2048 bits.
    pub fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    /// A new key on P-256.
    pub fn p256() -> Self {
        Self::P256(Box::new(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()))
    }

    /// A new Ed25519 key.
    pub fn ed25519() -> Self {
        Self::Ed25519(Box::new(Ed25519KeyPair::generate().unwrap()))
    }

    /// A new key that fits the algorithm.
    pub fn for_algorithm(algorithm: &str) -> Self {
        match algorithm {
            "ES256" => Self::p256(),
            "EdDSA" | "Ed25519" => Self::ed25519(),
            _ => Self::rsa(),
        }
    }

    /// The public key as a SubjectPublicKeyInfo in DER.
    pub fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Rsa(key) => key.public_key().as_der().unwrap(),
            Self::P256(key) => key.public_key().as_der().unwrap(),
            Self::Ed25519(key) => key.public_key().as_der().unwrap(),
        };
        der.as_ref().to_vec()
    }

    /// The public key in PEM (`BEGIN PUBLIC KEY`).
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    /// The private key in PKCS#8 PEM, for other programs.
    pub fn private_pem(&self) -> String {
        let der = |der: Pkcs8V1Der<'_>| der.as_ref().to_vec();
        let der = match self {
            Self::Rsa(key) => der(key.as_der().unwrap()),
            Self::P256(key) => key.to_pkcs8v1().unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => der(key.as_der().unwrap()),
        };
        pem("PRIVATE KEY", &der)
    }

    /// The public key as a JWK, with its required members only.
    pub fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rsa(key) => {
                let [n, e] = rsa_numbers(key.public_key().as_ref());
                json!({ "kty": "RSA", "n": text(n), "e": text(e) })
            }
            Self::P256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
            }
            Self::Ed25519(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref()) })
            }
        }
    }

    /// The token with this header and payload, signed by the header's `alg`.
    pub fn token(&self, header: &Value, payload: &Value) -> String {
        let algorithm = header["alg"].as_str().expect("the header has an alg");
        self.token_of(algorithm, &header.to_string(), &payload.to_string())
    }

    /// The token with exactly these texts as header and payload, signed by `algorithm` whatever the header says.
    pub fn token_of(&self, algorithm: &str, header: &str, payload: &str) -> String {
        let signed = signing_input(header, payload);
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Self::P256(key) => key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

/// The first two parts of a token, which are signed.
pub fn signing_input(header: &str, payload: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

/// A token that is authenticated by HMAC with SHA-256 under this key, as an attacker makes it who knows a public key.
pub fn hs256(key: &[u8], payload: &Value) -> String {
    let signed = signing_input(r#"{"alg":"HS256","typ":"JWT"}"#, &payload.to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A token without a signature (RFC 7518 section 3.6).
pub fn unsigned(payload: &Value) -> String {
    signing_input(r#"{"alg":"none"}"#, &payload.to_string()) + "."
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The modulus and the exponent of an RSAPublicKey in DER (RFC 8017 appendix A.1.1), without leading zeros.
fn rsa_numbers(der: &[u8]) -> [&[u8]; 2] {
    let (_, numbers, _) = element(der);
    let (_, n, rest) = element(numbers);
    let (_, e, _) = element(rest);
    [n, e].map(|number| if number[0] == 0 { &number[1..] } else { number })
}

/// The tag and content of the first element of DER, and what follows it.
fn element(der: &[u8]) -> (u8, &[u8], &[u8]) {
    let (length, at) = match usize::from(der[1]) {
        short @ 0..0x80 => (short, 2),
        long => {
            let bytes = long & 0x7f;
            (der[2..2 + bytes].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + bytes)
        }
    };
    (der[0], &der[at..at + length], &der[at + length..])
}
