//! The form of a request: parameters, a request object, or a reference to a pushed request.

use super::{RequestError, endpoint::Endpoint};
use crate::trust::RequestRules;

/// The prefix of the `request_uri` that a pushed request gets (RFC 9126 section 2.2).
const PUSHED: &str = "urn:ietf:params:oauth:request_uri:";
/// The maximum length of a `request_uri` in bytes (RFC 9101 section 5.2).
const LONGEST_URI: usize = 512;

/// What a request must be, by its route and its application.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// A request object, or at the authorization endpoint a reference to a pushed request.
    pub signed: bool,
    /// At the authorization endpoint a reference to a pushed request.
    pub pushed: bool,
}

impl Requirements {
    /// The requirements of a route, and of an application if it is registered.
    #[must_use]
    pub const fn new(route_requires_signed: bool, rules: Option<&RequestRules>) -> Self {
        match rules {
            Some(rules) => Self {
                signed: route_requires_signed || rules.require_signed_request,
                pushed: rules.require_pushed_request,
            },
            None => Self { signed: route_requires_signed, pushed: false },
        }
    }
}

/// The parameters outside a request object that decide how a request is checked. Empty ones are absent (RFC 6749 section 3.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Outside<'r> {
    /// The request object.
    pub request: Option<&'r str>,
    /// The reference to a pushed request.
    pub request_uri: Option<&'r str>,
    /// What is requested: `code`.
    pub response_type: Option<&'r str>,
}

/// How a request gives its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'r> {
    /// As they are.
    Parameters,
    /// In this request object, which is not verified yet.
    Object(&'r str),
    /// By reference to a pushed request.
    Reference,
}

impl<'r> Form<'r> {
    /// The form of a request.
    ///
    /// # Errors
    ///
    /// If it is ambiguous, refers to a request that was not pushed, or is not what is required.
    pub fn of(
        outside: &Outside<'r>,
        endpoint: Endpoint,
        required: Requirements,
    ) -> Result<Self, RequestError> {
        let form = match (outside.request, outside.request_uri, endpoint) {
            (Some(_), Some(_), _) => return Err(RequestError::ObjectAndReference),
            (None, Some(_), Endpoint::Pushed) => return Err(RequestError::ReferenceWhenPushing),
            (None, Some(uri), Endpoint::Authorization) if is_pushed(uri) => Self::Reference,
            (None, Some(_), Endpoint::Authorization) => return Err(RequestError::ForeignReference),
            (Some(object), None, _) => Self::Object(object),
            (None, None, _) => Self::Parameters,
        };
        if required.pushed && endpoint == Endpoint::Authorization && form != Self::Reference {
            return Err(RequestError::NotPushed);
        }
        if required.signed && form == Self::Parameters {
            return Err(RequestError::NotSigned(endpoint));
        }
        Ok(form)
    }
}

/// Whether a `request_uri` refers to a pushed request. With any other, the server would fetch a document from a URL that
/// anybody chose (RFC 9101 section 10.4).
fn is_pushed(uri: &str) -> bool {
    uri.len() <= LONGEST_URI
        && uri
            .strip_prefix(PUSHED)
            .is_some_and(|reference| !reference.is_empty() && reference.bytes().all(|b| b.is_ascii_graphic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c";

    fn form(
        request: Option<&'static str>,
        request_uri: Option<&'static str>,
        endpoint: Endpoint,
        [signed, pushed]: [bool; 2],
    ) -> Result<Form<'static>, RequestError> {
        let outside = Outside { request, request_uri, response_type: None };
        Form::of(&outside, endpoint, Requirements { signed, pushed })
    }

    #[test]
    fn a_request_has_one_form() {
        let none = [false; 2];
        for endpoint in [Endpoint::Authorization, Endpoint::Pushed] {
            assert_eq!(form(None, None, endpoint, none), Ok(Form::Parameters));
            assert_eq!(form(Some("a.b.c"), None, endpoint, none), Ok(Form::Object("a.b.c")));
            assert_eq!(form(Some("a"), Some(URI), endpoint, none), Err(RequestError::ObjectAndReference));
        }
        assert_eq!(form(None, Some(URI), Endpoint::Authorization, none), Ok(Form::Reference));
        assert_eq!(form(None, Some(URI), Endpoint::Pushed, none), Err(RequestError::ReferenceWhenPushing));
    }

    #[test]
    fn only_a_pushed_request_can_be_referred_to() {
        let longest = format!("{PUSHED}{}", "a".repeat(LONGEST_URI - PUSHED.len()));
        assert!(is_pushed(&longest) && !is_pushed(&format!("{longest}a")));
        for uri in [
            "https://client.example/request.jwt",
            "http://169.254.169.254/",
            "urn:ietf:params:oauth:request_uri:",
            "urn:ietf:params:oauth:request_uri:a b",
            "urn:ietf:params:oauth:request_uri:\u{e9}",
            "URN:ietf:params:oauth:request_uri:a",
            "urn:ietf:params:oauth:request_uri",
            "urn:example:a",
            " urn:ietf:params:oauth:request_uri:a",
        ] {
            assert!(!is_pushed(uri), "{uri}");
        }
    }

    #[test]
    fn requirements_depend_on_the_endpoint() {
        use Endpoint::{Authorization, Pushed};
        let (signed, pushed) = ([true, false], [false, true]);
        for (endpoint, required, request, uri, expected) in [
            (Authorization, signed, None, None, Err(RequestError::NotSigned(Authorization))),
            (Authorization, signed, Some("o"), None, Ok(Form::Object("o"))),
            (Authorization, signed, None, Some(URI), Ok(Form::Reference)),
            (Pushed, signed, None, None, Err(RequestError::NotSigned(Pushed))),
            (Pushed, signed, Some("o"), None, Ok(Form::Object("o"))),
            (Authorization, pushed, None, None, Err(RequestError::NotPushed)),
            (Authorization, pushed, Some("o"), None, Err(RequestError::NotPushed)),
            (Authorization, pushed, None, Some(URI), Ok(Form::Reference)),
            (Pushed, pushed, None, None, Ok(Form::Parameters)),
            (Pushed, [true; 2], None, None, Err(RequestError::NotSigned(Pushed))),
            (Authorization, [true; 2], Some("o"), None, Err(RequestError::NotPushed)),
        ] {
            assert_eq!(form(request, uri, endpoint, required), expected, "{endpoint:?} {required:?}");
        }
    }

    #[test]
    fn the_stricter_of_route_and_application_applies() {
        let rules = |require_signed_request, require_pushed_request| RequestRules {
            require_signed_request,
            require_pushed_request,
            strict_request_objects: false,
        };
        let of = |route, rules: Option<RequestRules>| {
            let Requirements { signed, pushed } = Requirements::new(route, rules.as_ref());
            [signed, pushed]
        };
        assert_eq!(of(false, None), [false, false]);
        assert_eq!(of(true, None), [true, false]);
        assert_eq!(of(true, Some(rules(false, false))), [true, false]);
        assert_eq!(of(false, Some(rules(true, true))), [true, true]);
    }
}
