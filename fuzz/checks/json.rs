//! `client_id` in a JSON object: what serde_json finds, and no common server another one.

use std::fmt;

use mtls_edge::oauth::ParameterError;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::one_reading::{
    models,
    raw_request::{RawRequest, client_id},
};

/// Checks a body.
pub fn check(body: &[u8]) {
    let request = RawRequest {
        method: "POST",
        headers: vec![("content-type".to_owned(), b"application/json".to_vec())],
        body: body.to_vec(),
        ..RawRequest::default()
    };
    let Some(head) = request.head(false) else { return };
    let members = serde_json::from_slice::<Members>(body).ok();
    let named = serde_json::from_slice::<Named>(body).ok().map(|Named(values)| values);
    match client_id(&head, body) {
        Ok(client) => {
            assert_eq!(named, Some(vec![Value::from(client.as_str())]), "{request:?}");
            // Only printable ASCII can be registered: servers may differ in any other client_id.
            let readings = if client.as_str().is_ascii() { models::readings(&request) } else { Vec::new() };
            for (server, clients) in readings {
                let others: Vec<_> = clients.iter().filter(|other| *other != client.as_str()).collect();
                assert!(
                    others.is_empty(),
                    "the edge reads {client}, {server} reads {others:?} of {request:?}"
                );
            }
        }
        Err(ParameterError::NoClient) => {
            let is_none = named.is_none_or(|named| named.iter().all(|value| value == ""));
            assert!(is_none, "{request:?}");
        }
        Err(error) => {
            assert!(!members.as_ref().is_some_and(is_plain), "{error} for an ordinary object: {request:?}");
        }
    }
}

/// Whether an object has ordinary names and values only, and one `client_id`.
fn is_plain(Members(members): &Members) -> bool {
    let is_word = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
    };
    let is_ordinary =
        |name: &str| matches!(name, "client_id" | "grant_type" | "scope" | "code" | "client_secret");
    let names: std::collections::BTreeSet<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.contains("client_id")
        && names.len() == members.len()
        && members.iter().all(|(name, value)| is_ordinary(name) && is_word(value))
}

/// The members of an object, repeated ones too.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Collect)
    }
}

/// The values of `client_id`. As in the edge, other values only have to be JSON: a lone surrogate may be escaped in them.
struct Named(Vec<Value>);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CollectNamed)
    }
}

struct CollectNamed;

impl<'de> Visitor<'de> for CollectNamed {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
        let mut values = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "client_id" {
                values.push(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Named(values))
    }
}

struct Collect;

impl<'de> Visitor<'de> for Collect {
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
