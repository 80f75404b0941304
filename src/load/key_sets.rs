//! Fetched JSON Web Key Sets (RFC 7517) and their cached files: which are valid, and whether a fetched set may replace the cached one.
//!
//! A key set is not signed: it is as trustworthy as the connection that it was fetched over.

use crate::{
    config::{file, settings::KeySetSource},
    jose::KeySet,
    site::RefreshRequest,
};

/// A key set that is to be fetched.
#[derive(Clone, Debug)]
pub struct WantedKeySet {
    /// Where it is.
    pub source: KeySetSource,
    /// Asks for a fetch before its time; none if nothing does.
    pub refresh: Option<RefreshRequest>,
}

/// The state of the cached file of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CachedKeySet {
    /// It contains keys.
    Valid(KeySet),
    /// The file does not exist.
    Missing,
    /// The file cannot be used, with the reason. It is treated as missing.
    Invalid(String),
}

/// Loads the cached file of a source.
#[must_use]
pub fn cached_key_set(source: &KeySetSource) -> CachedKeySet {
    let file = &source.file.value;
    if !file.exists() {
        return CachedKeySet::Missing;
    }
    let read = file::read(file, file::LIMIT).map_err(|error| file::unreadable(file, &error).what);
    let parsed = read.and_then(|bytes| {
        key_set_in(&bytes).map_err(|why| format!("{} is not a usable key set: {why}", file.display()))
    });
    parsed.map_or_else(CachedKeySet::Invalid, CachedKeySet::Valid)
}

/// Judges a fetched key set before it replaces the cached one: it must be empty, or contain a key that can be used. Returns whether it differs from the
/// cached file.
///
/// # Errors
///
/// Why it is rejected.
pub fn judge_fetched_key_set(source: &KeySetSource, fetched: &[u8]) -> Result<bool, String> {
    key_set_in(fetched).map_err(|why| format!("the fetched document is not a usable key set: {why}"))?;
    Ok(file::replaceable(&source.file.value, None)? != fetched)
}

fn key_set_in(json: &[u8]) -> Result<KeySet, String> {
    let set = KeySet::parse(json).map_err(|error| error.to_string())?;
    // An empty set is how all keys are revoked; one of unusable keys is a mistake.
    let is_empty = set.keys().is_empty() && set.unusable().is_empty();
    if !is_empty && set.verifying_keys().is_empty() {
        let unusable = set.unusable().first().map(|first| format!("; key {}: {}", first.index, first.error));
        return Err(format!("it has no key that can verify signatures{}", unusable.unwrap_or_default()));
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_without_a_usable_key_is_rejected() {
        let ec = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        assert!(key_set_in(format!(r#"{{"keys":[{ec}]}}"#).as_bytes()).is_ok());
        assert!(key_set_in(br#"{"keys":[]}"#).is_ok(), "an empty set revokes all keys");
        for (json, why) in [
            (format!(r#"{{"keys":[{}]}}"#, ec.replace("P-256", "P-521")), "key 0: "),
            (r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#.to_owned(), "symmetric"),
            ("<html>".to_owned(), "not a JSON object"),
        ] {
            let error = key_set_in(json.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
    }
}
