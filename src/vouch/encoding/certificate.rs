//! Encodings of facts about the client's certificate.

use http::HeaderValue;

use super::{super::evidence::Certificate, dn, facts, join, pem, xfcc};

/// An encoding of a fact about the client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateEncoding {
    /// `pem-url`: the leaf's PEM as OpenSSL writes it, percent-encoded except for the unreserved characters of RFC 3986 section
    /// 2.3. For PEM this equals JavaScript's `encodeURIComponent` and nginx's `$ssl_client_escaped_cert`.
    PemUrl,
    /// `pem-url-aws`: like `pem-url`, but `+`, `=` and `/` are not encoded (AWS, "Mutual authentication with TLS in Application
    /// Load Balancer").
    PemUrlAws,
    /// `pem-spaces`: the leaf's PEM with spaces for newlines, as Apache's `mod_headers` writes `SSL_CLIENT_CERT`.
    PemSpaces,
    /// `der-base64`: base64 of the leaf's DER in one line (HAProxy's `ssl_c_der,base64`).
    DerBase64,
    /// `der-sf`: the leaf's DER as a byte sequence of structured fields (RFC 9440 section 2.1, RFC 8941
    /// section 3.3.5).
    DerSf,
    /// `chain-sf`: the chain without the leaf, as a list of byte sequences (RFC 9440 section 2.3).
    ChainSf,
    /// `chain-der-base64`: base64 of the concatenated DER of the chain without the leaf (HAProxy's `ssl_c_chain_der,base64`).
    ChainDerBase64,
    /// `chain-pem-url`: the concatenated PEM of the whole chain, leaf first, encoded like `pem-url`.
    ChainPemUrl,
    /// `chain-pem-url-aws`: the concatenated PEM of the whole chain, leaf first, encoded like `pem-url-aws` (AWS ALB in pass-through
    /// mode).
    ChainPemUrlAws,
    /// `chain-certs`: base64 of each certificate's DER, leaf first, comma separated (Traefik 3,
    /// `passTLSClientCert.pem`).
    ChainCerts,
    /// `chain-certs-escaped`: like `chain-certs`, with each certificate percent-encoded, but not the commas (Traefik 2).
    ChainCertsEscaped,
    /// `subject-dn`: the leaf's subject (RFC 2253).
    SubjectDn,
    /// `issuer-dn`: the leaf's issuer (RFC 2253).
    IssuerDn,
    /// `serial-hex`: the serial number in upper-case hexadecimal, two digits per byte, without a leading sign byte.
    SerialHex,
    /// `validity`: `NotBefore=2023-09-21T01:50:17Z;NotAfter=2024-09-20T01:50:17Z`.
    Validity,
    /// `thumbprint-hex`: SHA-256 of the leaf's DER in lower-case hexadecimal.
    ThumbprintHex,
    /// `thumbprint-base64url`: SHA-256 of the leaf's DER in base64url without padding, like `x5t#S256` (RFC 8705 section 3.1).
    ThumbprintBase64url,
    /// `xfcc`: an element of Envoy's `X-Forwarded-Client-Cert`.
    Xfcc,
}

impl CertificateEncoding {
    /// The header value; `None` if the fact is empty.
    pub(super) fn encode(self, certificate: &Certificate<'_>) -> Option<HeaderValue> {
        let text = match self {
            Self::PemUrl => pem::pem_url(certificate.leaf),
            Self::PemUrlAws => pem::pem_url_aws(certificate.leaf),
            Self::PemSpaces => pem::pem_spaces(certificate.leaf),
            Self::DerBase64 => pem::der_base64(certificate.leaf),
            Self::DerSf => pem::der_sf(certificate.leaf),
            Self::ChainSf => join(certificate.intermediates.iter().map(|der| pem::der_sf(der)), ", "),
            Self::ChainDerBase64 => pem::der_base64(
                &certificate.intermediates.iter().flat_map(|der| der.iter().copied()).collect::<Vec<u8>>(),
            ),
            Self::ChainPemUrl => join(certificate.chain().map(pem::pem_url), ""),
            Self::ChainPemUrlAws => join(certificate.chain().map(pem::pem_url_aws), ""),
            Self::ChainCerts => join(certificate.chain().map(pem::der_base64), ","),
            Self::ChainCertsEscaped => join(certificate.chain().map(pem::der_base64_url), ","),
            Self::SubjectDn => dn::for_header(certificate.subject_rfc2253),
            Self::IssuerDn => dn::for_header(certificate.issuer_rfc2253),
            Self::SerialHex => facts::serial_hex(certificate.serial),
            Self::Validity => facts::validity(certificate.not_before, certificate.not_after),
            Self::ThumbprintHex => facts::thumbprint_hex(certificate.thumbprint),
            Self::ThumbprintBase64url => facts::thumbprint_base64url(certificate.thumbprint),
            Self::Xfcc => xfcc::element(certificate),
        };
        if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
    }
}
