//! Tokens that an input describes and keys of this run sign, and the readers to which the edge's are compared.
//!
//! The first line of an input is a word of choices, one letter each: the key `e` (Ed25519), `p` (P-256, with the kid "2026"), `r` (RSA, for
//! PS256) or `s` (Ed25519, a stranger's); the damage `m` (a changed payload), `g` (a changed signature) or `c` (a signature that is cut
//! off); `f` for FAPI 2.0. The second line is the header, and a part of its own follows.

use std::sync::LazyLock;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mtls_edge::jose::{Algorithm, VerifyingKey};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use testkit::jws::SigningKey;

/// The time at which everything is judged.
pub const NOW: i64 = 1_700_000_000;
/// The client that has registered the keys.
pub const CLIENT: &str = "a";
/// The issuer identifier of the domain.
pub const ISSUER: &str = "https://auth.example/";
/// A further value of `aud` that the domain accepts.
pub const OLD_AUDIENCE: &str = "https://old.example/token";

/// A private key of this run, and how its public half is registered.
pub struct Key {
    /// The letter that chooses it.
    pub letter: u8,
    /// The only algorithm for which it is registered.
    pub algorithm: Algorithm,
    /// The registered identifier.
    pub kid: Option<&'static str>,
    private: SigningKey,
}

/// All keys.
pub static KEYS: LazyLock<[Key; 4]> = LazyLock::new(|| {
    let key = |letter, algorithm: Algorithm, kid| Key {
        letter,
        algorithm,
        kid,
        private: SigningKey::for_algorithm(algorithm.as_str()),
    };
    [
        key(b'e', Algorithm::EdDSA, None),
        key(b'p', Algorithm::ES256, Some("2026")),
        key(b'r', Algorithm::PS256, None),
        key(b's', Algorithm::EdDSA, None),
    ]
});

impl Key {
    /// The key of a letter.
    pub fn of(letter: u8) -> &'static Self {
        KEYS.iter().find(|key| key.letter == letter).unwrap()
    }

    /// The public key, as it is registered.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey::from_spki(&self.private.spki(), self.algorithm, self.kid).unwrap()
    }

    /// The public key as a JWK, with its required members only.
    pub fn jwk(&self) -> Value {
        self.private.jwk()
    }

    /// A token with these texts, signed for `alg`.
    pub fn token(&self, alg: &str, header: &str, payload: &str) -> String {
        self.private.token_of(alg, header, payload)
    }
}

/// What an input describes.
pub struct Draft<'i> {
    /// The key that signs.
    pub key: &'static Key,
    /// Whether the token is changed after it was signed.
    pub is_damaged: bool,
    /// Whether FAPI 2.0 applies.
    pub is_fapi: bool,
    /// The text of the header.
    pub header: &'i str,
    /// The lines that follow.
    pub rest: &'i str,
    damage: Option<u8>,
}

impl<'i> Draft<'i> {
    /// Reads an input.
    pub fn read(input: &'i [u8]) -> Option<Self> {
        let text = std::str::from_utf8(input).ok()?;
        let (choices, text) = text.split_once('\n')?;
        let (header, rest) = text.split_once('\n')?;
        let chosen = |among: &[u8]| choices.bytes().rev().find(|letter| among.contains(letter));
        let letters = KEYS.each_ref().map(|key| key.letter);
        let damage = chosen(b"mgc");
        Some(Self {
            key: Key::of(chosen(&letters).unwrap_or(b'e')),
            is_damaged: damage.is_some(),
            is_fapi: chosen(b"f").is_some(),
            header,
            rest,
            damage,
        })
    }

    /// The token with this payload.
    pub fn token(&self, payload: &str) -> String {
        let named = object(self.header.as_bytes());
        let alg = named.as_ref().and_then(|header| header.get("alg")?.as_str());
        let mut token = self.key.token(alg.unwrap_or_default(), self.header, payload);
        let signature = token.rfind('.').unwrap() + 1;
        match self.damage {
            Some(b'm') => {
                let changed = format!("{payload} ");
                let part = URL_SAFE_NO_PAD.encode(changed);
                let start = token.find('.').unwrap() + 1;
                token.replace_range(start..signature - 1, &part);
            }
            Some(b'g') => {
                // The first character has no bits that encode nothing.
                let other = if token[signature..].starts_with('A') { "B" } else { "A" };
                token.replace_range(signature..=signature, other);
            }
            Some(_) => token.truncate(signature),
            None => {}
        }
        token
    }

    /// Whether the token is signed by a registered key, for its algorithm and by its name, and its header is acceptable.
    pub fn is_authentic(&self, registered: &[u8]) -> bool {
        let Some(header) = object(self.header.as_bytes()) else { return false };
        let text = |name: &str| match header.get(name) {
            None => Some(None),
            Some(value) => value.as_str().map(Some),
        };
        let (Some(alg), Some(kid), Some(cty), Some(_)) = (text("alg"), text("kid"), text("cty"), text("typ"))
        else {
            return false;
        };
        let never = ["jwk", "jku", "x5c", "x5u", "crit", "b64"];
        let is_nested = cty.is_some_and(|cty| {
            let lower = cty.to_ascii_lowercase();
            let name = lower.strip_prefix("application/").unwrap_or(&lower);
            name == "jwt" || name.ends_with("+jwt")
        });
        let is_for_key = match self.key.algorithm {
            Algorithm::EdDSA => matches!(alg, Some("EdDSA" | "Ed25519")),
            other => alg == Some(other.as_str()),
        };
        let is_named = kid.is_none() || self.key.kid.is_none() || kid == self.key.kid;
        let is_plain = never.iter().all(|name| !header.contains_key(*name)) && !is_nested;
        registered.contains(&self.key.letter) && !self.is_damaged && is_for_key && is_named && is_plain
    }

    /// `typ` without the prefix that may be left out, in lower case.
    pub fn typ(&self) -> Option<String> {
        let typ = object(self.header.as_bytes())?.get("typ")?.as_str()?.to_ascii_lowercase();
        Some(typ.strip_prefix("application/").map_or(typ.clone(), str::to_owned))
    }
}

/// A time claim in whole seconds: `Err` for a value that is not a time.
pub fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, ()> {
    const LAST: f64 = 253_402_300_799.0;
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if (0.0..=LAST).contains(&seconds) => {
                format!("{:.0}", seconds.floor()).parse().map(Some).map_err(|_| ())
            }
            _ => Err(()),
        },
    }
}

/// Whether the token may be used at [`NOW`]: `exp` not over and at most `limit` seconds ahead, `iat` and `nbf` at most 10. Returns `exp`.
pub fn is_in_time(claims: &Map<String, Value>, limit: i64) -> Option<i64> {
    let (Ok(Some(exp)), Ok(nbf), Ok(iat)) = (time(claims, "exp"), time(claims, "nbf"), time(claims, "iat"))
    else {
        return None;
    };
    let begun = [nbf, iat].into_iter().flatten().all(|time| time <= NOW + 10);
    let is_short = exp <= NOW + limit + 10 && iat.is_none_or(|iat| exp - iat <= limit);
    (exp > NOW && begun && is_short).then_some(exp)
}

/// The values of `aud`: a string, or an array of at least one string.
pub fn audience(claims: &Map<String, Value>) -> Option<Vec<&str>> {
    match claims.get("aud")? {
        Value::String(one) => Some(vec![one]),
        Value::Array(several) if !several.is_empty() => several.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// The JSON object, if no name is repeated in it at any depth.
pub fn object(json: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(json) {
        Ok(Unique(Value::Object(members))) => Some(members),
        _ => None,
    }
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = sequence.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unique(value))) = map.next_entry::<String, _>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a repeated name"));
            }
        }
        Ok(members.into())
    }
}
