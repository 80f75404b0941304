//! How one fact is written into one header value. Profiles, built in or custom, are made of these parts.

mod certificate;
mod dn;
mod facts;
mod xfcc;

use std::str::FromStr;

use http::HeaderValue;

use super::evidence::{Evidence, Verdict};
pub(super) use certificate::{der_base64, pem_spaces};

/// An encoding of one fact. Its names, as a custom profile writes them, are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `pem-url`: the leaf's PEM as OpenSSL writes it, every octet but the unreserved ones of RFC 3986
    /// section 2.3 as `%XX`. This is JavaScript's `encodeURIComponent` and nginx's
    /// `$ssl_client_escaped_cert`: on the alphabet of PEM all three agree.
    PemUrl,
    /// `pem-url-aws`: the same, but `+`, `=` and `/` stay as they are (AWS, "Mutual authentication with TLS
    /// in Application Load Balancer").
    PemUrlAws,
    /// `pem-spaces`: the leaf's PEM with spaces for newlines, as Apache's `mod_headers` writes `SSL_CLIENT_CERT`.
    PemSpaces,
    /// `der-base64`: base64 of the leaf's DER, one line (HAProxy's `ssl_c_der,base64`).
    DerBase64,
    /// `der-sf`: the leaf's DER as a byte sequence of structured fields (RFC 9440 section 2.1, RFC 8941
    /// section 3.3.5).
    DerSf,
    /// `chain-sf`: the rest of the chain, without the leaf, as a list of byte sequences (RFC 9440 section 2.3).
    ChainSf,
    /// `chain-der-base64`: base64 of the concatenated DER of the rest of the chain, without the leaf
    /// (HAProxy's `ssl_c_chain_der,base64`).
    ChainDerBase64,
    /// `chain-pem-url`: the PEMs of the whole chain, leaf first, one after the other, as `pem-url`.
    ChainPemUrl,
    /// `chain-pem-url-aws`: the same, as `pem-url-aws` (AWS ALB in pass-through mode).
    ChainPemUrlAws,
    /// `chain-certs`: base64 of each certificate's DER, leaf first, comma separated (Traefik 3,
    /// `passTLSClientCert.pem`).
    ChainCerts,
    /// `chain-certs-escaped`: the same with each certificate percent-encoded and the commas raw (Traefik 2).
    ChainCertsEscaped,
    /// `subject-dn`: the leaf's subject, RFC 2253.
    SubjectDn,
    /// `issuer-dn`: the leaf's issuer, RFC 2253.
    IssuerDn,
    /// `serial-hex`: the serial number, upper-case hexadecimal, two digits an octet, no sign octet.
    SerialHex,
    /// `validity`: `NotBefore=2023-09-21T01:50:17Z;NotAfter=2024-09-20T01:50:17Z`.
    Validity,
    /// `thumbprint-hex`: SHA-256 of the leaf's DER, lower-case hexadecimal.
    ThumbprintHex,
    /// `thumbprint-base64url`: the same as `x5t#S256` has it (RFC 8705 section 3.1), without padding.
    ThumbprintBase64url,
    /// `verdict`: `SUCCESS`, or `FAILED:` and the reason (nginx's `$ssl_client_verify`).
    Verdict,
    /// `xfcc`: one element of Envoy's `X-Forwarded-Client-Cert`.
    Xfcc,
}

/// Every encoding with its name, in the order of the documentation.
const TABLE: [(&str, Encoding); 19] = [
    ("pem-url", Encoding::PemUrl),
    ("pem-url-aws", Encoding::PemUrlAws),
    ("pem-spaces", Encoding::PemSpaces),
    ("der-base64", Encoding::DerBase64),
    ("der-sf", Encoding::DerSf),
    ("chain-sf", Encoding::ChainSf),
    ("chain-der-base64", Encoding::ChainDerBase64),
    ("chain-pem-url", Encoding::ChainPemUrl),
    ("chain-pem-url-aws", Encoding::ChainPemUrlAws),
    ("chain-certs", Encoding::ChainCerts),
    ("chain-certs-escaped", Encoding::ChainCertsEscaped),
    ("subject-dn", Encoding::SubjectDn),
    ("issuer-dn", Encoding::IssuerDn),
    ("serial-hex", Encoding::SerialHex),
    ("validity", Encoding::Validity),
    ("thumbprint-hex", Encoding::ThumbprintHex),
    ("thumbprint-base64url", Encoding::ThumbprintBase64url),
    ("verdict", Encoding::Verdict),
    ("xfcc", Encoding::Xfcc),
];

impl Encoding {
    /// The names of all encodings, for messages and documentation.
    #[must_use]
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        TABLE.iter().map(|(name, _)| *name)
    }

    /// The value of a header in this encoding; absent where the fact is empty, so that the header is left out.
    pub(super) fn encode(self, evidence: &Evidence<'_>) -> Option<HeaderValue> {
        let text = match self {
            Self::PemUrl => certificate::pem_url(evidence.leaf),
            Self::PemUrlAws => certificate::pem_url_aws(evidence.leaf),
            Self::PemSpaces => pem_spaces(evidence.leaf),
            Self::DerBase64 => der_base64(evidence.leaf),
            Self::DerSf => certificate::der_sf(evidence.leaf),
            Self::ChainSf => join(evidence.intermediates.iter().map(|der| certificate::der_sf(der)), ", "),
            Self::ChainDerBase64 => der_base64(
                &evidence.intermediates.iter().flat_map(|der| der.iter().copied()).collect::<Vec<u8>>(),
            ),
            Self::ChainPemUrl => join(chain(evidence).map(certificate::pem_url), ""),
            Self::ChainPemUrlAws => join(chain(evidence).map(certificate::pem_url_aws), ""),
            Self::ChainCerts => join(chain(evidence).map(der_base64), ","),
            Self::ChainCertsEscaped => join(chain(evidence).map(certificate::der_base64_url), ","),
            Self::SubjectDn => dn::for_header(evidence.subject_rfc2253),
            Self::IssuerDn => dn::for_header(evidence.issuer_rfc2253),
            Self::SerialHex => facts::serial_hex(evidence.serial),
            Self::Validity => facts::validity(evidence.not_before, evidence.not_after),
            Self::ThumbprintHex => facts::thumbprint_hex(evidence.thumbprint),
            Self::ThumbprintBase64url => facts::thumbprint_base64url(evidence.thumbprint),
            Self::Verdict => return Some(verdict(evidence.verdict)),
            Self::Xfcc => xfcc::element(evidence),
        };
        if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = TABLE.iter().find(|(known, _)| *known == name);
        found.map(|(_, encoding)| *encoding).ok_or_else(|| UnknownEncoding(name.to_owned()))
    }
}

/// A custom profile names an encoding that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown encoding `{0}`; the encodings are {names}", names = join(Encoding::names().map(str::to_owned), ", "))]
pub struct UnknownEncoding(pub String);

/// The whole chain, leaf first.
fn chain<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = &'a [u8]> {
    std::iter::once(evidence.leaf).chain(evidence.intermediates.iter().map(AsRef::as_ref))
}

fn join(parts: impl Iterator<Item = String>, separator: &str) -> String {
    parts.collect::<Vec<_>>().join(separator)
}

/// The verdict never goes missing: a reason that a header cannot carry is dropped, the failure is not.
fn verdict(verdict: Verdict) -> HeaderValue {
    match verdict {
        Verdict::Verified => HeaderValue::from_static("SUCCESS"),
        Verdict::NotVerified("") => HeaderValue::from_static("FAILED"),
        Verdict::NotVerified(reason) => HeaderValue::try_from(format!("FAILED:{reason}"))
            .unwrap_or_else(|_| HeaderValue::from_static("FAILED")),
    }
}
