//! Registrations that no certificate will ever match, or none that was meant: placeholders, wildcards, a missing client CA.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    config::{Problem, Severity, Span, Spanned},
    identity::{SubjectAltName, Thumbprint},
    trust::{Application, AuthMethod, Registry},
};

/// Thumbprints that documents show as examples: ours, and those of RFC 8705 section 3.
const EXAMPLES: [&str; 5] = [
    "3b1f0ac45d7e926680b711fe294cd8039ae571364fc208bd67f31e55a9902cd4",
    "47c876ed3f8e64be5534b77be5d8f9a5d29c6eb50012df66a3a6b0d54698020d",
    "1acbecef127490a7f21b2370024871ee10d05ba58919f3f025fa128299b8c0e2",
    "6f070ad1eb1cdc0082dc3076639fe5112b1713ca3d96d734e4ef3d8dd37e760d",
    "0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd",
];

/// SHA-256 of no input, and of an empty line: what a pipe prints when the command before it failed.
const OF_NOTHING: [&str; 2] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
];

/// Of 32 random octets some 30 are different; that at most these are happens once in 10^13 hashes.
const FEW: usize = 16;

/// A thumbprint that somebody wrote where a certificate's belongs.
pub(super) fn placeholder(thumbprint: &Thumbprint, place: &Span) -> Option<Problem> {
    let octets = thumbprint.as_bytes();
    let distinct: HashSet<u8> = octets.iter().copied().collect();
    let mut steps: HashMap<u8, usize> = HashMap::new();
    for (one, next) in octets.iter().zip(octets.iter().skip(1)) {
        *steps.entry(next.wrapping_sub(*one)).or_default() += 1;
    }
    // As in 1a2b3c4d..., with a break now and then.
    let counts_on = steps.values().any(|count| *count > octets.len() / 2);
    let hex = thumbprint.to_string();
    let what = if OF_NOTHING.contains(&hex.as_str()) {
        "is the SHA-256 of nothing: the command that should have printed a certificate to be hashed failed"
    } else if EXAMPLES.contains(&hex.as_str()) {
        "is an example of the documentation: no certificate of yours has it"
    } else if distinct.len() <= FEW || counts_on {
        "looks like a placeholder: its bytes follow a pattern, unlike those of a hash"
    } else {
        return None;
    };
    Some(
        Problem::warning(place, "application.credential.thumbprint", what)
            .help("write the one that `mtls-edge inspect CERT` prints for the application's certificate"),
    )
}

/// The most doubts of one kind that are shown: a registry may have been generated whole.
const MOST: usize = 10;

/// The first of many problems; the last of them says how many more there are.
pub(super) fn few(mut problems: Vec<Problem>) -> Vec<Problem> {
    let more = problems.len().saturating_sub(MOST);
    problems.truncate(MOST);
    if let Some(last) = problems.last_mut().filter(|_| more > 0) {
        last.what = format!("{} ({more} more of this kind are not shown)", last.what);
    }
    problems
}

/// A subject alternative name with a wildcard: it is compared as it is, and certificates of clients bear full names.
pub(super) fn wildcard(name: &SubjectAltName, key: &str, text: &Spanned<String>) -> Option<Problem> {
    let (shape, help) = match name {
        SubjectAltName::Dns(name) if name.contains('*') => (
            "a full DNS name",
            "register each certificate's own name, such as san_dns = \"payments.example.com\"",
        ),
        SubjectAltName::Email(name) if name.contains('*') => (
            "a full mailbox",
            "register each certificate's own mailbox, such as san_email = \"payments@example.com\"",
        ),
        SubjectAltName::Uri(name) if name.contains('*') => (
            "a full URI",
            "register each certificate's own URI, such as san_uri = \"spiffe://example.com/payments\"",
        ),
        _ => return None,
    };
    let what = format!(
        "found {:?}, expected {shape}: a * is not a wildcard here, so no certificate matches",
        text.value
    );
    let problem = Problem::error(&text.span, format!("application.credential.{key}"), what).help(help);
    // Of a URI it can be a part (RFC 3986 section 2.2).
    Some(match name {
        SubjectAltName::Uri(_) => Problem { severity: Severity::Warning, ..problem },
        _ => problem,
    })
}

/// That no client CA is there, where an application can authenticate by a chain to one and by nothing else.
pub(super) fn no_client_ca(registry: &Registry, place: &Span) -> Option<Problem> {
    let by_chain = |application: &&Arc<Application>| application.method.kind() == AuthMethod::PkiTls;
    let mut ids: Vec<&str> =
        registry.applications().filter(by_chain).map(|application| application.client_id.as_str()).collect();
    ids.sort_unstable();
    let first = ids.first()?;
    let more = match ids.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let what = format!(
        "names no client CA, but {first:?}{more} authenticates with tls_client_auth: each of its requests would be refused"
    );
    Some(
        Problem::error(place, "trust.client_ca", what)
            .help("write client_ca = [\"certs/client-ca.pem\"] with the CA that issues to your applications"),
    )
}
