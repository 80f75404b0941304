//! What a PKCS#11 URI (RFC 7512) may have in a configuration, and whether a text may have a PIN.

/// The scheme of the URI.
pub(super) const SCHEME: &str = "pkcs11:";

/// The attributes that select the token and the key.
pub(super) const PATH: [&str; 8] =
    ["token", "serial", "manufacturer", "model", "slot-id", "object", "id", "type"];
/// Those after the question mark.
pub(super) const QUERY: [&str; 2] = ["module-path", "pin-source"];

/// Whether a value is meant as the URI of a token's key.
pub(super) fn is_uri(text: &str) -> bool {
    text.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

/// Whether a URI may contain a PIN: it has attributes that are not known. Also of a text that is not quite a URI.
pub(super) fn may_have_pin(text: &str) -> bool {
    let Some(at) = text.to_ascii_lowercase().find(SCHEME) else { return text.contains("pin-value") };
    let attributes = text.get(at + SCHEME.len()..).unwrap_or_default().split([';', '?', '&']);
    let may_have = |attribute: &str| {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let is_known = PATH.iter().chain(&QUERY).any(|known| *known == name);
        !is_known || (name == "pin-source" && is_pin(value))
    };
    attributes.into_iter().any(may_have)
}

/// Whether the value of `pin-source` may be a PIN in place of a file.
pub(super) fn is_pin(source: &str) -> bool {
    let Some(path) = source.strip_prefix("file:") else { return true };
    !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_that_may_have_a_pin_is_recognized() {
        for text in [
            "pkcs11:a?pin-value=1",
            "PKCS11:token=a?pin_value=1",
            "pkcs11:token=a;pin=1",
            "pkcs11:token=a?module-path=/m.so&pin-source=file:a&1",
            "pin-value=1",
            "pkcs11:token=a?module-path=/m.so&pin-source=1234",
            "pkcs11:token=a?module-path=/m.so&pin-source=file:1234",
            "xpkcs11:1",
        ] {
            assert!(may_have_pin(text), "{text}");
        }
        for text in ["certs/server.key", "pkcs11:token=a;object=b?module-path=/m.so&pin-source=file:p"] {
            assert!(!may_have_pin(text), "{text}");
        }
    }
}
