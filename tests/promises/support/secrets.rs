//! An edge with secrets, and the search for them in what it writes.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Ca, Credentials, DOMAIN, Edge, EdgeBuilder, self_signed};

/// The secret values. None equals a text that may be written.
pub const FROM_FILE: &str = "zQ7cnameApiKey4t9";
pub const FROM_ENVIRONMENT: &str = "zQ7upstreamToken2m";
pub const CLIENT_SECRET: &str = "zQ7clientSecret8k";
pub const BASIC: &str = "zQ7basicPassword5w";
pub const BEARER: &str = "zQ7bearerToken3n";
pub const COOKIE: &str = "zQ7sessionCookie6j";
pub const QUERY: &str = "zQ7queryPassword1h";
pub const USERINFO: &str = "zQ7hostPassword9f";
pub const RESPONSE: &str = "zQ7accessToken7d";
pub const HEADER_NAME: &str = "zq7-secret-header-name-0b";
const SECRETS: [&str; 10] = [
    FROM_FILE,
    FROM_ENVIRONMENT,
    CLIENT_SECRET,
    BASIC,
    BEARER,
    COOKIE,
    QUERY,
    USERINFO,
    RESPONSE,
    HEADER_NAME,
];

/// Fails if the text contains a secret, plain or encoded.
pub fn clean(text: &str, what: &str) {
    let lower = text.to_ascii_lowercase();
    for secret in SECRETS {
        let mut spellings = vec![secret.to_ascii_lowercase()];
        let bytes = secret.as_bytes();
        let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let decimal: Vec<String> = bytes.iter().map(u8::to_string).collect();
        spellings.extend([hex.concat(), hex.join(":"), decimal.join(", ")]);
        // Base64 of any text that contains it: three alignments, without the bytes at either end.
        for start in 0..3 {
            let aligned = &bytes[start..start + (bytes.len() - start) / 3 * 3];
            spellings.push(STANDARD.encode(aligned).to_ascii_lowercase());
        }
        for spelling in spellings {
            assert!(!lower.contains(&spelling), "{what} holds {secret} as {spelling}:\n{text}");
        }
    }
    assert!(!lower.contains("zq7"), "{what} holds a part of a secret:\n{text}");
}

const SETTINGS: &str = r#"
header_profile = "corp"
client_auth = "optional"
[[domain.route]]
path = "/oauth/token"
methods = ["GET", "POST"]
[[domain.route]]
path = "/any/*"
methods = ["GET", "POST"]
authenticate = "certificate"
[[domain.route]]
path = "/open/*"
methods = ["GET", "POST"]
authenticate = "none"
"#;

/// Lines of `[[upstream]]` with secrets by reference.
pub const HEADERS: &str = "headers = { cname-api-key = { file = \"secrets/key\" }, x-upstream-token = { env = \"UPSTREAM_TOKEN\" } }";

/// An edge whose configuration has every kind of secret, and the credentials of its one application, "billing".
pub fn edge_with_secrets(url: impl std::fmt::Display, upstream: &str, ca: &Ca) -> (Edge, Credentials) {
    let credentials = self_signed("billing");
    let profile = format!(
        "[[header_profile]]\nname = \"corp\"\nheaders = {{ {HEADER_NAME} = \"pem-url\", x-client-verified = \"verdict\" }}"
    );
    let edge = EdgeBuilder::new(url)
        .upstream(&format!("{HEADERS}\n{upstream}"))
        .limits("body_timeout = \"300ms\"\nheaders = 24\nclient_id_body_bytes = 1024\nbody_bytes = 1024\nhandshake_timeout = \"10s\"")
        .file("secrets/key", format!("{FROM_FILE}\n"))
        .file("upstream-ca.pem", ca.pem())
        .environment("UPSTREAM_TOKEN", FROM_ENVIRONMENT)
        .environment("RUST_LOG", "trace")
        .environment("RUST_BACKTRACE", "1")
        .extra(&profile)
        .domain(DOMAIN, SETTINGS)
        .self_signed_application("billing", &[credentials.thumbprint()])
        .start();
    (edge, credentials)
}
