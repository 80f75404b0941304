//! Envoy's `X-Forwarded-Client-Cert` (Envoy documentation, "HTTP header manipulation", section
//! x-forwarded-client-cert), as Envoy writes it with `SANITIZE_SET` and all details enabled.

use super::{super::evidence::Certificate, dn, facts, join, pem};

/// An element: `Hash=..;Cert="..";Chain="..";Subject="..";URI=..;DNS=..`.
///
/// Values do not contain `;`, and those that a client can choose follow the certificates, so that a parser that splits at every
/// `;` finds the correct fields first. There is one `URI` or `DNS` field per name, like Envoy writes them. Names with unsafe
/// characters are omitted; they are still in `Cert`.
pub(super) fn element(certificate: &Certificate<'_>) -> String {
    let mut fields = vec![
        format!("Hash={}", facts::thumbprint_hex(certificate.thumbprint)),
        format!("Cert=\"{}\"", pem::pem_url(certificate.leaf)),
        format!("Chain=\"{}\"", join(certificate.chain().map(pem::pem_url), "")),
        format!("Subject=\"{}\"", dn::for_xfcc(certificate.subject_rfc2253)),
    ];
    fields.extend(certificate.san_uris.iter().filter_map(|name| uri(name)).map(|name| format!("URI={name}")));
    fields.extend(
        certificate.san_dns.iter().filter(|name| is_dns_name(name)).map(|name| format!("DNS={name}")),
    );
    fields.join(";")
}

/// A SAN URI as a field value; `None` if it contains a byte that is invalid in URIs (RFC 3986 section 2).
///
/// An invalid URI is not escaped, since the result could be the valid URI of another certificate. A URI with `,`, `;` or `=` is
/// quoted, as Envoy's grammar requires, and `,` and `;` in it are percent-encoded for parsers that split there in spite of
/// the quotes.
fn uri(name: &str) -> Option<String> {
    if name.is_empty() || !name.bytes().all(is_uri_byte) {
        return None;
    }
    if name.contains([',', ';', '=']) {
        Some(format!("\"{}\"", name.replace(',', "%2C").replace(';', "%3B")))
    } else {
        Some(name.to_owned())
    }
}

/// Whether a byte is unreserved, reserved or `%` (RFC 3986 section 2).
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// Whether a name consists of letters, digits, hyphens and dots (RFC 5280 section 4.2.1.6), or the wildcards and underscores
/// that certificates contain.
fn is_dns_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{is_dns_name, uri};

    #[test]
    fn a_uri_cannot_leave_its_field() {
        for (name, value) in [
            ("spiffe://a/b", Some("spiffe://a/b")),
            ("https://x/?a=b", Some("\"https://x/?a=b\"")),
            ("https://x/a,Hash=0;Chain=1", Some("\"https://x/a%2CHash=0%3BChain=1\"")),
            ("https://x\";Hash=0", None),
            ("https://x\\", None),
            ("https://x y", None),
            ("https://\u{e4}", None),
            ("https://x\r\nHost: y", None),
            ("", None),
        ] {
            assert_eq!(uri(name).as_deref(), value, "{name}");
        }
    }

    #[test]
    fn a_dns_name_cannot_leave_its_field() {
        for name in ["a.example", "*.example", "_x.example", "xn--a.example"] {
            assert!(is_dns_name(name));
        }
        for name in ["", "a,b", "a;b", "a=b", "a\"", "a b", "a\\", "\u{e4}.example"] {
            assert!(!is_dns_name(name));
        }
    }
}
