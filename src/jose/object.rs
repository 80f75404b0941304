//! JSON objects without repeated members: headers, claims and keys.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The members of an object, sorted by name. A short list of names that are not copied is much cheaper to build and free than the
/// tree of [`Map`], and tokens are parsed for each request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Members<'j>(Vec<(Cow<'j, str>, Value)>);

impl<'j> Members<'j> {
    /// Sorts the members.
    ///
    /// # Errors
    ///
    /// The name of a repeated member.
    fn new(mut members: Vec<(Cow<'j, str>, Value)>) -> Result<Self, String> {
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        match members.iter().zip(members.iter().skip(1)).find(|((one, _), (other, _))| one == other) {
            Some(((name, _), _)) => Err(name.to_string()),
            None => Ok(Self(members)),
        }
    }

    /// The value of a member.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).and_then(|at| self.0.get(at)).map(|(_, value)| value)
    }

    /// Takes a member out, so that its text need not be copied.
    pub(super) fn remove(&mut self, name: &str) -> Option<Value> {
        self.position(name).map(|at| self.0.remove(at).1)
    }

    /// Whether there is a member of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// All members, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The same members, independent of the text from which they were parsed.
    pub(super) fn into_owned(self) -> Members<'static> {
        Members(self.0.into_iter().map(|(name, value)| (name.into_owned().into(), value)).collect())
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name)).ok()
    }
}

/// Why a text is not an acceptable object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ObjectError {
    /// Not UTF-8, not JSON (RFC 8259), or not an object.
    NotAnObject,
    /// A member is repeated, at whatever depth: parsers differ in which one they use (RFC 8725 section 2.4).
    Duplicate(String),
}

/// The members of an object inside of another, which are known to be different.
impl From<Map<String, Value>> for Members<'_> {
    fn from(members: Map<String, Value>) -> Self {
        let mut members: Vec<(Cow<'_, str>, Value)> =
            members.into_iter().map(|(name, value)| (name.into(), value)).collect();
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Self(members)
    }
}

/// Parses exactly one JSON object in which no name is repeated, at any depth.
///
/// The depth is bounded by serde_json.
pub(super) fn parse(json: &[u8]) -> Result<Members<'_>, ObjectError> {
    let json = std::str::from_utf8(json).map_err(|_| ObjectError::NotAnObject)?;
    let mut duplicate = None;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let parsed = deserializer
        .deserialize_map(List { duplicate: &mut duplicate })
        .and_then(|members| deserializer.end().map(|()| members));
    match (parsed, duplicate) {
        (_, Some(name)) => Err(ObjectError::Duplicate(name)),
        (Ok(members), None) => Members::new(members).map_err(ObjectError::Duplicate),
        (Err(_), None) => Err(ObjectError::NotAnObject),
    }
}

/// Deserializes the members of an object as they come.
struct List<'r> {
    duplicate: &'r mut Option<String>,
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Vec<(Cow<'de, str>, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // As many as a typical token has.
        let mut members = Vec::with_capacity(8);
        while let Some(name) = map.next_key_seed(Name)? {
            members.push((name, map.next_value_seed(Strict { duplicate: self.duplicate })?));
        }
        Ok(members)
    }
}

/// Deserializes a name, which is copied only if it has escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(name.into())
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(name.to_owned().into())
    }
}

/// Deserializes a value, and stores the first repeated name.
struct Strict<'r> {
    duplicate: &'r mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(Strict { duplicate: self.duplicate })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                *self.duplicate = Some(name);
                return Err(A::Error::custom("a repeated member"));
            }
            let value = map.next_value_seed(Strict { duplicate: self.duplicate })?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_repeated_member_is_refused_at_every_depth() {
        for (json, name) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":1,"\u0061":2}"#, "a"),
            (r#"{"x":{"b":1,"b":2}}"#, "b"),
            (r#"{"x":[[{"c":1,"c":2}]]}"#, "c"),
            (r#"{"":1,"":2}"#, ""),
        ] {
            assert_eq!(parse(json.as_bytes()), Err(ObjectError::Duplicate(name.to_owned())), "{json}");
        }
        assert!(parse(br#"{"a":1,"A":2,"x":{"a":3},"y":[{"a":4},{"a":5}]}"#).is_ok());
    }

    #[test]
    fn only_one_json_object_is_accepted() {
        for json in [
            &b""[..],
            b"[]",
            b"\"a\"",
            b"null",
            b"1",
            b"{",
            b"{}{}",
            b"{} x",
            b"{\"a\":1,}",
            b"{'a':1}",
            b"{\"a\":NaN}",
            b"{\"a\":1e999}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"\\ud800\"}",
            b"\xef\xbb\xbf{}",
            b"\0{}",
            b"{}\0",
        ] {
            assert_eq!(parse(json), Err(ObjectError::NotAnObject), "{}", String::from_utf8_lossy(json));
        }
        assert!(parse(b" {} \n").unwrap().iter().next().is_none());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
        assert_eq!(parse(deep.as_bytes()), Err(ObjectError::NotAnObject));
    }

    proptest! {
        #[test]
        fn what_is_accepted_has_the_meaning_that_serde_json_sees(json in "[\\[\\]{}\":,a1. ]{0,24}") {
            if let Ok(members) = parse(json.as_bytes()) {
                let members: Map<_, _> = members.0.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
                prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), Value::Object(members));
            }
        }
    }
}
