//! A compact representation of names, since a registry may contain hundreds of thousands: a tree of strings would take ten
//! times as much memory.

use super::{Attribute, MAX_NAME_BYTES, Rdn, normal::Normal, value::Value};

/// RDNs in certificate order, not normalized.
///
/// The encoding of each attribute: a byte that is 1 if it begins an RDN, the dotted type, and the DER of the value, the latter
/// two with a length prefix of four bytes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    pub(super) fn of(rdns: &[Rdn]) -> Self {
        let mut bytes = Vec::new();
        for rdn in rdns {
            for (at, attribute) in rdn.attributes.iter().enumerate() {
                bytes.push(u8::from(at == 0));
                push(&mut bytes, attribute.oid.as_bytes());
                push(&mut bytes, attribute.value.der());
            }
        }
        Self(bytes.into())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The form by which a name larger than [`MAX_NAME_BYTES`] is compared: its bytes after a byte that no normal form begins with.
    /// `None` for other names.
    pub(super) fn oversize(&self) -> Option<Vec<u8>> {
        (self.0.len() > MAX_NAME_BYTES).then(|| [&[u8::MAX], &*self.0].concat())
    }

    /// Unpacks the RDNs.
    pub(super) fn rdns(&self) -> Vec<Rdn> {
        let mut rdns: Vec<Rdn> = Vec::new();
        let mut rest = &*self.0;
        while let Some((begins, attribute, behind)) = attribute(rest) {
            match rdns.last_mut() {
                Some(rdn) if !begins => rdn.attributes.push(attribute),
                _ => rdns.push(Rdn { attributes: vec![attribute] }),
            }
            rest = behind;
        }
        rdns
    }
}

/// Encodes the normal form of RDNs. Length prefixes ensure that different names have different encodings.
pub(super) fn normal(rdns: &[Rdn]) -> Box<[u8]> {
    let mut bytes = Vec::new();
    for rdn in rdns {
        let attributes = rdn.normal();
        push_length(&mut bytes, attributes.len());
        for (oid, value) in attributes {
            push(&mut bytes, oid.as_bytes());
            let (kind, value) = match &value {
                Normal::Text(text) => (0, text.as_bytes()),
                Normal::Der(der) => (1, &**der),
            };
            bytes.push(kind);
            push(&mut bytes, value);
        }
    }
    bytes.into()
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    push_length(bytes, part.len());
    bytes.extend_from_slice(part);
}

fn push_length(bytes: &mut Vec<u8>, length: usize) {
    // No parsed name has 4 GiB.
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

/// Decodes the first attribute: whether it begins an RDN, the attribute, and the remaining bytes.
fn attribute(bytes: &[u8]) -> Option<(bool, Attribute, &[u8])> {
    let (begins, rest) = bytes.split_first()?;
    let (oid, rest) = part(rest)?;
    let (der, rest) = part(rest)?;
    let oid = std::str::from_utf8(oid).ok()?.to_owned();
    Some((*begins == 1, Attribute { oid, value: Value::from_der(der)? }, rest))
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
