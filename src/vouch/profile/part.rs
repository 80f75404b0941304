//! What profiles are made of: as written in the table of built-in ones, and as built.

use http::{HeaderName, HeaderValue};
use rustls_pki_types::CertificateDer;

use super::super::encoding::{CertificateEncoding, ClientEncoding, Encoding};

/// One certificate as the text of a header.
pub(in crate::vouch) type Encode = fn(&[u8]) -> String;

/// A built-in profile, as its file writes it.
pub(in crate::vouch) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) parts: &'static [PartSpec],
}

/// One header of a built-in profile, or a numbered family of them. Names are in lower case.
pub(super) enum PartSpec {
    One { header: &'static str, encoding: Encoding, limit: Option<usize> },
    Numbered { prefix: &'static str, encode: Encode },
}

/// The most that the upstream accepts of one header.
#[derive(Clone, Copy)]
pub(in crate::vouch) struct Limit {
    pub(super) header: &'static str,
    pub(super) bytes: usize,
}

/// One header, or a numbered family of them, ready to use.
pub(in crate::vouch) enum Part {
    /// One fact in one header.
    One { name: HeaderName, encoding: Encoding, limit: Option<Limit> },
    /// One header an intermediate, numbered from 0.
    Numbered { prefix: &'static str, encode: Encode },
}

/// A header that carries a fact of the certificate.
pub(super) const fn one(header: &'static str, encoding: CertificateEncoding) -> PartSpec {
    PartSpec::One { header, encoding: Encoding::Certificate(encoding), limit: None }
}

/// A header that carries a fact of the certificate, which the upstream bounds.
pub(super) const fn at_most(limit: usize, header: &'static str, encoding: CertificateEncoding) -> PartSpec {
    PartSpec::One { header, encoding: Encoding::Certificate(encoding), limit: Some(limit) }
}

/// A header that carries a fact which every authenticated client has.
pub(super) const fn client(header: &'static str, encoding: ClientEncoding) -> PartSpec {
    PartSpec::One { header, encoding: Encoding::Client(encoding), limit: None }
}

/// One header an intermediate.
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
