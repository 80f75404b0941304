//! Encodings: each turns one fact into one header value. Built-in and custom profiles consist of them.

mod certificate;
mod client;
mod dn;
mod facts;
mod pem;
mod xfcc;

use std::str::FromStr;

use http::HeaderValue;

use super::evidence::Evidence;
pub use certificate::CertificateEncoding;
pub use client::ClientEncoding;
pub(super) use pem::{der_base64, pem_spaces};

/// An encoding of one fact. Its configuration names are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A fact about the client's certificate; the header is omitted for a client without one.
    Certificate(CertificateEncoding),
    /// A fact about every authenticated client.
    Client(ClientEncoding),
}

/// All encodings with their names, in the order of the documentation.
const TABLE: [(&str, Encoding); 19] = [
    ("pem-url", Encoding::Certificate(CertificateEncoding::PemUrl)),
    ("pem-url-aws", Encoding::Certificate(CertificateEncoding::PemUrlAws)),
    ("pem-spaces", Encoding::Certificate(CertificateEncoding::PemSpaces)),
    ("der-base64", Encoding::Certificate(CertificateEncoding::DerBase64)),
    ("der-sf", Encoding::Certificate(CertificateEncoding::DerSf)),
    ("chain-sf", Encoding::Certificate(CertificateEncoding::ChainSf)),
    ("chain-der-base64", Encoding::Certificate(CertificateEncoding::ChainDerBase64)),
    ("chain-pem-url", Encoding::Certificate(CertificateEncoding::ChainPemUrl)),
    ("chain-pem-url-aws", Encoding::Certificate(CertificateEncoding::ChainPemUrlAws)),
    ("chain-certs", Encoding::Certificate(CertificateEncoding::ChainCerts)),
    ("chain-certs-escaped", Encoding::Certificate(CertificateEncoding::ChainCertsEscaped)),
    ("subject-dn", Encoding::Certificate(CertificateEncoding::SubjectDn)),
    ("issuer-dn", Encoding::Certificate(CertificateEncoding::IssuerDn)),
    ("serial-hex", Encoding::Certificate(CertificateEncoding::SerialHex)),
    ("validity", Encoding::Certificate(CertificateEncoding::Validity)),
    ("thumbprint-hex", Encoding::Certificate(CertificateEncoding::ThumbprintHex)),
    ("thumbprint-base64url", Encoding::Certificate(CertificateEncoding::ThumbprintBase64url)),
    ("verdict", Encoding::Client(ClientEncoding::Verdict)),
    ("xfcc", Encoding::Certificate(CertificateEncoding::Xfcc)),
];

impl Encoding {
    /// The names of all encodings, for messages and documentation.
    #[must_use]
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        TABLE.iter().map(|(name, _)| *name)
    }

    /// The header value; `None` if the fact is absent or empty, so that the header is omitted.
    pub(super) fn encode(self, evidence: &Evidence<'_>) -> Option<HeaderValue> {
        match self {
            Self::Certificate(encoding) => encoding.encode(evidence.certificate.as_ref()?),
            Self::Client(encoding) => Some(encoding.encode(&evidence.client)),
        }
    }
}

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = TABLE.iter().find(|(known, _)| *known == name);
        found.map(|(_, encoding)| *encoding).ok_or_else(|| UnknownEncoding(name.to_owned()))
    }
}

/// A custom profile names an unknown encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown encoding `{0}`; the encodings are {names}", names = join(Encoding::names().map(str::to_owned), ", "))]
pub struct UnknownEncoding(pub String);

fn join(parts: impl Iterator<Item = String>, separator: &str) -> String {
    parts.collect::<Vec<_>>().join(separator)
}
