//! Loads a private key of a PKCS#11 token.

use std::{
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::Path,
    sync::Arc,
};

use rustls::{
    pki_types::{CertificateDer, SubjectPublicKeyInfoDer},
    sign::SigningKey,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    clock::Timestamp,
    config::{Fault, Problem, file, settings::TokenKey},
    identity::ClientCertificate,
    pkcs11::{self, OpenError, Patience, Side},
    text::encoding,
};

/// A private key, and a hash that changes with it.
pub(super) type LoadedKey = (Arc<dyn SigningKey>, [u8; 32]);

/// After how many seconds a configuration is tried again that was rejected since a token did not answer.
const RETRY: i64 = 60;

/// For what a key of a token is opened.
pub(super) struct TokenUse<'a> {
    /// The key of the configuration.
    pub(super) name: &'static str,
    pub(super) side: Side,
    pub(super) patience: &'a Patience,
    pub(super) now: Timestamp,
}

/// Opens the key of the token, which must be that of a certificate of the chain.
pub(super) fn load_token_key(
    key: &TokenKey,
    TokenUse { name, side, patience, now }: TokenUse<'_>,
    chain: &[CertificateDer<'static>],
    problems: &mut Vec<Problem>,
) -> Option<LoadedKey> {
    let span = &key.pin_file.span;
    let path = &key.pin_file.value;
    // Before files that such a build does not need.
    let supported = if cfg!(feature = "pkcs11") { Ok(()) } else { Err(refused(&OpenError::Unsupported)) };
    let pin = supported.and_then(|()| check_module(&key.uri.module)).and_then(|()| read_pin(path));
    let mut ends = None;
    let opened = pin.and_then(|(pin, mode)| {
        if mode & 0o007 != 0 {
            let what = format!("{} can be read by others (mode {mode:03o})", path.display());
            problems.push(Problem::warning(span, name, what).help(file::chmod("o=", path)));
        }
        let public_keys: Vec<_> = chain.iter().filter_map(public_key).collect();
        pkcs11::open(&key.uri, &pin, &public_keys, side, patience).map_err(|error| {
            if error.may_end() {
                ends = Some(Timestamp::from_unix(now.unix() + RETRY));
            }
            refused(&error)
        })
    });
    match opened {
        Ok(opened) => {
            let mut hash = Sha256::new_with_prefix("pkcs11");
            hash.update(opened.number.to_be_bytes());
            Some((opened.key, hash.finalize().into()))
        }
        Err(fault) => {
            problems.push(Problem { ends, ..fault.at(span, name) });
            None
        }
    }
}

fn refused(error: &OpenError) -> Fault {
    Fault::new(error.to_string()).help(error.help())
}

fn public_key(certificate: &CertificateDer<'static>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let facts = ClientCertificate::from_chain(std::slice::from_ref(certificate)).ok()?;
    Some(SubjectPublicKeyInfoDer::from(facts.spki_der().to_vec()))
}

/// Refuses a module that any user could replace: its code runs in this process.
fn check_module(path: &Path) -> Result<(), Fault> {
    let help = "write the vendor's PKCS#11 library as module-path, such as /usr/lib/softhsm/libsofthsm2.so";
    let unreadable = |error: &io::Error| Err(file::unreadable(path, error).or_help(help));
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return unreadable(&error),
    };
    if metadata.is_dir() {
        return unreadable(&ErrorKind::IsADirectory.into());
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o002 != 0 {
        return unreadable(&io::Error::new(ErrorKind::PermissionDenied, file::WorldWritable { mode }));
    }
    Ok(())
}

/// Reads the PIN, and the mode of its file. No fault shows it.
fn read_pin(path: &Path) -> Result<(Zeroizing<String>, u32), Fault> {
    const HELP: &str = "write the PIN of the token's user into this file, on one line";
    let content = file::read_with_mode(path, file::LIMIT)
        .map_err(|error| file::unreadable(path, &error).or_help(HELP))?;
    let bytes = encoding::strip_bom(&content.bytes);
    let text = std::str::from_utf8(bytes).map(str::trim).unwrap_or_default();
    let found = match text {
        "" if bytes.trim_ascii().is_empty() => " is empty",
        "" => " is not in UTF-8",
        text if text.lines().count() > 1 => " has more than one line",
        text if text.chars().any(char::is_control) => " contains a control character",
        text => return Ok((Zeroizing::new(text.to_owned()), content.mode)),
    };
    Err(file::fault(path, format_args!("{found}, expected a PIN")).help(HELP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            let pin = read_pin(&path).map(|(pin, _)| pin.to_string());
            pin.map_err(|fault| fault.what.replace(&path.display().to_string(), "F"))
        };
        for good in ["12 34", "12 34\n", "\u{feff}12 34\r\n"] {
            assert_eq!(read(good.as_bytes()).as_deref(), Ok("12 34"));
        }
        for (bad, expected) in [
            (&b""[..], "F is empty, expected a PIN"),
            (b" \n", "F is empty, expected a PIN"),
            (b"\xff1234", "F is not in UTF-8, expected a PIN"),
            (b"1234\n5678\n", "F has more than one line, expected a PIN"),
            (b"12\x0034", "F contains a control character, expected a PIN"),
        ] {
            assert_eq!(read(bad).unwrap_err(), expected);
        }
    }
}
