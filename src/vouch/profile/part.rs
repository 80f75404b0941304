//! The parts of a profile: constant specifications of built-in profiles, and the parts built from them.

use http::{HeaderName, HeaderValue};
use rustls_pki_types::CertificateDer;

use super::super::encoding::{CertificateEncoding, ClientEncoding, Encoding};

/// Encodes a certificate as a header value.
pub(in crate::vouch) type Encode = fn(&[u8]) -> String;

/// The constant specification of a built-in profile.
pub(in crate::vouch) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) parts: &'static [PartSpec],
}

/// A header of a built-in profile, or a numbered family of headers. Names are lower case.
pub(super) enum PartSpec {
    One { header: &'static str, encoding: Encoding, limit: Option<usize> },
    Numbered { prefix: &'static str, encode: Encode },
}

/// The maximum size of a header value that the upstream accepts.
#[derive(Clone, Copy)]
pub(in crate::vouch) struct Limit {
    pub(super) header: &'static str,
    pub(super) bytes: usize,
}

/// A header, or a numbered family of headers, ready to use.
pub(in crate::vouch) enum Part {
    /// One header with one fact.
    One { name: HeaderName, encoding: Encoding, limit: Option<Limit> },
    /// One header per intermediate, numbered from 0.
    Numbered { prefix: &'static str, encode: Encode },
}

/// A header with a fact about the certificate.
pub(super) const fn one(header: &'static str, encoding: CertificateEncoding) -> PartSpec {
    PartSpec::One { header, encoding: Encoding::Certificate(encoding), limit: None }
}

/// A header with a fact about the certificate and a maximum size.
pub(super) const fn at_most(limit: usize, header: &'static str, encoding: CertificateEncoding) -> PartSpec {
    PartSpec::One { header, encoding: Encoding::Certificate(encoding), limit: Some(limit) }
}

/// A header with a fact about every authenticated client.
pub(super) const fn client(header: &'static str, encoding: ClientEncoding) -> PartSpec {
    PartSpec::One { header, encoding: Encoding::Client(encoding), limit: None }
}

/// One header per intermediate.
pub(super) const fn each_intermediate(prefix: &'static str, encode: Encode) -> PartSpec {
    PartSpec::Numbered { prefix, encode }
}

impl PartSpec {
    pub(super) fn build(&self) -> Part {
        match *self {
            Self::One { header, encoding, limit } => Part::One {
                name: HeaderName::from_static(header),
                encoding,
                limit: limit.map(|bytes| Limit { header, bytes }),
            },
            Self::Numbered { prefix, encode } => Part::Numbered { prefix, encode },
        }
    }
}

/// The headers of a numbered family, in TLS order.
pub(super) fn numbered(
    prefix: &str,
    encode: Encode,
    intermediates: &[CertificateDer<'static>],
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    intermediates.iter().enumerate().filter_map(move |(index, der)| {
        let name = HeaderName::try_from(format!("{prefix}{index}")).ok()?;
        Some((name, HeaderValue::try_from(encode(der)).ok()?))
    })
}
