//! Header profiles: the headers that one kind of upstream reads, and their encodings.

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

/// The vouching headers that one kind of upstream reads, and their encodings.
///
/// Built once per snapshot; cheap to clone. `Debug` omits the header names, since those of a custom profile may be secret
/// (Connect2id requires a long random one).
#[derive(Clone)]
pub struct Profile(Arc<Inner>);

struct Inner {
    name: Box<str>,
    parts: Vec<Part>,
}

/// A header name, or a family of names, that a profile can send.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ReservedName<'a> {
    /// A header name.
    Exact(&'a HeaderName),
    /// A prefix that a number follows, as in `ssl_client_chain_0`.
    Numbered(&'a str),
}

/// A certificate exceeds the maximum header size of its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate takes {bytes} bytes in its header, where the upstream accepts {limit}")]
pub struct TooLarge {
    /// The size of the header value in bytes.
    pub bytes: usize,
    /// The maximum that the upstream accepts, in bytes.
    pub limit: usize,
}

/// The size of a certificate's headers in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The total size of the values in bytes, without names.
    pub bytes: usize,
    /// The header with a maximum size, if there is one.
    pub limited: Option<Limited>,
}

/// A header with a maximum size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The header's name. Only built-in profiles have limits, so it is not secret.
    pub header: &'static str,
    /// The size of its value in bytes.
    pub bytes: usize,
    /// The maximum that the upstream accepts, in bytes.
    pub limit: usize,
}

/// Why a custom profile is invalid. Headers are identified by their index, from 0, since names may be secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProfile {
    /// A built-in profile has its name.
    #[error("a built-in header profile already has this name")]
    NameTaken,
    /// It has no headers.
    #[error("a header profile needs at least one header")]
    Empty,
    /// Two header names are equal to upstreams that fold case and punctuation.
    #[error("headers {} and {} have the same name to upstreams that fold case and punctuation", .first + 1, .second + 1)]
    Repeated {
        /// Index of the earlier one.
        first: usize,
        /// Index of the later one.
        second: usize,
    },
    /// HTTP or the edge uses a header name.
    #[error("header {} has a name that HTTP or the edge itself uses, and cannot carry a certificate", .index + 1)]
    Unusable {
        /// Index of the header.
        index: usize,
    },
}

impl Profile {
    /// The profile of domains without `header_profile`.
    pub const DEFAULT: &str = auth0::PROFILE.name;

    /// The built-in profile with this name.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        BUILT_IN.iter().find(|built_in| built_in.name == name).map(Self::from_built_in)
    }

    /// The name of the profile that an authorization server reads, by the name that `init --for` has for it.
    #[must_use]
    pub fn of_server(name: &str) -> Option<&'static str> {
        match name {
            "auth0" => Some(auth0::PROFILE.name),
            "oidc-provider" | "spring" => Some(nginx::PROFILE.name),
            "keycloak" | "hydra" | "generic" => Some(rfc9440::PROFILE.name),
            _ => None,
        }
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

    /// A custom profile.
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
            // A vouching header with such a name would change the request's meaning.
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

    /// Whether both have the same name, headers and encodings.
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

    /// Encodes the vouching headers of a client. Callers cache the result, and clone it for each request.
    ///
    /// Headers with an empty value are omitted, for example if no chain was presented.
    ///
    /// # Errors
    ///
    /// If a value exceeds the header's maximum size.
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

    /// All names that this profile can send, which clients must not set.
    pub fn reserved(&self) -> impl Iterator<Item = ReservedName<'_>> {
        self.0.parts.iter().map(|part| match part {
            Part::One { name, .. } => ReservedName::Exact(name),
            Part::Numbered { prefix, .. } => ReservedName::Numbered(prefix),
        })
    }

    /// The size of a certificate's headers, for `inspect`, also if they exceed the limit.
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
