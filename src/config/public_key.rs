//! Detects a public key that is written in the configuration itself: a JWK or JWK Set (RFC 7517). Keys are read from files.

use std::borrow::Cow;

use toml::de::DeValue;

use super::{diagnostic::Fault, suggest::quote};

/// Help for a public key in place of its file.
pub(super) const HELP: &str =
    "save it as a file, and write public_key = \"keys/application.jwk\" in [[application.credential]]";

/// Help for an unknown key whose value is a JWK.
pub(super) fn help_for_key(value: &DeValue<'_>) -> Option<String> {
    Jwk::find(value).map(|jwk| jwk.help())
}

/// The fault of a credential's value that is a JWK.
pub(super) fn fault_of_value(key: &str, value: &DeValue<'_>) -> Option<Fault> {
    let jwk = Jwk::find(value)?;
    let what = match key {
        "public_key" => "found a JWK, expected the path of a file",
        _ => "found a JWK, which is a public key",
    };
    Some(Fault::new(what).help(jwk.help()))
}

struct Jwk<'a> {
    /// `x5t#S256`: the SHA-256 thumbprint of the certificate.
    thumbprint: Option<Cow<'a, str>>,
}

impl<'a> Jwk<'a> {
    fn help(&self) -> String {
        match &self.thumbprint {
            Some(thumbprint) => format!(
                "{HELP}; for self_signed_tls_client_auth, write thumbprint = {} (its x5t#S256)",
                quote(thumbprint)
            ),
            None => HELP.to_owned(),
        }
    }

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
