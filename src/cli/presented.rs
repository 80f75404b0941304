//! What a file contains that a client may present or register: a certificate, a public key, or a signed token.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};

use super::config_path::is_standard_input;
use crate::{
    config::{Fault, file},
    identity::ClientCertificate,
    load::certificates_in,
    pem::{self, PublicKey},
    text::{encoding::strip_bom, suggest::shell_word},
};

/// Decodes for display also what the edge refuses.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The contents of a file.
pub(super) enum Presented {
    /// A JSON object, which may be a JWK or a JWK set.
    Json(Vec<u8>),
    /// A signed token.
    Token(Token),
    /// A public key: SubjectPublicKeyInfo in DER.
    PublicKey(Vec<u8>),
    /// A certificate, with the intermediates beside it.
    Certificate(Box<ClientCertificate>),
}

/// A compact JWS or JWE, with its members as far as they can be decoded.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) header: Option<Map<String, Value>>,
    pub(super) claims: Option<Map<String, Value>>,
    /// Whether it is judged as a request object (RFC 9101), or as a client assertion (RFC 7523).
    pub(super) is_request_object: bool,
}

/// Reads a file, which may be a pipe, as in `inspect <(openssl ...)`; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Presented, Fault> {
    let mut bytes = Vec::new();
    let read = if is_standard_input(path) {
        io::stdin().lock().take(file::LIMIT).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(file::LIMIT).read_to_end(&mut bytes))
    };
    read.map_err(|error| file::unreadable(path, &error))?;
    parse(path, &bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Presented, Fault> {
    let text = strip_bom(bytes).trim_ascii();
    if text.first() == Some(&b'{') {
        return Ok(Presented::Json(text.to_vec()));
    }
    if let Some(token) = std::str::from_utf8(text).ok().filter(|text| is_token(text)) {
        return Ok(Presented::Token(Token::decode(token)));
    }
    if has_private_key(bytes) {
        let file = path.display().to_string();
        let fault =
            file::fault(path, " contains a private key: only certificates, public keys and tokens are shown");
        return Err(fault.help(format!(
            "nothing of it was printed; for its public key run: openssl pkey -in {} -pubout",
            shell_word(&file)
        )));
    }
    if let Ok(PublicKey::Spki(der)) = pem::public_key(bytes) {
        return Ok(Presented::PublicKey(der));
    }
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        let fault = file::fault(path, " is a configuration, expected what a client presents or registers");
        return Err(fault.help(
            "give a certificate, a public key or a signed JWT; `mtls-edge check --config FILE` validates an edge.toml, and the applications.toml that it names",
        ));
    }
    let chain = certificates_in(path, bytes)?;
    let certificate = ClientCertificate::from_chain(&chain)
        .map_err(|error| file::fault(path, format_args!(" cannot be used: {error}")))?;
    Ok(Presented::Certificate(Box::new(certificate)))
}

/// Whether a text looks like a compact JWS or JWE: parts with dots between them, and nothing else.
fn is_token(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '.');
    matches!(text.matches('.').count(), 2 | 4) && text.chars().all(is_part)
}

/// Whether a PEM file has a section with a private key of any kind, even a damaged one.
fn has_private_key(bytes: &[u8]) -> bool {
    const LABEL: &[u8] = b"PRIVATE KEY-----";
    bytes.windows(LABEL.len()).any(|window| window == LABEL)
}

impl Token {
    fn decode(text: &str) -> Self {
        let mut parts = text.split('.');
        let (header, claims) = (parts.next().and_then(decoded), parts.next().and_then(decoded));
        let is_request_object = header.as_ref().is_some_and(|header| has_type(header, "oauth-authz-req+jwt"))
            || claims.as_ref().is_some_and(|claims| claims.contains_key("response_type"));
        Self { text: text.to_owned(), header, claims, is_request_object }
    }
}

fn decoded(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&LENIENT.decode(part).ok()?).ok()
}

fn has_type(header: &Map<String, Value>, media_type: &str) -> bool {
    let typ = header.get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ) == media_type
}
