//! A public key as the edge sees it, for assertions and request objects.

use std::{fmt::Write, path::Path};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    cli::print::toml_string,
    config::{Fault, file},
    jose::{Algorithm, Jwk, KeyError, KeySet, VerifyingKey},
    text::visible,
};

/// The facts of a SubjectPublicKeyInfo, and the credential to paste.
pub(super) fn describe_spki(path: &Path, der: &[u8]) -> Result<String, Fault> {
    let mut keys = Algorithm::ALL.into_iter().map(|algorithm| VerifyingKey::from_spki(der, algorithm, None));
    let key = keys.find(|key| !matches!(key, Err(KeyError::OtherType { .. })));
    let key = key.unwrap_or(Err(KeyError::Malformed)).map_err(|error| unusable(path, &error))?;
    let mut text = facts(&key);
    let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(der));
    let _ = writeln!(text, "{:<24}{hash}", "SHA-256 of its SPKI");
    text.push_str(&paste(path, &key, None));
    text.push_str("\n# or, if its client certificates have this key: auth_method = \"self_signed_tls_client_auth\", without alg\n");
    Ok(text)
}

/// The facts of a JWK, or of the keys of a JWK set.
pub(super) fn describe_json(path: &Path, json: &[u8]) -> Result<String, Fault> {
    let set = match KeySet::parse(json) {
        Err(KeyError::Missing { name: "keys" }) => {
            let jwk = Jwk::parse(json).map_err(|error| unusable(path, &error))?;
            let key = verifying(&jwk).map_err(|error| unusable(path, &error))?;
            return Ok(facts(&key) + &paste(path, &key, None));
        }
        set => set.map_err(|error| unusable(path, &error))?,
    };
    let mut text = format!("a JWK set with {} keys for signatures\n", set.keys().len());
    for jwk in set.keys() {
        text.push('\n');
        match verifying(jwk) {
            // Of several keys, `kid` selects one.
            Ok(key) => text.push_str(&(facts(&key) + &paste(path, &key, key.kid()))),
            Err(error) => {
                let kid = jwk.kid().unwrap_or("none");
                let _ = writeln!(text, "{:<24}{}\n{:<24}CAN'T WORK: {error}", "kid", visible(kid), "");
            }
        }
    }
    for unusable in set.unusable() {
        let _ = writeln!(text, "\nkey {} of the set is not used: {}", unusable.index + 1, unusable.error);
    }
    Ok(text)
}

/// The key with the algorithm that it names, or else the usual one of its type.
fn verifying(jwk: &Jwk) -> Result<VerifyingKey, KeyError> {
    let algorithm = jwk.algorithm().unwrap_or_else(|| Ok(jwk.key_type().usual_algorithm()))?;
    VerifyingKey::from_jwk(jwk, algorithm, None)
}

fn facts(key: &VerifyingKey) -> String {
    let key_type = key.key_type();
    let algorithms: Vec<&str> = Algorithm::ALL
        .into_iter()
        .filter(|algorithm| key_type.fits(*algorithm))
        .map(Algorithm::as_str)
        .collect();
    let mut text = String::new();
    for (name, value) in [
        ("key", key_type.to_string()),
        ("kid", visible(key.kid().unwrap_or("none")).into_owned()),
        ("thumbprint (RFC 7638)", key.thumbprint().to_string()),
        ("alg", algorithms.join(", ")),
    ] {
        let _ = writeln!(text, "{name:<24}{value}");
    }
    text
}

/// The credential for one method, and what else the key can be registered for.
fn paste(path: &Path, key: &VerifyingKey, kid: Option<&str>) -> String {
    let thumbprint = key.thumbprint().to_string();
    let name =
        key.kid().map_or_else(|| format!("key-{}", thumbprint.get(..8).unwrap_or_default()), str::to_owned);
    let file =
        if path == Path::new("-") { "keys/application.pem".to_owned() } else { path.display().to_string() };
    let mut text = String::from(
        "\ncredential to paste under its [[application]]; public_key is relative to applications.toml:\n\n\
         # auth_method = \"private_key_jwt\"; for request objects: [[application.request_key]]\n[[application.credential]]\n",
    );
    let _ = writeln!(text, "name = {}\npublic_key = {}", toml_string(&name), toml_string(&file));
    let _ = writeln!(text, "alg = \"{}\"", key.algorithm());
    if let Some(kid) = kid {
        let _ = writeln!(text, "kid = {}", toml_string(kid));
    }
    text
}

/// The fault of a key that is not accepted. It contains nothing of the key.
fn unusable(path: &Path, error: &KeyError) -> Fault {
    let fault = file::fault(path, format_args!(" cannot be used: {error}"));
    match error {
        KeyError::Private { .. } | KeyError::Symmetric => {
            fault.help("nothing of it was printed; let the application publish the public JWK alone")
        }
        _ => fault,
    }
}
