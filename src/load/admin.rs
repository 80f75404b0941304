//! Loads what the admin address needs: its tokens, its certificate and the CAs of operators.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use zeroize::Zeroizing;

use super::{
    credential::{CredentialFiles, InUse, Password, Role, load_credential, load_plain_key},
    pem::read_certificates,
    purpose::Purpose,
    secret::secret_text,
};
use crate::{
    clock::Clock,
    config::{
        Fault, Problem, Spanned,
        settings::{KeyPair, SecretSource, Settings},
    },
    pkcs11::Patience,
    site::{AdminRules, AdminToken},
    tls::{OperatorOptions, OperatorTls, ServerCredential},
};

/// The most tokens in a file; a rotation needs two.
const MAX_TOKENS: usize = 2;
/// The fewest characters of a token.
const MIN_LENGTH: usize = 16;

/// Who may use the admin address by these settings; none after an error. TLS that is the same is that of the previous site.
pub(super) fn admin_rules(
    settings: &Settings,
    purpose: Purpose<'_>,
    patience: &Patience,
    clock: &Clock,
    problems: &mut Vec<Problem>,
) -> Option<AdminRules> {
    let tokens = match &settings.admin.token {
        None => Some(Vec::new()),
        Some(source) => match admin_tokens(&source.value) {
            Ok(tokens) => Some(tokens.iter().map(|token| AdminToken::of(token.as_bytes())).collect()),
            Err(fault) => {
                problems.push(fault.at(&source.span, "admin.token"));
                None
            }
        },
    };
    let active_tls = purpose.previous().and_then(|previous| previous.admin.tls.as_ref());
    let credentials: Vec<_> = active_tls.map(|active| active.credential()).into_iter().collect();
    let in_use = purpose.in_use(&credentials);
    let tls = match &settings.admin.identity {
        None => Some(None),
        Some(identity) => {
            tls(identity, &settings.admin.client_ca, active_tls, in_use, patience, clock, problems).map(Some)
        }
    };
    Some(AdminRules { hosts: settings.listen.admin_hosts.clone(), tokens: tokens?, tls: tls? })
}

fn tls(
    identity: &KeyPair,
    client_ca: &[Spanned<PathBuf>],
    active: Option<&Arc<OperatorTls>>,
    in_use: InUse<'_>,
    patience: &Patience,
    clock: &Clock,
    problems: &mut Vec<Problem>,
) -> Option<Arc<OperatorTls>> {
    let password = identity.password.as_ref().map(Password::new);
    let files = CredentialFiles {
        provider: &aws_lc_rs::default_provider(),
        role: Role::Admin,
        certificate: &identity.certificate,
        private_key: &identity.private_key,
        password: password.as_ref(),
        in_use,
        tokens: patience,
        now: clock.now(),
    };
    let loaded = load_credential(&files, problems);
    if let (Some(password), true) = (&password, loaded.is_some()) {
        password.report_unused(files.role, problems);
    }
    let mut client_cas = Vec::new();
    let mut is_usable = true;
    for file in client_ca {
        match read_certificates(&file.value) {
            Ok(certificates) => client_cas.extend(certificates),
            Err(fault) => {
                let fault =
                    fault.or_help("name a PEM file with the CAs that issue certificates to operators");
                problems.push(fault.at(&file.span, "admin.client_ca"));
                is_usable = false;
            }
        }
    }
    let (credential, key_file) = loaded.filter(|_| is_usable)?;
    let options = OperatorOptions { credential, key_file, client_cas };
    match OperatorTls::new(options, active, clock) {
        Ok(tls) => Some(tls),
        Err(error) => {
            let what = format!("cannot set up TLS: {error}");
            let span = client_ca.first().map_or(&identity.certificate.span, |file| &file.span);
            problems.push(Problem::error(span, "admin", what).help("use CA certificates as client_ca"));
            None
        }
    }
}

/// Loads the certificate of an operator with its key.
///
/// # Errors
///
/// If a file cannot be read, or the key cannot be used. Whether they belong together shows in the handshake.
pub fn operator_identity(certificate: &Path, private_key: &Path) -> Result<ServerCredential, Fault> {
    let chain = read_certificates(certificate)?;
    let key = load_plain_key(&aws_lc_rs::default_provider(), private_key)?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

/// Reads the tokens of the admin address, one per line, in their order; there is at least one. Empty lines and lines that begin with `#` are
/// skipped.
///
/// # Errors
///
/// If the source cannot be read, or a line cannot be a token. The fault does not show it.
pub fn admin_tokens(source: &SecretSource) -> Result<Vec<Zeroizing<String>>, Fault> {
    let create = || match source {
        SecretSource::File(path) => {
            format!("create one: (umask 077; openssl rand -hex 32 > {})", path.display())
        }
        SecretSource::Env(name) => {
            format!("set {name} to a random text, such as `openssl rand -hex 32` prints")
        }
    };
    let (text, place) = secret_text(source)?;
    let mut tokens: Vec<Zeroizing<String>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at_line = |what: &str| Fault::new(format!("{place}, line {}: found {what}", index + 1));
        if !line.bytes().all(is_token68) {
            let expected =
                "a token with a character that it cannot have, expected letters, digits and -._~+/=";
            return Err(at_line(expected).help(create()));
        }
        if line.len() < MIN_LENGTH {
            let what = format!("a token of {} characters, expected at least {MIN_LENGTH}", line.len());
            return Err(at_line(&what).help(create()));
        }
        if tokens.len() == MAX_TOKENS {
            let what = format!("one token too many, expected at most {MAX_TOKENS}");
            return Err(at_line(&what).help("remove the token that nothing presents any longer"));
        }
        tokens.push(Zeroizing::new(line.to_owned()));
    }
    if tokens.is_empty() {
        return Err(Fault::new(format!("{place} contains no token")).help(create()));
    }
    Ok(tokens)
}

/// The characters of a Bearer token (RFC 6750 section 2.1).
const fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of a file with this text, or the fault and its help.
    fn read(text: &str) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let tokens = admin_tokens(&SecretSource::File(file.path().to_owned()));
        let name = file.path().display().to_string();
        let shown =
            |fault: Fault| format!("{} ({})", fault.what, fault.help.unwrap_or_default()).replace(&name, "F");
        tokens.map(|tokens| tokens.iter().map(|token| token.to_string()).collect()).map_err(shown)
    }

    #[test]
    fn a_file_has_one_token_or_two() {
        let (old, new) = ("0123456789abcdef", "ABCDEF-._~+/=xyz");
        assert_eq!(read(&format!("{old}\n")).unwrap(), [old]);
        assert_eq!(read(&format!("# old\r\n{old}\r\n\n  {new}")).unwrap(), [old, new]);
        let create = "(create one: (umask 077; openssl rand -hex 32 > F))";
        for (text, expected) in [
            ("", format!("F contains no token {create}")),
            ("# none\n", format!("F contains no token {create}")),
            ("0123456789abcde", format!("F, line 1: found a token of 15 characters, expected at least 16 {create}")),
            (
                "\n0123456789 abcdef",
                format!(
                    "F, line 2: found a token with a character that it cannot have, expected letters, digits and -._~+/= {create}"
                ),
            ),
            (
                &format!("{old}\n{new}\n{old}"),
                "F, line 3: found one token too many, expected at most 2 (remove the token that nothing presents any longer)".to_owned(),
            ),
        ] {
            assert_eq!(read(text).unwrap_err(), expected);
        }
    }
}
