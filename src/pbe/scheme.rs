//! Encryption schemes: PBES2 (RFC 8018 section 6.2), and those of PKCS#12 (RFC 7292 appendix C).

use aws_lc_rs::{
    cipher::{AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    iv::FixedLength,
};
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit, KeyInit, block_padding::Pkcs7};
use zeroize::Zeroizing;

use super::{
    PbeError, Secret,
    ber::{Element, OCTET_STRING, SEQUENCE},
    kdf::{Hash, Pkcs12Derivation, Pkcs12Password, Purpose, algorithm, pbkdf2, unsupported},
    oid,
    work::Work,
};

/// Decrypts what is encrypted by an `AlgorithmIdentifier`. `form` is the password for the schemes of PKCS#12.
pub(super) fn decrypt(
    scheme: &Element<'_>,
    data: &[u8],
    password: &str,
    form: &Pkcs12Password,
    work: &mut Work,
) -> Result<Secret, PbeError> {
    let (oid, parameters) = algorithm(scheme)?;
    let Some(parameters) = parameters else { return Err(unsupported("is encrypted by", oid)) };
    let (cipher, key_length) = match oid {
        oid::PBES2 => return pbes2(&parameters, data, password, work),
        oid::PBE_SHA1_DES_EDE3 => (Cipher::DesEde3, 24),
        oid::PBE_SHA1_DES_EDE2 => (Cipher::DesEde2, 16),
        oid::PBE_SHA1_RC2_128 => (Cipher::Rc2, 16),
        oid::PBE_SHA1_RC2_40 => (Cipher::Rc2, 5),
        other if other.starts_with(oid::PKCS5) => {
            return Err(PbeError::Unsupported(
                "is encrypted by DES or RC2 with a key of PKCS#5 v1.5".to_owned(),
            ));
        }
        other => return Err(unsupported("is encrypted by", other)),
    };
    let mut fields = parameters.reader(SEQUENCE)?;
    let (salt, iterations) = (fields.next()?.octets(OCTET_STRING)?, fields.next()?.number()?);
    fields.finish()?;
    let derivation = Pkcs12Derivation { hash: Hash::Sha1, salt: &salt, iterations };
    let key = derivation.derive(form, Purpose::Encryption, key_length, work)?;
    let iv = derivation.derive(form, Purpose::InitializationVector, 8, work)?;
    cipher.decrypt(&key, &iv, data)
}

fn pbes2(parameters: &Element<'_>, data: &[u8], password: &str, work: &mut Work) -> Result<Secret, PbeError> {
    let mut fields = parameters.reader(SEQUENCE)?;
    let (derivation, scheme) = (fields.next()?, fields.next()?);
    fields.finish()?;
    let (oid, parameters) = algorithm(&scheme)?;
    let (cipher, key_length) = match oid {
        oid::AES_128_CBC => (Cipher::Aes, 16),
        oid::AES_192_CBC => (Cipher::Aes, 24),
        oid::AES_256_CBC => (Cipher::Aes, 32),
        oid::DES_EDE3_CBC => (Cipher::DesEde3, 24),
        other => return Err(unsupported("is encrypted by", other)),
    };
    let iv = parameters.ok_or(PbeError::Malformed)?.octets(OCTET_STRING)?;
    let key = pbkdf2(&derivation, password, key_length, work)?;
    cipher.decrypt(&key, &iv, data)
}

/// A block cipher in CBC mode, with the padding of PKCS#7.
#[derive(Clone, Copy)]
enum Cipher {
    Aes,
    DesEde3,
    DesEde2,
    Rc2,
}

impl Cipher {
    fn decrypt(self, key: &[u8], iv: &[u8], data: &[u8]) -> Result<Secret, PbeError> {
        match self {
            Self::Aes => aes(key, iv, data),
            Self::DesEde3 => legacy(des::TdesEde3::new_from_slice(key).ok(), iv, data),
            Self::DesEde2 => legacy(des::TdesEde2::new_from_slice(key).ok(), iv, data),
            Self::Rc2 => legacy(Some(rc2::Rc2::new_with_eff_key_len(key, key.len() * 8)), iv, data),
        }
    }
}

fn aes(key: &[u8], iv: &[u8], data: &[u8]) -> Result<Secret, PbeError> {
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    let iv: [u8; 16] = iv.try_into().map_err(|_| PbeError::Malformed)?;
    let key = UnboundCipherKey::new(algorithm, key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
    let key = key.map_err(|_| PbeError::Malformed)?;
    let mut plain = Zeroizing::new(data.to_vec());
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let length = key.decrypt(&mut plain, context).map_err(|_| PbeError::WrongPassword)?.len();
    plain.truncate(length);
    Ok(plain)
}

/// Decrypts by a cipher with blocks of 8 bytes.
fn legacy<C>(cipher: Option<C>, iv: &[u8], data: &[u8]) -> Result<Secret, PbeError>
where
    C: BlockCipherDecrypt,
{
    let cipher = cipher.ok_or(PbeError::Malformed)?;
    let decryptor = cbc::Decryptor::inner_iv_slice_init(cipher, iv).map_err(|_| PbeError::Malformed)?;
    let mut plain = Zeroizing::new(data.to_vec());
    let length = decryptor.decrypt_padded::<Pkcs7>(&mut plain).map_err(|_| PbeError::WrongPassword)?.len();
    plain.truncate(length);
    Ok(plain)
}
