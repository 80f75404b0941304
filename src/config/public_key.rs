//! Detects public keys in place of certificates: a JWK or JWK Set (RFC 7517), and the key names of other registries.

use std::borrow::Cow;

use toml::de::DeValue;

use super::{diagnostic::Fault, suggest::quote};

/// Keys that contain a public key in other registries. The last two are from RFC 7591.
const NAMES: [&str; 6] = ["public_key", "publicKey", "spki", "jwk", "jwks", "jwks_uri"];

/// Help for a public key that does not contain the thumbprint of its certificate.
pub(super) const HELP: &str = "the edge compares certificates, not public keys: write thumbprint in [[application.credential]], as `mtls-edge inspect CERT` prints it for the application's certificate";

/// Help for an unknown key that contains a public key.
pub(super) fn help_for_key(name: &str, value: &DeValue<'_>) -> Option<String> {
    let jwk = Jwk::find(value);
    (jwk.is_some() || NAMES.contains(&name)).then(|| help(jwk.as_ref()))
}

/// The fault of a credential's value that is a JWK.
pub(super) fn fault_for_value(value: &DeValue<'_>) -> Option<Fault> {
    let jwk = Jwk::find(value)?;
    let what = "found a JWK, which is a public key: a credential is registered by its certificate";
    Some(Fault::new(what).help(help(Some(&jwk))))
}

fn help(jwk: Option<&Jwk<'_>>) -> String {
    match jwk.and_then(|jwk| jwk.thumbprint.as_deref()) {
        Some(thumbprint) => {
            format!(
                "write thumbprint = {} (the JWK's x5t#S256) in [[application.credential]]",
                quote(thumbprint)
            )
        }
        None => HELP.to_owned(),
    }
}

struct Jwk<'a> {
    /// `x5t#S256`: the SHA-256 thumbprint of the certificate.
    thumbprint: Option<Cow<'a, str>>,
}

impl<'a> Jwk<'a> {
    /// Finds a JWK, or the first one of a JWK Set, in a TOML table or in JSON text.
    fn find(value: &'a DeValue<'a>) -> Option<Self> {
        match value {
            DeValue::Table(table) if table.contains_key("kty") => {
                let thumbprint = table.get("x5t#S256").and_then(|value| value.get_ref().as_str());
                Some(Self { thumbprint: thumbprint.map(Cow::from) })
            }
            DeValue::Table(table) => Self::find(table.get("keys")?.get_ref()),
            DeValue::Array(keys) => Self::find(keys.iter().next()?.get_ref()),
            DeValue::String(text)
                if text.trim_start().starts_with(['{', '[']) && text.contains("\"kty\"") =>
            {
                let json = serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
                let jwk = ["/keys/0", "/0"].iter().find_map(|first| json.pointer(first)).unwrap_or(&json);
                let thumbprint = jwk.get("x5t#S256").and_then(serde_json::Value::as_str);
                Some(Self { thumbprint: thumbprint.map(|text| Cow::from(text.to_owned())) })
            }
            _ => None,
        }
    }
}
