//! Reads the public keys of applications: PEM public keys, certificates, JWK and JWK sets.

use std::path::Path;

use super::pem::invalid_content;
use crate::{
    config::{Fault, file},
    identity,
    jose::{Algorithm, Jwk, KeyError, KeySet, KeyType, VerifyingKey},
    pem::{self, PublicKey},
    text::{
        encoding::strip_bom,
        shown,
        suggest::{all_of, quote, shell_word},
    },
};

/// Reads the key of a file: a PEM or DER public key, a certificate, a JWK (RFC 7517), or the key of a JWK set that `kid` selects.
///
/// Without `algorithm` it is used with the `alg` of its JWK, or with RS256.
///
/// # Errors
///
/// If the file contains anything else, several keys, or a key that cannot be used with the algorithm.
pub(super) fn read(
    path: &Path,
    algorithm: Option<Algorithm>,
    kid: Option<&str>,
) -> Result<VerifyingKey, Fault> {
    let bytes = file::read(path, file::LIMIT).map_err(|error| file::unreadable(path, &error))?;
    let unusable = |error: KeyError| unusable(path, &error);
    if strip_bom(&bytes).trim_ascii_start().first() == Some(&b'{') {
        let jwk = jwk_in(path, strip_bom(&bytes), algorithm, kid)?;
        let algorithm = match (algorithm, jwk.algorithm()) {
            (Some(algorithm), _) => algorithm,
            (None, Some(named)) => named.map_err(unusable)?,
            (None, None) => Algorithm::default(),
        };
        return VerifyingKey::from_jwk(&jwk, algorithm, kid).map_err(unusable);
    }
    VerifyingKey::from_spki(&spki_in(path, &bytes)?, algorithm.unwrap_or_default(), kid).map_err(unusable)
}

/// The SubjectPublicKeyInfo in the content of a file: a PEM or DER public key, or that of a certificate.
///
/// # Errors
///
/// If the file contains anything else, or several keys.
pub(super) fn spki_in(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    match pem::public_key(bytes).map_err(|fault| invalid_content(path, &fault))? {
        PublicKey::Spki(der) => Ok(der),
        PublicKey::Certificate(certificate) => identity::spki(&certificate)
            .map_err(|error| file::fault(path, format!(" cannot be used: {error}"))),
    }
}

/// The JWK of a file, or that of a JWK set which `kid` and `algorithm` select.
fn jwk_in(path: &Path, json: &[u8], algorithm: Option<Algorithm>, kid: Option<&str>) -> Result<Jwk, Fault> {
    let set = match KeySet::parse(json) {
        Err(KeyError::Missing { name: "keys" }) => {
            return Jwk::parse(json).map_err(|error| unusable(path, &error));
        }
        set => set.map_err(|error| unusable(path, &error))?,
    };
    let is_selected = |jwk: &&Jwk| {
        let is_algorithm = |wanted| match jwk.algorithm() {
            Some(named) => named == Ok(wanted),
            None => jwk.key_type().fits(wanted),
        };
        kid.is_none_or(|kid| jwk.kid() == Some(kid)) && algorithm.is_none_or(is_algorithm)
    };
    let mut selected = set.keys().iter().filter(is_selected);
    match (selected.next(), selected.next()) {
        (Some(jwk), None) => Ok(jwk.clone()),
        (None, _) => Err(nothing_selected(path, &set, algorithm, kid)),
        (Some(_), Some(_)) => {
            let what = file::fault(path, " is a JWK set with several keys, expected one");
            Err(what.help(match kid {
                Some(_) => {
                    "their kid is the same: write alg to select one, or keep only one in the file".to_owned()
                }
                None => select_one(&set),
            }))
        }
    }
}

fn nothing_selected(path: &Path, set: &KeySet, algorithm: Option<Algorithm>, kid: Option<&str>) -> Fault {
    let Some(first) = set.keys().first() else {
        let fault = file::fault(path, " is a JWK set without a key for signatures");
        return match set.unusable().first() {
            Some(unusable) => fault.help(format!("key {}: {}", unusable.index + 1, unusable.error)),
            None => fault,
        };
    };
    match (kid, algorithm) {
        (Some(kid), _) if !set.keys().iter().any(|jwk| jwk.kid() == Some(kid)) => {
            file::fault(path, format!(" is a JWK set without a key whose kid is {}", quote(kid)))
                .help(select_one(set))
        }
        (_, Some(algorithm)) => {
            file::fault(path, format!(" is a JWK set without such a key for {algorithm}"))
                .help(write_algorithm(first.key_type()))
        }
        (_, None) => file::fault(path, " is a JWK set without such a key").help(select_one(set)),
    }
}

/// The line that selects a key of the set.
fn select_one(set: &KeySet) -> String {
    let kids: Vec<String> = set.keys().iter().filter_map(Jwk::kid).map(|kid| quote(&shown(&kid))).collect();
    if kids.is_empty() {
        return "its keys have no kid: write the key of this credential to a file of its own".to_owned();
    }
    format!("write kid = one of {}", all_of(kids))
}

fn write_algorithm(key_type: KeyType) -> String {
    let fitting = Algorithm::ALL.into_iter().filter(|algorithm| key_type.fits(*algorithm));
    let lines: Vec<String> =
        fitting.map(|algorithm| format!("alg = {}", quote(algorithm.as_str()))).collect();
    format!("write {}", lines.join(" or "))
}

/// The fault of a file with a key that is not accepted.
fn unusable(path: &Path, error: &KeyError) -> Fault {
    let fault = file::fault(path, format!(" cannot be used: {error}"));
    let (file, new) = (path.display().to_string(), format!("{}.new", path.display()));
    match error {
        KeyError::OtherType { key_type, .. } => fault.help(write_algorithm(*key_type)),
        KeyError::OtherAlgorithm { found, .. } => fault.help(format!("write alg = {}", quote(found))),
        KeyError::OtherKid { found } => {
            fault.help(format!("write kid = {}, or leave it out: the JWK has it", quote(found)))
        }
        KeyError::UnknownAlgorithm { .. } => {
            fault.help("let the application sign with one of these, and register that key")
        }
        KeyError::RsaSize { .. } | KeyError::RsaExponent | KeyError::RsassaPss => fault.help(
            "generate a new key: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out NEW.key",
        ),
        KeyError::Curve | KeyError::Type { .. } => fault
            .help("generate a new key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out NEW.key"),
        KeyError::CompressedPoint => fault.help(format!(
            "run: openssl ec -pubin -in {} -conv_form uncompressed -out {}",
            shell_word(&file),
            shell_word(&new)
        )),
        KeyError::Private { .. } => fault.help(
            "a private key belongs to the application alone: generate a new one there, and register only its public part",
        ),
        KeyError::Symmetric => fault.help(
            "register a secret by secret_sha256 with auth_method = \"client_secret_basic\", or a public key here",
        ),
        KeyError::Purpose { .. } => fault.help("use the JWK with \"use\": \"sig\""),
        KeyError::NotJson => fault.help("write one JWK, or a JWK set: {\"keys\": [...]}"),
        _ => fault,
    }
}

#[cfg(test)]
mod tests;
