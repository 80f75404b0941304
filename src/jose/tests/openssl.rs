//! Tokens that openssl has signed.

use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use testkit::{jws::signing_input, tool::openssl};

use super::*;

/// The numbers of a DER signature of ECDSA, with 32 bytes each (RFC 7518 section 3.4).
fn fixed(der: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        [vec![0; 32 - (bytes.len() - zeros)], bytes[zeros..].to_vec()].concat()
    };
    let r = usize::from(der[3]);
    [number(&der[4..4 + r]), number(&der[6 + r..])].concat()
}

fn signed_by_openssl(folder: &Path, algorithm: Algorithm) -> String {
    let signed = signing_input(&json!({ "alg": algorithm.as_str() }).to_string(), &payload().to_string());
    std::fs::write(folder.join("signed"), &signed).unwrap();
    let digest = match algorithm {
        Algorithm::RS384 => &["dgst", "-sha384", "-sign", "private.pem", "-out", "signature", "signed"][..],
        Algorithm::PS256 => &[
            "dgst",
            "-sha256",
            "-sigopt",
            "rsa_padding_mode:pss",
            "-sigopt",
            "rsa_pss_saltlen:32",
            "-sign",
            "private.pem",
            "-out",
            "signature",
            "signed",
        ],
        Algorithm::EdDSA => {
            &["pkeyutl", "-sign", "-rawin", "-inkey", "private.pem", "-in", "signed", "-out", "signature"]
        }
        Algorithm::RS256 | Algorithm::ES256 => {
            &["dgst", "-sha256", "-sign", "private.pem", "-out", "signature", "signed"]
        }
    };
    openssl(folder, digest);
    let signature = std::fs::read(folder.join("signature")).unwrap();
    let signature = if algorithm == Algorithm::ES256 { fixed(&signature) } else { signature };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn signatures_of_openssl_are_verified() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for algorithm in Algorithm::ALL {
        let generate = match algorithm {
            Algorithm::ES256 => &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..],
            Algorithm::EdDSA => &["-algorithm", "ED25519"],
            _ => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        };
        openssl(folder, &[&["genpkey", "-out", "private.pem"], generate].concat());
        openssl(folder, &["pkey", "-in", "private.pem", "-pubout", "-outform", "DER", "-out", "public.der"]);
        let spki = std::fs::read(folder.join("public.der")).unwrap();
        let key = VerifyingKey::from_spki(&spki, algorithm, None).unwrap();
        let token = signed_by_openssl(folder, algorithm);
        assert_eq!(key.verify(&Jws::parse(&token).unwrap()), Ok(()), "{algorithm}");
        let other = verifying(&SigningKey::for_algorithm(algorithm.as_str()), algorithm, None);
        assert_eq!(other.verify(&Jws::parse(&token).unwrap()), Err(JwsError::Signature), "{algorithm}");
    }
}
