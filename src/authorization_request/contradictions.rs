//! Parameters outside a request object that differ from those in it.
//!
//! The server uses those in the object (RFC 9101 section 6.3), so a difference means that somebody changed the request on its way
//! through the browser, or that the application sends two requests in one.

use std::{borrow::Cow, collections::BTreeSet};

use serde_json::Value;

use crate::jose::Claims;

/// Claims of the JWT itself (RFC 7519 section 4.1), which are not parameters of the request.
const OF_THE_JWT: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// The names of the parameters whose value outside differs from the one in the request object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contradictions(BTreeSet<String>);

impl Contradictions {
    /// Compares the parameters outside with the claims of a request object. A parameter that is only outside contradicts nothing.
    pub(super) fn between<'o>(
        claims: &Claims<'_>,
        outside: impl IntoIterator<Item = (Cow<'o, str>, Cow<'o, str>)>,
    ) -> Self {
        let differs = |(name, value): (Cow<'o, str>, Cow<'o, str>)| {
            let inside = claims.get(&name).filter(|_| !OF_THE_JWT.contains(&&*name))?;
            (!agree(inside, &value)).then(|| name.into_owned())
        };
        Self(outside.into_iter().filter_map(differs).collect())
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in alphabetical order.
    #[must_use]
    pub fn names(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a claim and a parameter have the same value. Claims may be numbers (`max_age`), objects (`claims`), or arrays: of the
/// values of a repeated parameter (`resource`, RFC 8707), or the JSON of one parameter (`authorization_details`, RFC 9396).
fn agree(inside: &Value, outside: &str) -> bool {
    match inside {
        Value::String(text) => text == outside,
        Value::Array(items) if items.iter().any(|item| item.as_str() == Some(outside)) => true,
        Value::Object(_) | Value::Array(_) => {
            serde_json::from_str::<Value>(outside).is_ok_and(|outside| outside == *inside)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let inside = inside.to_string();
            inside == outside
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(claims: &Value, outside: &[(&'static str, &'static str)]) -> String {
        let outside = outside.iter().map(|(name, value)| (Cow::from(*name), Cow::from(*value)));
        let claims = claims.to_string();
        let claims = Claims::parse(claims.as_bytes()).unwrap();
        Contradictions::between(&claims, outside).names()
    }

    #[test]
    fn only_a_different_value_is_a_contradiction() {
        let claims = json!({ "scope": "openid", "state": "a", "aud": "https://as.example", "iss": "b" });
        assert_eq!(names(&claims, &[]), "");
        assert_eq!(names(&claims, &[("scope", "openid"), ("state", "a"), ("prompt", "login")]), "");
        assert_eq!(names(&claims, &[("aud", "x"), ("iss", "y")]), "");
        assert_eq!(names(&claims, &[("state", "b"), ("scope", "openid email")]), "scope, state");
        assert_eq!(names(&claims, &[("state", "a"), ("state", "b")]), "state");
        assert_eq!(names(&claims, &[("scope", "")]), "scope");
    }

    #[test]
    fn claims_of_every_type_are_compared() {
        let claims = json!({
            "max_age": 60,
            "claims": { "userinfo": { "email": null } },
            "resource": ["https://a.example", "https://b.example"],
            "authorization_details": [{ "type": "a" }],
            "x": null,
        });
        let equal = [
            ("max_age", "60"),
            ("claims", r#"{"userinfo": {"email": null}}"#),
            ("resource", "https://a.example"),
            ("resource", "https://b.example"),
            ("authorization_details", r#"[ {"type":"a"} ]"#),
        ];
        assert_eq!(names(&claims, &equal), "");
        for (name, value) in [
            ("max_age", "0"),
            ("claims", "{}"),
            ("claims", "{"),
            ("resource", "https://c.example"),
            ("authorization_details", r#"[{"type":"b"}]"#),
            ("x", ""),
        ] {
            assert_eq!(names(&claims, &[(name, value)]), name, "{value}");
        }
    }
}
