//! JSON bodies.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{
    Interest, Parameter, ParameterError, Values, add, form,
    name::{self, Meaning},
};

/// The values of a JSON object (RFC 8259). A repeated parameter of interest is refused, since parsers differ in which one they
/// use. So is a member whose name some servers take for one (Go and ASP.NET ignore case), and text that a server which only
/// parses forms would read as one.
pub(super) fn values<const N: usize>(body: &[u8], interest: &Interest<N>) -> Result<Values, ParameterError> {
    // Everything must be UTF-8, since decoders differ in where an invalid string ends.
    let json = std::str::from_utf8(body).map_err(|_| ParameterError::NotJson)?;
    let mut refused = ParameterError::NotJson;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let values = Object { interest, refused: &mut refused }
        .deserialize(&mut deserializer)
        .and_then(|values| deserializer.end().map(|()| values));
    let mut values = values.map_err(|_| refused)?;
    if form::hides_parameter(body, interest) {
        return Err(ParameterError::FormInJson);
    }
    for Parameter { name, value, .. } in &mut values {
        if let Some(text) = value.take() {
            *value = Some(form::text(text.into_bytes(), name)?);
        }
    }
    Ok(values)
}

/// Deserializes the object, and stores why it is refused other than for its syntax.
struct Object<'r, const N: usize> {
    interest: &'r Interest<N>,
    refused: &'r mut ParameterError,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Object<'_, N> {
    type Value = Values;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Object<'_, N> {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(meaning) = map.next_key_seed(Name(self.interest))? {
            let added = match meaning {
                Ok(Meaning::Parameter(wanted)) => add(&mut values, wanted, map.next_value()?),
                Ok(Meaning::Other | Meaning::Charset) => map.next_value::<IgnoredAny>().map(|_| Ok(()))?,
                Err(refused) => Err(refused),
            };
            if let Err(refused) = added {
                *self.refused = refused;
                return Err(A::Error::custom(refused));
            }
        }
        Ok(values)
    }
}

/// Deserializes the meaning of a member's name.
struct Name<'r, const N: usize>(&'r Interest<N>);

impl<'de, const N: usize> DeserializeSeed<'de> for Name<'_, N> {
    type Value = Result<Meaning, ParameterError>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Name<'_, N> {
    type Value = Result<Meaning, ParameterError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(name::meaning(name.as_bytes(), self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_id(body: &[u8]) -> Result<Option<String>, ParameterError> {
        values(body, &Interest::new(["client_id"]))
            .map(|values| values.into_iter().next().and_then(|parameter| parameter.value))
    }

    #[test]
    fn an_object_names_one_client() {
        assert_eq!(client_id(br#"{"a":[{}],"client\u005fid":"x"}"#).unwrap().as_deref(), Some("x"));
        assert_eq!(client_id(br#"{"sub":{"client_id":"x"}}"#).unwrap(), None);
        assert_eq!(
            client_id(br#"{"client_id":"x","client_id":"x"}"#),
            Err(ParameterError::Repeated("client_id"))
        );
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
            assert_eq!(
                client_id(broken),
                Err(ParameterError::NotJson),
                "{}",
                String::from_utf8_lossy(broken)
            );
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
                assert_eq!(client_id(text.as_bytes()), Err(ParameterError::Lookalike("client_id")), "{text}");
            }
        }
        for (text, error) in [
            (r#"{"client_id":"a","_method":"PUT"}"#, ParameterError::MethodOverride),
            (r#"{"__proto__":{"client_id":"b"}}"#, ParameterError::Prototype),
            (r#"{"client_id":"a","x":"&client_id=b&"}"#, ParameterError::FormInJson),
            (r#"{"client_id":"a\u0000b"}"#, ParameterError::Control("client_id")),
        ] {
            assert_eq!(client_id(text.as_bytes()), Err(error), "{text}");
        }
    }

    #[test]
    fn deep_nesting_does_not_exhaust_the_stack() {
        let deep = format!("{{\"a\":{}", "[".repeat(60_000));
        assert_eq!(client_id(deep.as_bytes()), Err(ParameterError::NotJson));
        let closed = format!("{{\"client_id\":\"a\",\"a\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(client_id(closed.as_bytes()).unwrap().as_deref(), Some("a"));
    }
}
