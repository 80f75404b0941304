//! A name in few bytes: a registry holds hundreds of thousands, and a tree of strings takes ten times as much.

use super::{Attribute, MAX_NAME_BYTES, Rdn, normal::Normal, value::Value};

/// RDNs in certificate order, as they were given.
///
/// Attribute by attribute: whether it begins an RDN, its dotted type, its DER; each length in four bytes before what it counts.
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

    /// All its bytes, after one that begins no normal form, if it is too large to be compared by anything else.
    pub(super) fn oversize(&self) -> Option<Vec<u8>> {
        (self.0.len() > MAX_NAME_BYTES).then(|| [&[u8::MAX], &*self.0].concat())
    }

    /// The RDNs again.
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

/// The bytes by which two names are the same: those of their RDNs' normal forms. Lengths stand before what they count, so
/// that different names can't run together to the same bytes.
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
    // No name that was ever read has 4 GiB; were there one, it would equal nothing and read as its beginning.
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

/// The first attribute, whether it begins an RDN, and what follows it.
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
