//! A profile: which headers one kind of upstream reads, and in which encodings.

mod apache;
mod auth0;
mod aws_alb;
mod aws_alb_passthrough;
mod envoy_xfcc;
mod haproxy;
mod haproxy_chain;
mod nginx;
mod part;
mod rfc9440;
mod traefik;
mod traefik_escaped;

use std::{fmt, sync::Arc};

use http::{HeaderName, HeaderValue};

use super::{encoding::Encoding, evidence::Evidence};
use crate::header::{fold::fold, owned::owner};
pub(super) use part::{BuiltIn, Part};
use part::{Limit, PartSpec};

/// The built-in profiles. Their names are a contract.
const BUILT_IN: [BuiltIn; 11] = [
    auth0::PROFILE,
    rfc9440::PROFILE,
    envoy_xfcc::PROFILE,
    nginx::PROFILE,
    haproxy::PROFILE,
    haproxy_chain::PROFILE,
    apache::PROFILE,
    traefik::PROFILE,
    traefik_escaped::PROFILE,
    aws_alb::PROFILE,
    aws_alb_passthrough::PROFILE,
];

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, within the bounds of both arrays")]
const BUILT_IN_NAMES: [&str; BUILT_IN.len()] = {
    let mut names = [""; BUILT_IN.len()];
    let mut index = 0;
    while index < BUILT_IN.len() {
        names[index] = BUILT_IN[index].name;
        index += 1;
    }
    names
};

/// The headers that vouch for a client, in names and encodings that one kind of upstream reads.
///
/// Built once a snapshot; cheap to clone. The names of a custom profile may be secrets (Connect2id asks for
/// a long random one), so `Debug` leaves them out.
#[derive(Clone)]
pub struct Profile(Arc<Inner>);

struct Inner {
    name: Box<str>,
    parts: Vec<Part>,
}

/// A name, or a family of names, that a profile can send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ReservedName<'a> {
    /// One header.
    Exact(&'a HeaderName),
    /// The headers that begin so and end in a number, such as `ssl_client_chain_0`.
    Numbered(&'a str),
}

/// A certificate does not fit the header that its profile sends it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate takes {bytes} bytes in its header, where the upstream accepts {limit}")]
pub struct TooLarge {
    /// Bytes of the header's value.
    pub bytes: usize,
    /// The most that the upstream accepts.
    pub limit: usize,
}

/// What a certificate comes to under a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of all values together, names not counted.
    pub bytes: usize,
    /// The header that the upstream bounds, if there is one.
    pub limited: Option<Limited>,
}

/// A header that the upstream bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The header's name. Only headers of built-in profiles are bounded, so it is no secret.
    pub header: &'static str,
    /// Bytes of its value.
    pub bytes: usize,
    /// The most that the upstream accepts.
    pub limit: usize,
}

/// Why a custom profile is invalid. Headers are identified by their position in the list, from 0: a name may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProfile {
    /// It bears the name of a built-in profile.
    #[error("a built-in header profile already has this name")]
    NameTaken,
    /// It sends nothing, so that no upstream could tell one client from another.
    #[error("a header profile needs at least one header")]
    Empty,
    /// Two of its names are one name to upstreams that fold case and punctuation.
    #[error("headers {} and {} have the same name to upstreams that fold case and punctuation", .first + 1, .second + 1)]
    Repeated {
        /// The earlier of the two.
        first: usize,
        /// The later of the two.
        second: usize,
    },
    /// One of its names belongs to HTTP or to the edge.
    #[error("header {} has a name that HTTP or the edge itself uses, and cannot carry a certificate", .index + 1)]
    Unusable {
        /// Which one.
        index: usize,
    },
}

impl Profile {
    /// The profile of a domain that names none.
    pub const DEFAULT: &str = auth0::PROFILE.name;

    /// The built-in profile of this name.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        BUILT_IN.iter().find(|built_in| built_in.name == name).map(Self::from_built_in)
    }

    /// The names of the built-in profiles, in the order of the documentation.
    #[must_use]
    pub const fn built_in_names() -> &'static [&'static str] {
        &BUILT_IN_NAMES
    }

    pub(super) fn all_built_in() -> impl Iterator<Item = Self> {
        BUILT_IN.iter().map(Self::from_built_in)
    }

    fn from_built_in(built_in: &BuiltIn) -> Self {
        let parts = built_in.parts.iter().map(PartSpec::build).collect();
        Self(Arc::new(Inner { name: built_in.name.into(), parts }))
    }

    /// A profile of the operator's own.
    pub fn custom(name: &str, headers: Vec<(HeaderName, Encoding)>) -> Result<Self, InvalidProfile> {
        if BUILT_IN_NAMES.contains(&name) {
            return Err(InvalidProfile::NameTaken);
        }
        if headers.is_empty() {
            return Err(InvalidProfile::Empty);
        }
        let mut seen: Vec<Box<[u8]>> = Vec::with_capacity(headers.len());
        for (index, (header, _)) in headers.iter().enumerate() {
            let folded = fold(header.as_str());
            // A vouching header of such a name would break the request.
            if owner(header.as_str()).is_some() {
                return Err(InvalidProfile::Unusable { index });
            }
            if let Some(first) = seen.iter().position(|earlier| *earlier == folded) {
                return Err(InvalidProfile::Repeated { first, second: index });
            }
            seen.push(folded);
        }
        let parts =
            headers.into_iter().map(|(name, encoding)| Part::One { name, encoding, limit: None }).collect();
        Ok(Self(Arc::new(Inner { name: name.into(), parts })))
    }

    /// The name that a domain's `header_profile` refers to.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether both are clones of one profile.
    #[must_use]
    pub fn is_identical(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it is of the same name, and sends the same in the same headers.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let parts = |of: &'_ Self| -> Vec<(String, Option<Encoding>)> {
            let written = of.0.parts.iter().map(|part| match part {
                Part::One { name, encoding, .. } => (name.to_string(), Some(*encoding)),
                Part::Numbered { prefix, .. } => ((*prefix).to_owned(), None),
            });
            written.collect()
        };
        self.0.name == other.0.name && parts(self) == parts(other)
    }

    /// The headers that vouch for a client. Everything is encoded here, once: callers keep the result for as
    /// long as the connection's verdict stands, and clone it for each request.
    ///
    /// A header whose value would be empty (no chain was presented) is left out. Fails where the upstream
    /// bounds a header and the certificate does not fit it.
    pub fn headers(&self, evidence: &Evidence<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, TooLarge> {
        let mut headers = Vec::with_capacity(self.0.parts.len());
        for part in &self.0.parts {
            match part {
                Part::One { name, encoding, limit } => {
                    let Some(value) = encoding.encode(evidence) else { continue };
                    if let Some(Limit { bytes: limit, .. }) = *limit
                        && value.len() > limit
                    {
                        return Err(TooLarge { bytes: value.len(), limit });
                    }
                    headers.push((name.clone(), value));
                }
                Part::Numbered { prefix, encode } => {
                    headers.extend(part::numbered(prefix, *encode, evidence.intermediates()));
                }
            }
        }
        Ok(headers)
    }

    /// Every name that this profile can send: what a client must not be able to set.
    pub fn reserved(&self) -> impl Iterator<Item = ReservedName<'_>> {
        self.0.parts.iter().map(|part| match part {
            Part::One { name, .. } => ReservedName::Exact(name),
            Part::Numbered { prefix, .. } => ReservedName::Numbered(prefix),
        })
    }

    /// How large a certificate comes out, for `inspect`; never fails, so that what does not fit can be shown.
    #[must_use]
    pub fn sizes(&self, evidence: &Evidence<'_>) -> Sizes {
        let mut sizes = Sizes { bytes: 0, limited: None };
        for part in &self.0.parts {
            match part {
                Part::One { encoding, limit, .. } => {
                    let bytes = encoding.encode(evidence).map_or(0, |value| value.len());
                    sizes.bytes += bytes;
                    if let Some(Limit { header, bytes: limit }) = *limit {
                        sizes.limited = Some(Limited { header, bytes, limit });
                    }
                }
                Part::Numbered { prefix, encode } => {
                    sizes.bytes += part::numbered(prefix, *encode, evidence.intermediates())
                        .map(|(_, value)| value.len())
                        .sum::<usize>();
                }
            }
        }
        sizes
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Profile")
            .field("name", &self.0.name)
            .field("headers", &self.0.parts.len())
            .finish()
    }
}
