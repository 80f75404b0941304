//! Encodings of certificates: PEM, base64, structured fields.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----\n";
const END: &str = "-----END CERTIFICATE-----\n";

/// The number of base64 characters per line of PEM (RFC 7468 section 2).
const COLUMNS: usize = 64;

/// All characters except the unreserved ones of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `RESERVED` without the three characters that AWS does not encode.
const RESERVED_AWS: &AsciiSet = &RESERVED.remove(b'+').remove(b'=').remove(b'/');

/// PEM as OpenSSL writes it: lines of 64 characters, a newline at the end.
fn pem(der: &[u8]) -> String {
    let base64 = der_base64(der);
    let mut pem = String::with_capacity(BEGIN.len() + base64.len() + base64.len() / COLUMNS + 1 + END.len());
    pem.push_str(BEGIN);
    let mut rest = base64.as_str();
    while let Some((line, more)) = rest.split_at_checked(COLUMNS) {
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    if !rest.is_empty() {
        pem.push_str(rest);
        pem.push('\n');
    }
    pem.push_str(END);
    pem
}

pub(super) fn pem_url(der: &[u8]) -> String {
    utf8_percent_encode(&pem(der), RESERVED).to_string()
}

pub(super) fn pem_url_aws(der: &[u8]) -> String {
    utf8_percent_encode(&pem(der), RESERVED_AWS).to_string()
}

/// PEM with spaces instead of newlines, and none at the end, which recipients would trim (RFC 9110 section 5.5).
pub(in crate::vouch) fn pem_spaces(der: &[u8]) -> String {
    pem(der).trim_end().replace('\n', " ")
}

pub(in crate::vouch) fn der_base64(der: &[u8]) -> String {
    STANDARD.encode(der)
}

pub(super) fn der_base64_url(der: &[u8]) -> String {
    utf8_percent_encode(&der_base64(der), RESERVED).to_string()
}

pub(super) fn der_sf(der: &[u8]) -> String {
    format!(":{}:", der_base64(der))
}
