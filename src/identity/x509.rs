//! Strict parsing of certificates (RFC 5280 section 4.1): the fields first, which is cheap, and the extensions only when they
//! are needed.

pub(crate) mod extensions;
pub(crate) mod general_name;
mod oid;
mod signature;

use time::{Date, Month, Time};

use super::{
    certificate::Validity,
    der::{self, Der, Element},
};

use crate::clock::Timestamp;
pub(crate) use extensions::{Extensions, Malformed};
pub(crate) use signature::{SignatureFault, Signed, algorithm_name, is_accepted};

/// The fields of a certificate, still encoded, with unparsed extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outline<'a> {
    pub(crate) signed: Signed<'a>,
    /// The X.509 version, 1 to 3.
    pub(crate) version: u32,
    /// The content of the serial number INTEGER.
    pub(crate) serial: &'a [u8],
    /// In DER, with the outer SEQUENCE.
    pub(crate) issuer: &'a [u8],
    pub(crate) validity: Validity,
    /// In DER, with the outer SEQUENCE.
    pub(crate) subject: &'a [u8],
    /// In DER, with the outer SEQUENCE.
    pub(crate) spki: &'a [u8],
    extensions: &'a [u8],
}

impl<'a> Outline<'a> {
    /// Parses the fields of a certificate.
    ///
    /// Unique identifiers (section 4.1.2.8) are rejected, since CAs in use do not write them.
    pub(crate) fn parse(certificate: &'a [u8]) -> Result<Self, Malformed> {
        let (tbs, signed) = Signed::parse(certificate).ok_or(Malformed::Field("certificate"))?;
        let mut tbs = Der::new(tbs);
        let field = Malformed::Field;
        let version = match tbs.optional(der::constructed(0)).ok_or(field("version"))? {
            None => 1,
            Some(content) => match der::only(content, der::INTEGER) {
                Some([1]) => 2,
                Some([2]) => 3,
                _ => return Err(field("version")),
            },
        };
        let serial = tbs.take(der::INTEGER).ok_or(field("serialNumber"))?;
        let algorithm = tbs.take(der::SEQUENCE).ok_or(field("signature"))?;
        if algorithm != signed.algorithm {
            return Err(Malformed::TwoAlgorithms);
        }
        let mut sequence = |name| -> Result<Element<'a>, Malformed> {
            tbs.take_element(der::SEQUENCE).ok_or(Malformed::Field(name))
        };
        let issuer = sequence("issuer")?.whole;
        let validity = validity(sequence("validity")?.content).ok_or(field("validity"))?;
        let subject = sequence("subject")?.whole;
        let spki = sequence("subjectPublicKeyInfo")?.whole;
        let extensions = match tbs.optional(der::constructed(3)).ok_or(field("extensions"))? {
            None => &[],
            Some(content) => der::only(content, der::SEQUENCE).ok_or(field("extensions"))?,
        };
        tbs.end().ok_or(field("tbsCertificate"))?;
        Ok(Self { signed, version, serial, issuer, validity, subject, spki, extensions })
    }

    /// Parses all extensions.
    pub(crate) fn extensions(&self) -> Result<Extensions, Malformed> {
        Extensions::read(self.extensions)
    }

    /// The subjectKeyIdentifier and the keyIdentifier of authorityKeyIdentifier (sections 4.2.1.2 and 4.2.1.1). They are only
    /// hints, so malformed ones are ignored.
    pub(crate) fn key_identifiers(&self) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        extensions::key_identifiers(self.extensions)
    }
}

/// Parses a validity (section 4.1.2.5); notBefore must not be after notAfter.
fn validity(content: &[u8]) -> Option<Validity> {
    let mut der = Der::new(content);
    let (not_before, not_after) = (time(der.element()?)?, time(der.element()?)?);
    der.end()?;
    (not_before <= not_after).then_some(Validity { not_before, not_after })
}

/// Parses a UTCTime or GeneralizedTime in the form that RFC 5280 section 4.1.2.5 requires.
pub(crate) fn time(element: Element<'_>) -> Option<Timestamp> {
    let (year, rest) = match (element.tag, element.content.len()) {
        (der::UTC_TIME, 13) => {
            let year = digits(element.content, 0, 2)?;
            (if year >= 50 { 1900 + year } else { 2000 + year }, element.content.get(2..)?)
        }
        (der::GENERALIZED_TIME, 15) => (digits(element.content, 0, 4)?, element.content.get(4..)?),
        _ => return None,
    };
    let pair = |at| digits(rest, at, 2).and_then(|number| u8::try_from(number).ok());
    let month = Month::try_from(pair(0)?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, pair(2)?).ok()?;
    let time = Time::from_hms(pair(4)?, pair(6)?, pair(8)?).ok()?;
    (rest.get(10) == Some(&b'Z')).then(|| date.with_time(time).assume_utc().into())
}

fn digits(bytes: &[u8], at: usize, count: usize) -> Option<u32> {
    let digits = bytes.get(at..at + count)?;
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_seconds_and_a_z() {
        let read = |tag, text: &str| {
            let content = text.as_bytes();
            time(Element { tag, content, whole: content })
        };
        assert_eq!(read(der::UTC_TIME, "300101000000Z"), Some(Timestamp::from_unix(1_893_456_000)));
        assert_eq!(read(der::UTC_TIME, "500101000000Z"), Some(Timestamp::from_unix(-631_152_000)));
        assert_eq!(read(der::GENERALIZED_TIME, "20300101000000Z"), Some(Timestamp::from_unix(1_893_456_000)));
        assert_eq!(
            read(der::GENERALIZED_TIME, "99991231235959Z"),
            Some(Timestamp::from_unix(253_402_300_799))
        );
        for (tag, text) in [
            (der::UTC_TIME, "3001010000Z"),
            (der::UTC_TIME, "300101000000+0000"),
            (der::UTC_TIME, "300101000060Z"),
            (der::UTC_TIME, "300230000000Z"),
            (der::UTC_TIME, "30010100000aZ"),
            (der::GENERALIZED_TIME, "20300101000000.5Z"),
            (der::GENERALIZED_TIME, "300101000000Z"),
            (der::INTEGER, "300101000000Z"),
        ] {
            assert_eq!(read(tag, text), None, "{text}");
        }
    }
}
