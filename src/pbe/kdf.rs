//! Keys from passwords: PBKDF2 (RFC 8018 section 5.2), and the derivation of PKCS#12 (RFC 7292 appendix B).

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use zeroize::Zeroizing;

use super::{
    PbeError, Secret,
    ber::{self, Element, OBJECT_IDENTIFIER, SEQUENCE},
    oid,
    work::Work,
};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The hash with this identifier, also as that of its HMAC.
    pub(super) fn of(oid: &[u8]) -> Result<Self, PbeError> {
        match oid {
            oid::SHA1 | oid::HMAC_SHA1 => Ok(Self::Sha1),
            oid::SHA256 | oid::HMAC_SHA256 => Ok(Self::Sha256),
            oid::SHA384 | oid::HMAC_SHA384 => Ok(Self::Sha384),
            oid::SHA512 | oid::HMAC_SHA512 => Ok(Self::Sha512),
            other => Err(unsupported("uses the hash", other)),
        }
    }

    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn pbkdf2(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    /// The bytes of a hash.
    pub(super) fn length(self) -> usize {
        self.digest().output_len()
    }
}

/// The error for an algorithm that is not supported.
pub(super) fn unsupported(what: &str, oid: &[u8]) -> PbeError {
    match oid::dotted(oid) {
        Some(dotted) => PbeError::Unsupported(format!("{what} {dotted}")),
        None => PbeError::Malformed,
    }
}

/// An `AlgorithmIdentifier`: its identifier, and its parameters if there are any but NULL.
pub(super) fn algorithm<'a>(element: &Element<'a>) -> Result<(&'a [u8], Option<Element<'a>>), PbeError> {
    let mut fields = element.reader(SEQUENCE)?;
    let oid = fields.next()?.content(OBJECT_IDENTIFIER)?;
    let parameters = if fields.is_empty() { None } else { Some(fields.next()?) };
    fields.finish()?;
    Ok((oid, parameters.filter(|parameters| parameters.tag != ber::NULL)))
}

/// Derives a key as an `AlgorithmIdentifier` of a key derivation function says. Only PBKDF2 is supported.
pub(super) fn pbkdf2(
    function: &Element<'_>,
    password: &str,
    length: usize,
    work: &mut Work,
) -> Result<Secret, PbeError> {
    let (oid, parameters) = algorithm(function)?;
    match oid {
        oid::PBKDF2 => {}
        oid::SCRYPT => return Err(PbeError::Unsupported("derives its key by scrypt".to_owned())),
        other => return Err(unsupported("derives its key by", other)),
    }
    let mut fields = parameters.ok_or(PbeError::Malformed)?.reader(SEQUENCE)?;
    let salt = fields.next()?.octets(ber::OCTET_STRING)?;
    let iterations = fields.next()?.number()?;
    if let Some(expected) = fields.next_if(ber::INTEGER)?
        && expected.number()? != length as u64
    {
        return Err(PbeError::Malformed);
    }
    let hash = match fields.next_if(SEQUENCE)? {
        Some(function) => Hash::of(algorithm(&function)?.0)?,
        None => Hash::Sha1,
    };
    fields.finish()?;
    let iterations = work.take(iterations, length.div_ceil(hash.length()))?;
    let mut key = Zeroizing::new(vec![0; length]);
    pbkdf2::derive(hash.pbkdf2(), iterations, &salt, password.as_bytes(), &mut key);
    Ok(key)
}

/// What a key of PKCS#12 is for (RFC 7292 appendix B.3).
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Encryption = 1,
    InitializationVector = 2,
    Mac = 3,
}

/// The salt and the number of iterations of PKCS#12's derivation.
pub(super) struct Pkcs12Derivation<'a> {
    pub(super) hash: Hash,
    pub(super) salt: &'a [u8],
    pub(super) iterations: u64,
}

impl Pkcs12Derivation<'_> {
    /// Derives a key from a password (RFC 7292 appendix B.2).
    pub(super) fn derive(
        &self,
        password: &Pkcs12Password,
        purpose: Purpose,
        length: usize,
        work: &mut Work,
    ) -> Result<Secret, PbeError> {
        let Self { hash, salt, iterations } = *self;
        let (digest, hash_length, block) = (hash.digest(), hash.length(), hash.digest().block_len());
        let iterations = work.take(iterations, length.div_ceil(hash_length))?;
        // To a multiple of the block.
        let repeated = |bytes: &[u8]| {
            let length = bytes.len().next_multiple_of(block);
            Zeroizing::new(bytes.iter().copied().cycle().take(length).collect::<Vec<u8>>())
        };
        let mut input = Zeroizing::new([repeated(salt).as_slice(), &repeated(&password.0)].concat());
        let mut key = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(hash_length)));
        while key.len() < length {
            let derived = iterated(digest, purpose, &input, iterations);
            key.extend_from_slice(&derived);
            let addend: Secret = Zeroizing::new(derived.iter().copied().cycle().take(block).collect());
            input.chunks_exact_mut(block).for_each(|chunk| add_with_one(chunk, &addend));
        }
        key.truncate(length);
        Ok(key)
    }
}

/// The hash of the purpose and the input, hashed again until there are as many hashes as iterations.
fn iterated(
    algorithm: &'static digest::Algorithm,
    purpose: Purpose,
    input: &[u8],
    iterations: NonZeroU32,
) -> Secret {
    let mut context = digest::Context::new(algorithm);
    context.update(&vec![purpose as u8; algorithm.block_len()]);
    context.update(input);
    let mut hash = Zeroizing::new(context.finish().as_ref().to_vec());
    for _ in 1..iterations.get() {
        let next = digest::digest(algorithm, &hash);
        hash.copy_from_slice(next.as_ref());
    }
    hash
}

/// Adds to a big-endian number another one of the same length, and one. The carry of the first byte is dropped.
fn add_with_one(number: &mut [u8], addend: &[u8]) {
    let mut carry = 1_u16;
    for (byte, other) in number.iter_mut().zip(addend).rev() {
        carry += u16::from(*byte) + u16::from(*other);
        *byte = carry.to_be_bytes()[1];
        carry >>= 8;
    }
}

/// A password as PKCS#12's derivation takes it (RFC 7292 appendix B.1): UTF-16 with a terminator.
pub(super) struct Pkcs12Password(Secret);

impl Pkcs12Password {
    pub(super) fn new(password: &str) -> Self {
        // The capacity is enough, so that no part of the password stays in freed memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 * password.len() + 2));
        password.encode_utf16().for_each(|unit| bytes.extend_from_slice(&unit.to_be_bytes()));
        bytes.extend_from_slice(&[0, 0]);
        Self(bytes)
    }

    /// No password: some programs write it in place of the empty one.
    pub(super) fn absent() -> Self {
        Self(Zeroizing::default())
    }
}
