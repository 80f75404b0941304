//! DER parsing that distinguishes kinds of objects and finds their end.

use super::{
    fault::Fault,
    kind::{KeyForm, Kind, Wanted},
};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, constructed.
const CONTEXT_0: u8 = 0xa0;
/// The indefinite length of BER, which DER does not allow.
const INDEFINITE: u8 = 0x80;

/// Whether a file is DER and not text: a SEQUENCE with a length of several bytes, or a short one that is exactly the file.
pub(super) fn is_der(file: &[u8]) -> bool {
    match file {
        [SEQUENCE, length, INTEGER | SEQUENCE, ..] if *length < 0x80 => {
            file.len() == usize::from(*length) + 2
        }
        [SEQUENCE, length, ..] => *length >= 0x80,
        _ => false,
    }
}

/// Checks that `der` is exactly one object of this kind.
pub(super) fn check(der: &[u8], wanted: Wanted, line: Option<usize>, kind: &Kind) -> Result<(), Fault> {
    let broken = |what: &str| Err(Fault::of_object(line, what));
    if let [SEQUENCE, INDEFINITE, rest @ ..] = der {
        return match rest.first() {
            Some(&INTEGER) => Err(Fault::unexpected(wanted, &Kind::Pkcs12, line)),
            Some(&OBJECT_IDENTIFIER) => Err(Fault::unexpected(wanted, &Kind::Pkcs7, line)),
            _ => broken("it is BER with an indefinite length, expected DER"),
        };
    }
    let Some((tag, content, after)) = element(der) else {
        let what = match missing(der) {
            Some(missing) => format!("it is truncated: the last {missing} bytes are missing"),
            None => "it is not DER".to_owned(),
        };
        return broken(&what);
    };
    let found = (tag == SEQUENCE).then(|| kind_of(content)).flatten();
    match found {
        Some(Kind::Key(_)) if matches!(kind, Kind::Key(_)) && found.as_ref() != Some(kind) => {
            broken("found a private key in another encoding than its label says")
        }
        Some(found) if found != *kind => Err(Fault::unexpected(wanted, &found, line)),
        None => broken(&format!("it does not have the structure of {kind}")),
        // `openssl x509 -trustout` appends trust settings to the certificate.
        Some(Kind::Certificate) if is_trust_settings(after) => {
            Err(Fault::unexpected(wanted, &Kind::TrustedCertificate, line))
        }
        Some(_) if !after.is_empty() => broken(&format!(
            "found data after the end of {kind} (bytes: {}), expected one object",
            after.len()
        )),
        Some(_) => Ok(()),
    }
}

fn is_trust_settings(after: &[u8]) -> bool {
    matches!(element(after), Some((SEQUENCE, content, [])) if kind_of(content).is_none())
}

/// The kind of object in a DER file.
pub(super) fn kind_of_file(der: &[u8]) -> Option<Kind> {
    element(der).and_then(|(_, content, _)| kind_of(content))
}

/// The kind of object of a SEQUENCE with this content.
fn kind_of(content: &[u8]) -> Option<Kind> {
    let outer = children(content)?;
    let tags: Vec<u8> = outer.iter().map(|(tag, _)| *tag).collect();
    Some(match tags.as_slice() {
        [SEQUENCE, SEQUENCE, BIT_STRING] => return signed(outer.first()?.1),
        [SEQUENCE, BIT_STRING] => Kind::PublicKey,
        [SEQUENCE, OCTET_STRING] => Kind::EncryptedKey,
        [OBJECT_IDENTIFIER, CONTEXT_0] => Kind::Pkcs7,
        [INTEGER, SEQUENCE, OCTET_STRING, ..] => Kind::Key(KeyForm::Pkcs8),
        [INTEGER, OCTET_STRING, ..] => Kind::Key(KeyForm::Sec1),
        [INTEGER, SEQUENCE] | [INTEGER, SEQUENCE, SEQUENCE] => Kind::Pkcs12,
        [INTEGER, SEQUENCE, ..] => Kind::EcParameters,
        [INTEGER, INTEGER] | [INTEGER, INTEGER, INTEGER] => Kind::Parameters,
        [INTEGER, INTEGER, INTEGER, INTEGER, INTEGER, INTEGER] => Kind::DsaKey,
        [INTEGER, INTEGER, INTEGER, INTEGER, INTEGER, INTEGER, ..] => Kind::Key(KeyForm::Pkcs1),
        _ => return None,
    })
}

/// The kind of a signed object, by the first fields of its TBS part (RFC 5280 sections 4.1 and 5.1, RFC 2986, RFC 5755).
fn signed(tbs: &[u8]) -> Option<Kind> {
    const TIME: [u8; 2] = [UTC_TIME, GENERALIZED_TIME];
    let tags: Vec<u8> = children(tbs)?.iter().map(|(tag, _)| *tag).collect();
    Some(match tags.as_slice() {
        [CONTEXT_0, INTEGER, ..] | [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, ..] => {
            Kind::Certificate
        }
        [INTEGER, SEQUENCE, SEQUENCE, time, ..] | [SEQUENCE, SEQUENCE, time, ..] if TIME.contains(time) => {
            Kind::Crl
        }
        [INTEGER, SEQUENCE, SEQUENCE] | [INTEGER, SEQUENCE, SEQUENCE, CONTEXT_0] => Kind::Request,
        [INTEGER, SEQUENCE, CONTEXT_0, ..] => Kind::AttributeCertificate,
        _ => return None,
    })
}

/// The tags and contents of the elements in a constructed element; `None` if it is malformed.
fn children(mut content: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut children = Vec::new();
    while !content.is_empty() {
        let (tag, inner, rest) = element(content)?;
        children.push((tag, inner));
        content = rest;
    }
    Some(children)
}

/// The tag and content of the first element, and the rest.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, length, rest) = header(bytes)?;
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// How many bytes of the first element are missing, if it is truncated.
fn missing(bytes: &[u8]) -> Option<usize> {
    let (_, length, rest) = header(bytes)?;
    length.checked_sub(rest.len()).filter(|missing| *missing > 0)
}

/// The tag and length of the first element, and the rest. Tags have one byte, and lengths their shortest form (X.690 section
/// 10.1).
fn header(bytes: &[u8]) -> Option<(u8, usize, &[u8])> {
    let [tag, first, rest @ ..] = bytes else { return None };
    if *first < 0x80 {
        return Some((*tag, usize::from(*first), rest));
    }
    let (bytes, rest) = rest.split_at_checked(usize::from(*first & 0x7f))?;
    if bytes.is_empty() || bytes.len() > 4 || bytes.first() == Some(&0) {
        return None;
    }
    let length = bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    (length >= 0x80).then_some((*tag, length, rest))
}
