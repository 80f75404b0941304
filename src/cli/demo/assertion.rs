//! Signed assertions by which an application authenticates (RFC 7523 section 2.2, `private_key_jwt`).

use std::{
    fmt::Write,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    rand::{SecureRandom, SystemRandom},
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use super::{Failure, ISSUER, development};

/// The private key of an application.
pub(super) struct Signer(RsaKeyPair);

impl Signer {
    /// Creates a key, and writes it into `folder`: `NAME.key`, and its public key as `NAME-public.pem`.
    pub(super) fn generate(folder: &Path, name: &str) -> Result<Self, Failure> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
        development::private(&folder.join(format!("{name}.key")), &key.serialize_pem())?;
        development::readable(&folder.join(format!("{name}-public.pem")), &key.public_key_pem())?;
        Ok(Self(RsaKeyPair::from_pkcs8(&key.serialize_der())?))
    }

    /// A new assertion for the edge's issuer, valid for a minute.
    pub(super) fn assertion(&self, client_id: &str) -> Result<String, Failure> {
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id)?;
        let id = id.iter().try_fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}")?;
            Ok::<_, std::fmt::Error>(text)
        })?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = serde_json::json!({
            "iss": client_id,
            "sub": client_id,
            "aud": ISSUER,
            "jti": id,
            "iat": now,
            "exp": now + 60,
        });
        let header = serde_json::json!({ "alg": "RS256" });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}
