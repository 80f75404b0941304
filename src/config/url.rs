//! Validates URLs of documents and endpoints, and issuer identifiers.

use super::{
    diagnostic::Fault,
    settings::Url,
    suggest::quote,
    validate::{is_loopback, origin},
};

/// What a URL is used for, for messages about it.
pub(super) struct UrlUse {
    /// A valid URL.
    example: &'static str,
    /// What is at the URL.
    of: &'static str,
    /// What to do about user information.
    instead_of_user: &'static str,
    /// What anyone who can change the traffic could do, if that is why it must go over TLS: what is received is not signed.
    needs_tls: Option<&'static str>,
}

const FORGE: &str = "make the edge accept forged credentials";

/// The URL of a CRL, which its CA has signed.
pub(super) const CRL: UrlUse = UrlUse {
    example: "http://crl.example.com/corp.crl",
    of: "the CRL",
    instead_of_user: "CRLs are fetched without credentials",
    needs_tls: None,
};

/// The URL of a key set.
pub(super) const KEY_SET: UrlUse = UrlUse {
    example: "https://reports.example/jwks.json",
    of: "the key set",
    instead_of_user: "key sets are fetched without credentials",
    needs_tls: Some(FORGE),
};

/// The URL of an introspection endpoint.
pub(super) const INTROSPECTION: UrlUse = UrlUse {
    example: "https://auth.example.com/introspect",
    of: "the introspection endpoint",
    instead_of_user: "write client_id and secret beside url",
    needs_tls: Some(FORGE),
};

/// The URL of an ACME directory.
pub(super) const ACME_DIRECTORY: UrlUse = UrlUse {
    example: "https://acme-v02.api.letsencrypt.org/directory",
    of: "the CA's ACME directory",
    instead_of_user: "the edge makes an account of its own at the CA",
    needs_tls: Some("keep the edge from renewing its certificates"),
};

/// The base URL of a collector of traces.
pub(super) const COLLECTOR: UrlUse = UrlUse {
    example: "http://127.0.0.1:4318",
    of: "the collector",
    instead_of_user: "write headers beside endpoint",
    needs_tls: None,
};

/// Parses the URL of a document or an endpoint. A fault never quotes the query: it may be a secret.
pub(super) fn url(text: &str, used_for: &UrlUse) -> Result<Url, Fault> {
    let UrlUse { example, of, instead_of_user, needs_tls } = used_for;
    let fault = |found: &str| Fault::new(format!("found {found}, expected a URL such as {example}"));
    let (before, rest) = text.split_once("://").unwrap_or(("", text));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if authority.contains('@') {
        let help = format!("remove the user information, up to the @: {instead_of_user}");
        return Err(fault("a URL with user information").help(help));
    }
    if tail.contains('#') {
        return Err(fault("a URL with a fragment").help("remove the fragment, from the # on"));
    }
    if !matches!(before.to_ascii_lowercase().as_str(), "http" | "https") {
        let schemes = if needs_tls.is_some() { "https" } else { "http or https" };
        let help = format!("write the {schemes} URL of {of}");
        return Err(fault("a URL that is not http or https").help(help));
    }
    let origin = origin(&format!("{before}://{authority}"))?;
    if let Some(danger) = needs_tls.filter(|_| !origin.tls && !is_loopback(&origin)) {
        let what = format!(
            "found http to {}, expected https: anyone who can change that traffic could {danger}",
            origin.host
        );
        return Err(Fault::new(what).help(format!("write the https URL of {of}")));
    }
    let target = if tail.starts_with('/') { tail.to_owned() } else { format!("/{tail}") };
    if target.parse::<http::uri::PathAndQuery>().is_err() {
        return Err(fault("a URL with an invalid character").help("percent-encode it: %20 for a space"));
    }
    Ok(Url { origin, target })
}

/// Parses an issuer identifier (RFC 8414 section 2): an https URL without query and fragment. It is compared byte by byte, so it is returned as
/// written.
pub(super) fn issuer(text: &str) -> Result<String, Fault> {
    const EXPECTED: &str = "an issuer identifier such as https://auth.example.com/ (RFC 8414)";
    const HELP: &str = "write it exactly as `issuer` in the authorization server's metadata, /.well-known/openid-configuration";
    let fault = |found: &str| Fault::new(format!("found {found}, expected {EXPECTED}"));
    let rest = text.strip_prefix("https://").unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if text.contains('@') {
        return Err(fault("a URL with user information").help(HELP));
    }
    if text.contains(['?', '#']) {
        return Err(fault("a URL with a query or a fragment").help(HELP));
    }
    if !text.starts_with("https://") {
        let found = quote(text);
        let help = match text.split_once("://") {
            Some((scheme, rest))
                if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
            {
                format!("write {}", quote(&format!("https://{rest}")))
            }
            None if text.contains('.') => format!("write {}", quote(&format!("https://{text}/"))),
            _ => HELP.to_owned(),
        };
        return Err(fault(&found).help(help));
    }
    origin(&format!("https://{authority}"))?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic())
        || format!("/{tail}").parse::<http::uri::PathAndQuery>().is_err()
    {
        return Err(fault("a URL with an invalid character").help(HELP));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_kept_as_written() {
        for text in
            ["https://auth.example.com", "https://auth.example.com/", "https://a.example:8443/realms/X"]
        {
            assert_eq!(issuer(text).as_deref(), Ok(text));
        }
        for bad in [
            "",
            "auth.example.com",
            "http://auth.example.com",
            "HTTPS://auth.example.com",
            "https://",
            "https://a b/",
            "https://a/?x",
            "https://a/#x",
            "https://me@a/",
            "https://a/\u{e4}",
        ] {
            assert!(issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_set_is_fetched_over_tls_or_from_this_machine() {
        for good in
            ["https://a.example/jwks", "http://127.0.0.1:3000/jwks", "http://localhost/x", "http://[::1]:1/"]
        {
            assert!(url(good, &KEY_SET).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/jwks",
            "http://10.0.0.1/jwks",
            "ftp://a/",
            "/jwks",
            "https://u:p@a/",
            "https://a/#x",
        ] {
            assert!(url(bad, &KEY_SET).is_err(), "{bad}");
        }
        assert!(url("http://a.example/x.crl", &CRL).is_ok());
    }
}
