//! Which of its issuer's certificates a CRL covers (RFC 5280 section 5.2.5).

use crate::identity::{
    der::{self, Der, constructed, context},
    x509::general_name::{GeneralName, NameKind},
};

/// The scope of a partitioned CRL: a distribution point, optionally only end-entity or only CA certificates.
#[derive(Debug)]
pub(crate) struct Scope {
    /// The URIs of its distribution point.
    uris: Vec<Box<[u8]>>,
    only_users: bool,
    only_cas: bool,
}

impl Scope {
    /// Parses an issuingDistributionPoint; `None` if it is malformed or unsupported.
    pub(super) fn from_der(value: &[u8]) -> Option<Self> {
        let mut der = Der::new(der::only(value, der::SEQUENCE)?);
        let uris = full_name(der.optional(constructed(0))??)?;
        let mut flag = |number| match der.optional(context(number))? {
            None | Some([0]) => Some(false),
            Some([0xff]) => Some(true),
            Some(_) => None,
        };
        let (only_users, only_cas) = (flag(1)?, flag(2)?);
        let (indirect, attributes) = (flag(4)?, flag(5)?);
        der.end()?;
        (!indirect && !attributes).then_some(Self { uris, only_users, only_cas })
    }

    /// Whether it covers a certificate with these cRLDistributionPoints (the content of the SEQUENCE).
    pub(crate) fn covers(&self, is_ca: bool, points: Option<&[u8]>) -> bool {
        if if is_ca { self.only_users } else { self.only_cas } {
            return false;
        }
        // A certificate without distribution points is covered by every CRL of its CA for its kind.
        let Some(points) = points else { return true };
        let mut points = Der::new(points);
        while !points.is_empty() {
            let Some(point) = points.take(der::SEQUENCE) else { return false };
            if uris_of_point(point).is_some_and(|uris| uris.iter().any(|uri| self.uris.contains(uri))) {
                return true;
            }
        }
        false
    }
}

/// The URIs of a distribution point without reasons and cRLIssuer.
fn uris_of_point(content: &[u8]) -> Option<Vec<Box<[u8]>>> {
    let mut der = Der::new(content);
    let name = der.optional(constructed(0))??;
    der.end()?;
    full_name(name)
}

/// The URIs of a DistributionPointName with a fullName.
fn full_name(content: &[u8]) -> Option<Vec<Box<[u8]>>> {
    let names = der::only(content, constructed(0))?;
    let mut uris = Vec::new();
    for name in GeneralName::all(names) {
        let GeneralName { kind, content } = name?;
        if kind == NameKind::Uri {
            uris.push(content.into());
        }
    }
    Some(uris)
}
