//! Loads the tokens of the admin address.

use zeroize::Zeroizing;

use super::secret::secret_text;
use crate::{
    config::{
        Fault, Problem,
        settings::{SecretSource, Settings},
    },
    site::{AdminRules, AdminToken},
};

/// The most tokens in a file; a rotation needs two.
const MAX_TOKENS: usize = 2;
/// The fewest characters of a token.
const MIN_LENGTH: usize = 16;

/// Who may use the admin address by these settings; none after an error.
pub(super) fn admin_rules(settings: &Settings, problems: &mut Vec<Problem>) -> Option<AdminRules> {
    let tokens = match &settings.admin.token {
        None => Vec::new(),
        Some(source) => match admin_tokens(&source.value) {
            Ok(tokens) => tokens.iter().map(|token| AdminToken::of(token.as_bytes())).collect(),
            Err(fault) => {
                problems.push(fault.at(&source.span, "admin.token"));
                return None;
            }
        },
    };
    Some(AdminRules { hosts: settings.listen.admin_hosts.clone(), tokens })
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
