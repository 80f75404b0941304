//! `client_id` out of a JSON object.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::ClientIdError;

/// The `client_id` of a JSON object. Twice the same member is refused: parsers differ in which they take.
pub(super) fn client_id(body: &[u8]) -> Result<Option<String>, ClientIdError> {
    serde_json::from_slice::<Named>(body).map(|named| named.0).map_err(|error| {
        if error.to_string().starts_with(REPEATED) { ClientIdError::Repeated } else { ClientIdError::NotJson }
    })
}

const REPEATED: &str = "client_id stands twice";

struct Named(Option<String>);

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Named;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named, A::Error> {
                let mut found = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name == "client_id" {
                        if found.replace(map.next_value::<String>()?).is_some() {
                            return Err(A::Error::custom(REPEATED));
                        }
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Named(found))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_names_one_client() {
        assert_eq!(client_id(br#"{"a":[{}],"client\u005fid":"x"}"#).unwrap().as_deref(), Some("x"));
        assert_eq!(client_id(br#"{"sub":{"client_id":"x"}}"#).unwrap(), None);
        assert_eq!(client_id(br#"{"client_id":"x","client_id":"x"}"#), Err(ClientIdError::Repeated));
        for broken in [&b"[]"[..], b"{", br#"{"client_id":1}"#, b"\xef\xbb\xbf{}", br#"{"client_id":"a"} x"#]
        {
            assert_eq!(client_id(broken), Err(ClientIdError::NotJson));
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = format!("{{\"a\":{}", "[".repeat(60_000));
        assert_eq!(client_id(deep.as_bytes()), Err(ClientIdError::NotJson));
    }
}
