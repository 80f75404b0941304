//! All parameters of a request, of any name, to be compared with those that it must agree with.

use std::{borrow::Cow, fmt};

use http::request::Parts;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::{
    content_type::{BodyKind, body_type},
    form::decode,
};

/// A parameter's name and value.
type Pair<'r> = (Cow<'r, str>, Cow<'r, str>);

/// Every parameter of the query and of the body, in this order, decoded leniently. Members of a JSON body that are not strings are
/// returned as JSON. A body of another type has none: [`Parameters::parse`](super::Parameters::parse) refuses it.
#[must_use]
pub fn all_parameters<'r>(head: &'r Parts, body: &'r [u8]) -> Vec<Pair<'r>> {
    let mut all = Vec::new();
    all.extend(head.uri.query().into_iter().flat_map(|query| pairs(query.as_bytes())));
    match body_type(&head.headers).map(|body_type| body_type.kind) {
        Ok(BodyKind::Form) => all.extend(pairs(body)),
        Ok(BodyKind::Json) => {
            let Members(members) = serde_json::from_slice(body).unwrap_or_default();
            all.extend(members.into_iter().map(|(name, value)| {
                let value = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                (Cow::Owned(name), Cow::Owned(value))
            }));
        }
        Err(_) => {}
    }
    all
}

/// The members of an object, repeated ones too: servers differ in which of them they use.
#[derive(Default)]
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// The parameters of a form.
fn pairs(form: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    let pieces = form.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty());
    pieces.map(|piece| {
        let equals = piece.iter().position(|byte| *byte == b'=').unwrap_or(piece.len());
        let (name, value) = piece.split_at_checked(equals).unwrap_or_default();
        (text(name), text(value.get(1..).unwrap_or_default()))
    })
}

/// Decodes a name or value; invalid UTF-8 becomes U+FFFD.
fn text(component: &[u8]) -> Cow<'_, str> {
    match decode(component) {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn all(uri: &str, content_type: &str, body: &str) -> Vec<(String, String)> {
        let request = Request::post(uri).header("content-type", content_type);
        let head = request.body(()).unwrap().into_parts().0;
        let all = all_parameters(&head, body.as_bytes()).into_iter();
        all.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn query_and_body_are_listed() {
        assert_eq!(
            all("/a?x=1&&y=a%20b+c;d&z", "application/x-www-form-urlencoded", "x=2&%78=%ff&=e&f=g=h"),
            owned(&[
                ("x", "1"),
                ("y", "a b c;d"),
                ("z", ""),
                ("x", "2"),
                ("x", "\u{fffd}"),
                ("", "e"),
                ("f", "g=h"),
            ])
        );
        assert_eq!(
            all("/a", "application/json", r#"{"a":"b","c":[1,"d"],"e":60}"#),
            owned(&[("a", "b"), ("c", r#"[1,"d"]"#), ("e", "60")])
        );
        let twice = all("/a", "application/json", r#"{"a":"b","a":"c"}"#);
        assert_eq!(twice, owned(&[("a", "b"), ("a", "c")]), "a server may use either");
        assert_eq!(all("/a", "application/json", "[]"), owned(&[]));
        assert_eq!(all("/a?b=c", "text/plain", "d=e"), owned(&[("b", "c")]));
    }
}
