//! The values that address a JWT to a domain.

/// The issuer identifier of the authorization server behind a domain (RFC 8414 section 2), and what else clients may write as `aud`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    identifier: Box<str>,
    audiences: Box<[Box<str>]>,
}

impl Issuer {
    /// An issuer with further values of `aud`. The configuration has checked both.
    #[must_use]
    pub fn new(identifier: &str, audiences: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let audiences = audiences.into_iter().map(|audience| audience.as_ref().into()).collect();
        Self { identifier: identifier.into(), audiences }
    }

    /// The issuer identifier.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The further values of `aud` that are accepted.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        self.audiences.iter().map(|audience| &**audience)
    }

    /// Whether a value of `aud` addresses the domain. Values are compared byte by byte: a trailing slash counts (RFC 7519 section
    /// 2, StringOrURI).
    #[must_use]
    pub fn accepts(&self, audience: &str) -> bool {
        &*self.identifier == audience || self.audiences().any(|other| other == audience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_compared_byte_by_byte() {
        let issuer = Issuer::new("https://auth.example/", ["https://auth.example/oauth/token"]);
        assert!(
            issuer.accepts("https://auth.example/") && issuer.accepts("https://auth.example/oauth/token")
        );
        for other in ["https://auth.example", "HTTPS://auth.example/", "https://auth.example//", ""] {
            assert!(!issuer.accepts(other), "{other}");
        }
    }
}
