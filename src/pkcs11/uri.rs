//! Which private key of which token.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::sign::SigningKey;

/// A private key by the attributes of its URI (RFC 7512). Attributes that are absent match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyUri {
    /// The library of the token's vendor.
    pub module: PathBuf,
    /// The label of the token.
    pub token: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its manufacturer.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// The number of its slot. Many modules change it when a token is added.
    pub slot: Option<u64>,
    /// The label of the key (`CKA_LABEL`).
    pub object: Option<String>,
    /// The identifier of the key (`CKA_ID`).
    pub id: Option<Vec<u8>>,
}

impl KeyUri {
    /// The attributes that select the token and the key, as the URI has them.
    fn attributes(&self) -> impl Iterator<Item = (&'static str, String)> {
        let texts = [
            ("token", &self.token),
            ("serial", &self.serial),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
        ];
        let texts = texts.into_iter().filter_map(|(name, value)| Some((name, escaped(value.as_ref()?))));
        texts
            .chain(self.slot.map(|slot| ("slot-id", slot.to_string())))
            .chain(self.object.as_ref().map(|object| ("object", escaped(object))))
            .chain(self.id.as_ref().map(|id| ("id", escaped_id(id))))
    }
}

impl fmt::Display for KeyUri {
    /// The URI without its query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attributes: Vec<String> =
            self.attributes().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "pkcs11:{}", attributes.join(";"))
    }
}

/// The characters that an attribute's value has as they are: unreserved ones of RFC 3986, and some of RFC 7512.
fn escaped(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=&".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { percent(byte) }).collect()
}

/// An identifier is a number, mostly not of characters.
pub(super) fn escaped_id(id: &[u8]) -> String {
    id.iter().copied().map(percent).collect()
}

fn percent(byte: u8) -> String {
    format!("%{byte:02x}")
}

/// A private key that was found in its token and belongs to a certificate.
#[derive(Clone, Debug)]
pub struct OpenedKey {
    /// Signs in the token.
    pub key: Arc<dyn SigningKey>,
    /// Unlike that of every other key that was opened by this process.
    pub number: u64,
}

/// A key or a token, as messages list those that were found.
#[cfg(feature = "pkcs11")]
pub(super) fn listed(attributes: &[(&str, &str)]) -> String {
    let shown: Vec<String> = attributes
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", escaped(value)))
        .collect();
    if shown.is_empty() { "one without a label".to_owned() } else { shown.join(";") }
}
