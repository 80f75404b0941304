//! The mechanism by which a request authenticates its client, read from the request alone.

use http::{HeaderMap, HeaderName};

use crate::{
    header::fold::are_equivalent,
    oauth::{Parameters, Places},
};

/// The headers of attestation-based client authentication (draft-ietf-oauth-attestation-based-client-auth). The edge does not
/// verify them; they count as a mechanism.
const ATTESTATION: [&str; 2] = ["oauth-client-attestation", "oauth-client-attestation-pop"];

/// The parameters that authenticate a client.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// The mechanism that a request uses. A client certificate is one of the connection, and counts only without another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mechanism<'r> {
    /// None but the connection's certificate, if it has one.
    Certificate,
    /// A secret in HTTP Basic (RFC 6749 section 2.3.1).
    Basic(&'r str),
    /// `client_secret` in the body.
    Post(&'r str),
    /// `client_assertion` (RFC 7521 section 4.2).
    Assertion {
        /// `client_assertion_type`.
        kind: &'r str,
        /// `client_assertion`.
        assertion: &'r str,
    },
    /// The headers of a client attestation.
    Attestation,
}

impl std::fmt::Debug for Mechanism<'_> {
    /// Does not show what the request carries.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.name(), f)
    }
}

/// Why the mechanism of a request is ambiguous or misplaced. `Display` is the `error_description` of the 400 response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MechanismError {
    /// More than one (RFC 6749 section 2.3).
    #[error(
        "the request has two client authentications, {0} and {1}: send only the one that is registered (RFC 6749, section 2.3)"
    )]
    Several(MechanismName, MechanismName),
    /// A credential in the query (RFC 6749 section 2.3.1).
    #[error("{0} must not be sent in the query, where it is logged: send it in the body")]
    InQuery(&'static str),
    /// `client_assertion` without `client_assertion_type`, or the reverse (RFC 7521 section 4.2).
    #[error("the request has {0} but no {1}: send both")]
    Incomplete(&'static str, &'static str),
}

impl<'r> Mechanism<'r> {
    /// The mechanism of a request. HTTP Basic with an empty secret only names the client.
    ///
    /// # Errors
    ///
    /// If the request has more than one, an incomplete one, or one in its query.
    pub fn of(headers: &HeaderMap, parameters: &'r Parameters) -> Result<Self, MechanismError> {
        let attestation = headers.keys().any(is_attestation);
        if !attestation && !parameters.have_any(&CREDENTIALS) {
            return Ok(Self::Certificate);
        }
        for name in CREDENTIALS {
            if parameters.places(name).query {
                return Err(MechanismError::InQuery(name));
            }
        }
        let secret = parameters.get("client_secret");
        let Places { body, basic, .. } = parameters.places("client_secret");
        let assertion = match (parameters.get("client_assertion"), parameters.get("client_assertion_type")) {
            (None, None) => None,
            (Some(assertion), Some(kind)) => Some(Self::Assertion { kind, assertion }),
            (Some(_), None) => {
                return Err(MechanismError::Incomplete("client_assertion", "client_assertion_type"));
            }
            (None, Some(_)) => {
                return Err(MechanismError::Incomplete("client_assertion_type", "client_assertion"));
            }
        };
        let mut found = [
            secret.filter(|_| basic).map(Self::Basic),
            secret.filter(|_| body).map(Self::Post),
            assertion,
            attestation.then_some(Self::Attestation),
        ]
        .into_iter()
        .flatten();
        match (found.next(), found.next()) {
            (None, _) => Ok(Self::Certificate),
            (Some(one), None) => Ok(one),
            (Some(one), Some(other)) => Err(MechanismError::Several(one.name(), other.name())),
        }
    }

    /// The mechanism, without what the request carries.
    #[must_use]
    pub const fn name(&self) -> MechanismName {
        match self {
            Self::Certificate => MechanismName::Certificate,
            Self::Basic(_) => MechanismName::Basic,
            Self::Post(_) => MechanismName::Post,
            Self::Assertion { .. } => MechanismName::Assertion,
            Self::Attestation => MechanismName::Attestation,
        }
    }
}

/// Whether a header is part of an attestation, also in a spelling that only some servers take for it.
fn is_attestation(name: &HeaderName) -> bool {
    let name = name.as_str();
    ATTESTATION.iter().any(|attestation| attestation.len() == name.len() && are_equivalent(attestation, name))
}

/// A [`Mechanism`] without what the request carries. `Display` is what messages call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MechanismName {
    /// See [`Mechanism::Certificate`].
    Certificate,
    /// See [`Mechanism::Basic`].
    Basic,
    /// See [`Mechanism::Post`].
    Post,
    /// See [`Mechanism::Assertion`].
    Assertion,
    /// See [`Mechanism::Attestation`].
    Attestation,
}

impl std::fmt::Display for MechanismName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the client certificate",
            Self::Basic => "HTTP Basic",
            Self::Post => "client_secret in the body",
            Self::Assertion => "client_assertion",
            Self::Attestation => "the client attestation",
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use http::{Request, request::Parts};

    use super::*;
    use crate::oauth::{PARAMETERS, Parameters};

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers.iter().chain([&form]) {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    /// The mechanism, and what the request carries.
    fn found(head: &Parts, body: &str) -> Result<(MechanismName, String), MechanismError> {
        let parameters = Parameters::parse(head, body.as_bytes(), &PARAMETERS).unwrap();
        Mechanism::of(&head.headers, &parameters).map(|mechanism| {
            let carried = match mechanism {
                Mechanism::Basic(secret) | Mechanism::Post(secret) => secret.to_owned(),
                Mechanism::Assertion { kind, assertion } => format!("{kind} {assertion}"),
                Mechanism::Certificate | Mechanism::Attestation => String::new(),
            };
            (mechanism.name(), carried)
        })
    }

    const ASSERTION: &str = "client_assertion=a.b.c&client_assertion_type=t";

    #[test]
    fn each_mechanism_is_found() {
        let post = |body| found(&head("POST", "/t", &[]), body);
        let owned = |name, carried: &str| Ok((name, carried.to_owned()));
        assert_eq!(post("client_id=a"), owned(MechanismName::Certificate, ""));
        assert_eq!(post("client_id=a&client_secret="), owned(MechanismName::Certificate, ""));
        assert_eq!(post("client_id=a&client_secret=s"), owned(MechanismName::Post, "s"));
        assert_eq!(post(ASSERTION), owned(MechanismName::Assertion, "t a.b.c"));
        let basic = |text: &str| {
            let value = format!("Basic {}", STANDARD.encode(text));
            found(&head("POST", "/t", &[("authorization", &value)]), "client_id=a")
        };
        assert_eq!(basic("a:s%2B1"), owned(MechanismName::Basic, "s+1"));
        assert_eq!(basic("a:"), owned(MechanismName::Certificate, ""));
        for name in
            ["oauth-client-attestation", "OAuth-Client-Attestation-PoP", "OAuth_Client-Attestation_PoP"]
        {
            let head = head("POST", "/t", &[(name, "x")]);
            assert_eq!(found(&head, "client_id=a"), owned(MechanismName::Attestation, ""));
        }
    }

    #[test]
    fn two_mechanisms_are_refused_in_each_combination() {
        let basic = format!("Basic {}", STANDARD.encode("a:s"));
        let all = [
            (vec![("authorization", basic.as_str())], "", MechanismName::Basic),
            (vec![], "client_secret=s", MechanismName::Post),
            (vec![], ASSERTION, MechanismName::Assertion),
            (vec![("oauth-client-attestation", "x")], "", MechanismName::Attestation),
        ];
        for (index, (headers, body, name)) in all.iter().enumerate() {
            for (more, other, other_name) in &all[index + 1..] {
                let headers = [headers.as_slice(), more].concat();
                let both = found(&head("POST", "/t", &headers), &format!("client_id=a&{body}&{other}"));
                assert_eq!(both, Err(MechanismError::Several(*name, *other_name)));
            }
        }
    }

    #[test]
    fn no_credential_is_accepted_in_the_query() {
        for (method, query, name) in [
            ("GET", "client_id=a&client_secret=s", "client_secret"),
            ("POST", "client_secret=s", "client_secret"),
            ("POST", ASSERTION, "client_assertion"),
            ("POST", "client_assertion_type=t", "client_assertion_type"),
        ] {
            let found = found(&head(method, &format!("/t?{query}"), &[]), "");
            assert_eq!(found, Err(MechanismError::InQuery(name)), "{method} {query}");
        }
        // A POST whose query repeats the body's value.
        let repeated = found(&head("POST", "/t?client_secret=s", &[]), "client_secret=s");
        assert_eq!(repeated, Err(MechanismError::InQuery("client_secret")));
    }

    #[test]
    fn an_assertion_needs_its_type() {
        let post = |body| found(&head("POST", "/t", &[]), body);
        assert!(matches!(post("client_assertion=a"), Err(MechanismError::Incomplete("client_assertion", _))));
        let only_type = post("client_assertion_type=t");
        assert!(matches!(only_type, Err(MechanismError::Incomplete("client_assertion_type", _))));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Mechanism::Post("secret")), "Post");
    }
}
