//! GeneralName (RFC 5280 section 4.2.1.6), as in subjectAltName, nameConstraints and distribution points.

use crate::identity::der::{Der, constructed, context};

/// The kinds of GeneralName.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// otherName.
    OtherName,
    /// rfc822Name; also the emailAddress attribute of a subject.
    Rfc822Name,
    /// dNSName.
    DnsName,
    /// x400Address.
    X400Address,
    /// directoryName; also a subject.
    DirectoryName,
    /// ediPartyName.
    EdiPartyName,
    /// uniformResourceIdentifier.
    Uri,
    /// iPAddress.
    IpAddress,
    /// registeredID.
    RegisteredId,
}

impl NameKind {
    /// Its name in RFC 5280.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OtherName => "otherName",
            Self::Rfc822Name => "rfc822Name",
            Self::DnsName => "dNSName",
            Self::X400Address => "x400Address",
            Self::DirectoryName => "directoryName",
            Self::EdiPartyName => "ediPartyName",
            Self::Uri => "uniformResourceIdentifier",
            Self::IpAddress => "iPAddress",
            Self::RegisteredId => "registeredID",
        }
    }
}

/// A GeneralName: its kind, and its encoded content (for a directoryName the `Name` with its SEQUENCE).
#[derive(Clone, Copy, Debug)]
pub(crate) struct GeneralName<'a> {
    pub(crate) kind: NameKind,
    pub(crate) content: &'a [u8],
}

impl<'a> GeneralName<'a> {
    /// Parses the next name.
    pub(crate) fn take(der: &mut Der<'a>) -> Option<Self> {
        let element = der.element()?;
        let kind = match element.tag {
            tag if tag == constructed(0) => NameKind::OtherName,
            tag if tag == context(1) => NameKind::Rfc822Name,
            tag if tag == context(2) => NameKind::DnsName,
            tag if tag == constructed(3) => NameKind::X400Address,
            tag if tag == constructed(4) => NameKind::DirectoryName,
            tag if tag == constructed(5) => NameKind::EdiPartyName,
            tag if tag == context(6) => NameKind::Uri,
            tag if tag == context(7) => NameKind::IpAddress,
            tag if tag == context(8) => NameKind::RegisteredId,
            _ => return None,
        };
        Some(Self { kind, content: element.content })
    }

    /// Parses all names in the content of a SEQUENCE. Ends with `None` at a malformed one.
    pub(crate) fn all(content: &'a [u8]) -> impl Iterator<Item = Option<Self>> {
        let mut der = Der::new(content);
        std::iter::from_fn(move || {
            if der.is_empty() {
                return None;
            }
            let name = Self::take(&mut der);
            if name.is_none() {
                der = Der::new(&[]);
            }
            Some(name)
        })
    }
}
