//! The check of a keystore by its password (RFC 7292 section 4, RFC 9579).

use aws_lc_rs::hmac;

use super::{
    PbeError,
    ber::{Element, OCTET_STRING, SEQUENCE},
    kdf::{Hash, Pkcs12Derivation, Pkcs12Password, Purpose, algorithm, pbkdf2},
    oid,
    work::Work,
};

/// Checks a `MacData` of this content. Returns the password in the form by which the check succeeds.
pub(super) fn verify(
    data: &Element<'_>,
    content: &[u8],
    password: &str,
    work: &mut Work,
) -> Result<Pkcs12Password, PbeError> {
    let mut fields = data.reader(SEQUENCE)?;
    let mut info = fields.next()?.reader(SEQUENCE)?;
    let (function, expected) = (info.next()?, info.next()?.octets(OCTET_STRING)?);
    info.finish()?;
    let salt = fields.next()?.octets(OCTET_STRING)?;
    let iterations = if fields.is_empty() { 1 } else { fields.next()?.number()? };
    fields.finish()?;
    let (function, parameters) = algorithm(&function)?;
    let is_right =
        |hash: Hash, key: &[u8]| hmac::verify(&hmac::Key::new(hash.hmac(), key), content, &expected).is_ok();
    if function == oid::PBMAC1 {
        let mut fields = parameters.ok_or(PbeError::Malformed)?.reader(SEQUENCE)?;
        let (derivation, scheme) = (fields.next()?, fields.next()?);
        fields.finish()?;
        let hash = Hash::of(algorithm(&scheme)?.0)?;
        // RFC 9579 section 4: as long as the HMAC.
        let key = pbkdf2(&derivation, password, hash.length(), work)?;
        return if is_right(hash, &key) {
            Ok(Pkcs12Password::new(password))
        } else {
            Err(PbeError::WrongPassword)
        };
    }
    let hash = Hash::of(function)?;
    let derivation = Pkcs12Derivation { hash, salt: &salt, iterations };
    let forms = if password.is_empty() { 2 } else { 1 };
    for form in [Pkcs12Password::new(password), Pkcs12Password::absent()].into_iter().take(forms) {
        let key = derivation.derive(&form, Purpose::Mac, hash.length(), work)?;
        if is_right(hash, &key) {
            return Ok(form);
        }
    }
    Err(PbeError::WrongPassword)
}
