//! Distinguished names (RFC 5280 section 4.1.2.4). They are compared as parsed names, never as strings.

mod attribute;
mod normal;
mod packed;
mod parse;
mod print;
mod value;

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::OnceLock,
};

use normal::Normal;
use packed::Packed;
pub use parse::{ParseNameError, ParseNameWarning};
use value::Value;
use x509_parser::asn1_rs::{Any, FromDer, Tag};

/// A distinguished name in certificate order: the least specific RDN first.
///
/// Equality follows RFC 5280 section 7.1: RDNs are compared in order, the attributes of a multi-valued RDN as a set, and values
/// as Unicode text independent of the ASN.1 string type, ignoring case, compatibility forms and repeated whitespace. A value
/// that is not a valid string equals only the same DER. So does a name larger than [`MAX_NAME_BYTES`], or a value that
/// normalization would enlarge too much, so that strangers cannot cause that work.
#[derive(Clone)]
pub struct DistinguishedName {
    rdns: Packed,
    /// The normal form by which names are compared. Computed lazily, since most names of strangers are never compared.
    normal: OnceLock<Box<[u8]>>,
}

/// The maximum size in bytes of a name that is normalized. X.520 limits most attributes to 64 characters.
pub const MAX_NAME_BYTES: usize = 4096;

/// A relative distinguished name: its attributes in encoded order.
#[derive(Clone, Debug)]
struct Rdn {
    attributes: Vec<Attribute>,
}

#[derive(Clone, Debug)]
struct Attribute {
    /// The type, as a dotted object identifier.
    oid: String,
    value: Value,
}

/// Why bytes are not a `Name`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// They are not the DER of a `Name`.
    #[error("not a distinguished name in DER: {0}")]
    Malformed(&'static str),
    /// An RDN has no attribute (forbidden by RFC 5280 section 4.1.2.4).
    #[error("a distinguished name whose RDN {} is empty", index + 1)]
    EmptyRdn {
        /// Its index, from 0.
        index: usize,
    },
}

/// The first RDN in which a name differs from the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RdnDifference {
    /// Index of the RDN in certificate order, from 0.
    pub index: usize,
    /// The number of RDNs of the longer name.
    pub total: usize,
    /// The expected RDN in RFC 4514 form; `None` if the name has too many.
    pub expected: Option<String>,
    /// The RDN that was found; `None` if the name has too few.
    pub found: Option<String>,
}

impl fmt::Display for RdnDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rdn = |rdn: &Option<String>| {
            rdn.as_ref().map_or_else(|| "nothing".to_owned(), |rdn| format!("{rdn:?}"))
        };
        let (expected, found) = (rdn(&self.expected), rdn(&self.found));
        write!(f, "RDN {} of {}: expected {expected}, found {found}", self.index + 1, self.total)
    }
}

impl DistinguishedName {
    /// Parses a `Name` in DER, with its outer SEQUENCE.
    pub fn from_der(name_der: &[u8]) -> Result<Self, NameError> {
        let (rest, name) = element(name_der, Tag::Sequence, "no SEQUENCE of RDNs")?;
        if !rest.is_empty() {
            return Err(NameError::Malformed("bytes after its end"));
        }
        let mut rdns = Vec::new();
        let mut input = name;
        while !input.is_empty() {
            let (rest, mut set) = element(input, Tag::Set, "an RDN that is not a SET")?;
            let mut attributes = Vec::new();
            while !set.is_empty() {
                let (rest, pair) = element(set, Tag::Sequence, "an attribute that is not a SEQUENCE")?;
                attributes.push(Attribute::from_der(pair)?);
                set = rest;
            }
            if attributes.is_empty() {
                return Err(NameError::EmptyRdn { index: rdns.len() });
            }
            rdns.push(Rdn { attributes });
            input = rest;
        }
        Ok(Self::new(&rdns))
    }

    /// The dotted type and the text of each attribute in certificate order, without those that have no text.
    #[must_use]
    pub fn attributes(&self) -> Vec<(String, String)> {
        let attributes = self.rdns().into_iter().flat_map(|rdn| rdn.attributes);
        attributes.filter_map(|attribute| Some((attribute.oid, attribute.value.text()?.to_owned()))).collect()
    }

    /// Parses a name from a configuration. The form is detected:
    ///
    /// * RFC 4514: `CN=a,O=b,C=DE`, no spaces around `,` and `=`, the most specific RDN first;
    /// * OpenSSL: `C = DE, O = b, CN = a`, in certificate order;
    /// * OpenSSL's old form: `/C=DE/O=b/CN=a`, in certificate order;
    /// * one RDN per line, in certificate order.
    ///
    /// An ambiguous text is an error that shows how to write each interpretation. An unambiguous text that appears to be in the
    /// wrong order gives a warning.
    pub fn parse(text: &str) -> Result<(Self, Option<ParseNameWarning>), ParseNameError> {
        let (name, warning) = parse::parse(text)?;
        if name.rdns.oversize().is_some() {
            return Err(ParseNameError::TooLarge);
        }
        Ok((name, warning))
    }

    /// Whether the names are equal by RFC 5280 section 7.1, like `==`.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self == other
    }

    /// The first RDN, in certificate order, in which `presented` differs from this name.
    #[must_use]
    pub fn first_difference(&self, presented: &Self) -> Option<RdnDifference> {
        if self == presented {
            return None;
        }
        let (expected, found) = (self.rdns(), presented.rdns());
        let total = expected.len().max(found.len());
        let is_oversize = self.rdns.oversize().is_some() || presented.rdns.oversize().is_some();
        let differs =
            |at: &usize| is_oversize || expected.get(*at).map(Rdn::normal) != found.get(*at).map(Rdn::normal);
        let index = (0..total).find(differs)?;
        let text = |rdns: &[Rdn]| rdns.get(index).map(Rdn::shown);
        Some(RdnDifference { index, total, expected: text(&expected), found: text(&found) })
    }

    /// Whether it has no RDN, as the subject of a certificate that has only SANs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// Whether it is in the subtree of `base`, that is, begins with the RDNs of `base` (RFC 5280 section 4.2.1.10). `None` if it
    /// cannot be normalized.
    #[must_use]
    pub fn is_within(&self, base: &Self) -> Option<bool> {
        let is_folded = |attribute: &Attribute| match Normal::of(&attribute.value) {
            Normal::Text(_) => true,
            Normal::Der(_) => attribute.value.text().is_none(),
        };
        let is_comparable = self.rdns.oversize().is_none()
            && self.rdns().iter().flat_map(|rdn| &rdn.attributes).all(is_folded);
        // The normal form has length prefixes, so a prefix of it always ends at an RDN.
        is_comparable.then(|| self.normal().starts_with(base.normal()))
    }

    /// The values of its emailAddress attributes; `None` for one that is not text.
    pub(crate) fn email_addresses(&self) -> impl Iterator<Item = Option<String>> {
        const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";
        let attributes = self.rdns().into_iter().flat_map(|rdn| rdn.attributes);
        attributes
            .filter(|attribute| attribute.oid == EMAIL_ADDRESS)
            .map(|attribute| attribute.value.text().map(str::to_owned))
    }

    fn new(rdns: &[Rdn]) -> Self {
        Self { rdns: Packed::of(rdns), normal: OnceLock::new() }
    }

    fn normal(&self) -> &[u8] {
        self.normal.get_or_init(|| match self.rdns.oversize() {
            Some(bytes) => bytes.into(),
            None => packed::normal(&self.rdns()),
        })
    }

    fn rdns(&self) -> Vec<Rdn> {
        self.rdns.rdns()
    }
}

impl Rdn {
    /// The attributes in normal form, sorted.
    fn normal(&self) -> Vec<(&str, Normal)> {
        let attributes = self.attributes.iter();
        let mut pairs: Vec<_> =
            attributes.map(|attribute| (attribute.oid.as_str(), Normal::of(&attribute.value))).collect();
        pairs.sort_unstable();
        pairs
    }
}

impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.rdns == other.rdns || self.normal() == other.normal()
    }
}

impl Eq for DistinguishedName {}

impl Hash for DistinguishedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normal().hash(state);
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DistinguishedName({:?})", self.shown())
    }
}

impl Attribute {
    fn from_der(pair: &[u8]) -> Result<Self, NameError> {
        let (value, oid) = element(pair, Tag::Oid, "an attribute without a type")?;
        let oid =
            dotted(oid).ok_or(NameError::Malformed("an attribute type that is not an object identifier"))?;
        let value = Value::from_der(value).ok_or(NameError::Malformed("an attribute without one value"))?;
        Ok(Self { oid, value })
    }
}

/// Parses a DER element with this tag. Returns the remaining input and the content.
fn element<'a>(
    input: &'a [u8],
    tag: Tag,
    otherwise: &'static str,
) -> Result<(&'a [u8], &'a [u8]), NameError> {
    match Any::from_der(input) {
        Ok((rest, any)) if any.header.assert_tag(tag).is_ok() && any.header.is_universal() => {
            Ok((rest, any.data))
        }
        _ => Err(NameError::Malformed(otherwise)),
    }
}

/// The dotted form of an object identifier's content (X.690 section 8.19).
pub(super) fn dotted(bytes: &[u8]) -> Option<String> {
    let mut arcs: Vec<u128> = Vec::new();
    let mut arc: u128 = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let first = at == 0 || bytes.get(at - 1).is_some_and(|before| before & 0x80 == 0);
        if (first && *byte == 0x80) || arc.leading_zeros() < 7 {
            return None;
        }
        arc = (arc << 7) | u128::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    if bytes.last().is_none_or(|last| last & 0x80 != 0) {
        return None;
    }
    let (first, rest) = arcs.split_first()?;
    let root = (*first / 40).min(2);
    let mut text = format!("{root}.{}", first - root * 40);
    for arc in rest {
        text.push('.');
        text.push_str(&arc.to_string());
    }
    Some(text)
}

#[cfg(test)]
mod tests;
