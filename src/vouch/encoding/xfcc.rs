//! Envoy's `X-Forwarded-Client-Cert` (Envoy documentation, "HTTP header manipulation", section
//! x-forwarded-client-cert), as Envoy writes it with `SANITIZE_SET` and every detail switched on.

use super::{super::evidence::Certificate, dn, facts, join, pem};

/// One element: `Hash=..;Cert="..";Chain="..";Subject="..";URI=..;DNS=..`.
///
/// No value holds a `;`, and what a client can choose comes after the certificates: a reader that splits
/// at every `;` finds the true fields, and finds them first. One `URI` and one `DNS` field a name, as Envoy
/// writes them; a name that is not safe to print is left out, and is still in `Cert`.
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

/// A SAN URI as a field's value.
///
/// One that holds a byte that no URI may hold (RFC 3986 section 2: quotes, backslashes, blanks, controls,
/// anything outside ASCII) is left out, rather than turned into one that another certificate
/// could hold rightly. One that holds `,` `;` or `=` is quoted, as Envoy's grammar asks; in it `,` and `;`
/// are percent-encoded besides, for readers that split there without minding the quotes.
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

/// Unreserved, reserved or `%` (RFC 3986 section 2).
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// Letters, digits, hyphens and dots (RFC 5280 section 4.2.1.6), and what certificates hold besides: a
/// wildcard, an underscore.
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
