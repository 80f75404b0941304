//! `client_id` in a JSON object.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{
    ClientIdError, form,
    name::{self, Meaning},
};

/// The `client_id` of a JSON object (RFC 8259). A second one is refused, since parsers differ in which they take; so is a member
/// whose name some server folds into it (Go and ASP.NET ignore case), and text that a server which knows forms only would read as one.
pub(super) fn client_id(body: &[u8]) -> Result<Option<String>, ClientIdError> {
    // All of it, not only what is looked at: what is no UTF-8 in a string, decoders differ in where it ends.
    let json = std::str::from_utf8(body).map_err(|_| ClientIdError::NotJson)?;
    let mut refused = ClientIdError::NotJson;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let found = Object { refused: &mut refused }
        .deserialize(&mut deserializer)
        .and_then(|found| deserializer.end().map(|()| found));
    let found = found.map_err(|_| refused)?;
    if form::hides_client_id(body) {
        return Err(ClientIdError::FormInJson);
    }
    found.map(|id| form::text(id.into_bytes())).transpose()
}

/// The object, and why it is refused where that is not its syntax.
struct Object<'r> {
    refused: &'r mut ClientIdError,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(meaning) = map.next_key_seed(Name)? {
            let refused = match meaning {
                Ok(Meaning::ClientId) => {
                    if found.replace(map.next_value::<String>()?).is_none() {
                        continue;
                    }
                    ClientIdError::Repeated
                }
                Ok(Meaning::Other | Meaning::Charset) => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Err(refused) => refused,
            };
            *self.refused = refused;
            return Err(A::Error::custom(refused));
        }
        Ok(found)
    }
}

/// A member's name, as what it means.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Result<Meaning, ClientIdError>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Result<Meaning, ClientIdError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(name::meaning(name.as_bytes()))
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
        for broken in [
            &b"[]"[..],
            b"{",
            br#"{"client_id":1}"#,
            br#"{"client_id":null}"#,
            br#"{"client_id":["a"]}"#,
            b"\xef\xbb\xbf{}",
            br#"{"client_id":"a"} x"#,
            br#"{"client_id":"a"}{"client_id":"b"}"#,
            br#"{"client_id":"a",}"#,
            br#"{"client_id":"a"/**/}"#,
            br#"{"client_id":"a","x":NaN}"#,
            br"{'client_id':'a'}",
            br#"{client_id:"a"}"#,
            b"{\"client_id\":\"a\",\"x\":\"\xe3\"}",
            b"{\"client_id\":\"a\",\"x\":\"\n\"}",
            br#"{"client_id":"a","\ud800":"b"}"#,
            b"\0{\"client_id\":\"a\"}",
        ] {
            assert_eq!(client_id(broken), Err(ClientIdError::NotJson), "{}", String::from_utf8_lossy(broken));
        }
    }

    #[test]
    fn a_member_that_another_server_reads_as_client_id_is_refused() {
        for name in [
            "Client_ID",
            "client-id",
            "clientId",
            "ClientId",
            r"client_id\u0000",
            r"\ufeffclient_id",
            "client_id ",
        ] {
            for text in [
                format!(r#"{{"client_id":"a","{name}":"b"}}"#),
                format!(r#"{{"{name}":"b","client_id":"a"}}"#),
                format!(r#"{{"{name}":{{"x":1}}}}"#),
            ] {
                assert_eq!(client_id(text.as_bytes()), Err(ClientIdError::Lookalike), "{text}");
            }
        }
        for (text, error) in [
            (r#"{"client_id":"a","_method":"PUT"}"#, ClientIdError::MethodOverride),
            (r#"{"__proto__":{"client_id":"b"}}"#, ClientIdError::Prototype),
            (r#"{"client_id":"a","x":"&client_id=b&"}"#, ClientIdError::FormInJson),
            (r#"{"client_id":"a\u0000b"}"#, ClientIdError::Control),
        ] {
            assert_eq!(client_id(text.as_bytes()), Err(error), "{text}");
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = format!("{{\"a\":{}", "[".repeat(60_000));
        assert_eq!(client_id(deep.as_bytes()), Err(ClientIdError::NotJson));
        let closed = format!("{{\"client_id\":\"a\",\"a\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(client_id(closed.as_bytes()).unwrap().as_deref(), Some("a"));
    }
}
