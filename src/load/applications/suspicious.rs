//! Reports registrations that probably match no certificate: placeholder thumbprints, wildcards, a missing client CA.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    config::{Problem, Severity, Span, Spanned},
    identity::{SubjectAltName, Thumbprint},
    trust::{Application, AuthMethod, Binding, CertificateCredentials, Registry},
};

/// Example thumbprints in this project's documentation, and from RFC 8705 section 3.
const DOCUMENTED_EXAMPLES: [&str; 5] = [
    "3b1f0ac45d7e926680b711fe294cd8039ae571364fc208bd67f31e55a9902cd4",
    "47c876ed3f8e64be5534b77be5d8f9a5d29c6eb50012df66a3a6b0d54698020d",
    "1acbecef127490a7f21b2370024871ee10d05ba58919f3f025fa128299b8c0e2",
    "6f070ad1eb1cdc0082dc3076639fe5112b1713ca3d96d734e4ef3d8dd37e760d",
    "0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd",
];

/// SHA-256 of empty input and of an empty line, which a pipe prints if the command before it failed.
const HASHES_OF_EMPTY_INPUT: [&str; 2] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b",
];

/// A hash of 32 bytes has about 30 distinct ones. At most this many occur once in 10^13 hashes.
const FEW_DISTINCT_BYTES: usize = 16;

/// Warns about a thumbprint that is not the hash of a certificate.
pub(super) fn check_thumbprint(thumbprint: &Thumbprint, key: &str, place: &Span) -> Option<Problem> {
    let bytes = thumbprint.as_bytes();
    let distinct: HashSet<u8> = bytes.iter().copied().collect();
    let mut steps: HashMap<u8, usize> = HashMap::new();
    for (one, next) in bytes.iter().zip(bytes.iter().skip(1)) {
        *steps.entry(next.wrapping_sub(*one)).or_default() += 1;
    }
    // Such as 1a2b3c4d..., possibly with a few breaks.
    let is_sequence = steps.values().any(|count| *count > bytes.len() / 2);
    let hex = thumbprint.to_string();
    let what = if HASHES_OF_EMPTY_INPUT.contains(&hex.as_str()) {
        "is the SHA-256 of empty input: the command that should have printed the certificate failed"
    } else if DOCUMENTED_EXAMPLES.contains(&hex.as_str()) {
        "is an example from the documentation, not the thumbprint of your certificate"
    } else if distinct.len() <= FEW_DISTINCT_BYTES || is_sequence {
        "looks like a placeholder: its bytes follow a pattern, unlike those of a hash"
    } else {
        return None;
    };
    Some(
        Problem::warning(place, key, what).help(
            "write the thumbprint that `mtls-edge inspect CERT` prints for the application's certificate",
        ),
    )
}

/// The maximum number of warnings of one kind that are shown, since a registry may be generated.
const MAX_SHOWN: usize = 10;

/// Keeps the first problems; the last one states how many more there are.
pub(super) fn truncate(mut problems: Vec<Problem>) -> Vec<Problem> {
    let more = problems.len().saturating_sub(MAX_SHOWN);
    problems.truncate(MAX_SHOWN);
    if let Some(last) = problems.last_mut().filter(|_| more > 0) {
        last.what = format!("{} ({more} more of this kind are not shown)", last.what);
    }
    problems
}

/// Reports a subject alternative name that contains a wildcard. Names are compared literally, so it matches no certificate.
pub(super) fn check_wildcard(name: &SubjectAltName, key: &str, text: &Spanned<String>) -> Option<Problem> {
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
    let problem = Problem::error(&text.span, key, what).help(help);
    // A URI may contain a literal `*` (RFC 3986 section 2.2).
    Some(match name {
        SubjectAltName::Uri(_) => Problem { severity: Severity::Warning, ..problem },
        _ => problem,
    })
}

/// Reports that no client CA is configured although an application authenticates with `tls_client_auth`.
pub(super) fn check_client_ca_exists(registry: &Registry, place: &Span) -> Option<Problem> {
    let by_pki = |application: &&Arc<Application>| {
        let is_bound = match &application.binding {
            Binding::Registered(certificates) => {
                matches!(**certificates, CertificateCredentials::Subjects(_))
            }
            Binding::None | Binding::AnyCertificate => false,
        };
        is_bound || application.method.kind() == AuthMethod::PkiTls
    };
    let mut ids: Vec<&str> =
        registry.applications().filter(by_pki).map(|application| application.client_id.as_str()).collect();
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
