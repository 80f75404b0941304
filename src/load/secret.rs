//! Reads secrets from files and from the environment. No fault shows one.

use http::{HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::{
    config::{Fault, Problem, Spanned, file, settings::SecretSource},
    text::encoding,
};

/// Loads headers with secret values, and reports those that cannot be used.
pub(super) fn load_headers(
    configured: &[(Spanned<HeaderName>, Spanned<SecretSource>)],
    key: &'static str,
    problems: &mut Vec<Problem>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, source) in configured {
        match load_secret(&source.value) {
            Ok(value) => {
                headers.insert(name.value.clone(), value);
            }
            Err(fault) => {
                let fault = fault.or_help(
                    "the secret must be one line of visible ASCII; surrounding whitespace is trimmed",
                );
                problems.push(fault.at(&source.span, key));
            }
        }
    }
    headers
}

/// Loads a secret of one line.
pub(super) fn load_secret(source: &SecretSource) -> Result<HeaderValue, Fault> {
    let (text, place) = secret_text(source)?;
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Fault::new(format!("{place} is empty")));
    }
    if !trimmed.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(invalid(&place));
    }
    HeaderValue::from_str(trimmed).map_err(|_| invalid(&place))
}

/// The whole text of a secret, and its place for messages.
pub(super) fn secret_text(source: &SecretSource) -> Result<(Zeroizing<String>, String), Fault> {
    match source {
        SecretSource::File(path) => {
            let content = file::read_with_mode(path, file::LIMIT).map_err(|error| {
                file::unreadable(path, &error).or_help("write the secret into this file, on one line")
            })?;
            let place = path.display().to_string();
            if let Some(wide) = encoding::wide(&content.bytes) {
                return Err(Fault::new(format!("{place} is in {}, expected ASCII or UTF-8", wide.name)));
            }
            let text =
                std::str::from_utf8(encoding::strip_bom(&content.bytes)).map_err(|_| invalid(&place))?;
            Ok((Zeroizing::new(text.to_owned()), place))
        }
        SecretSource::Env(name) => {
            let place = format!("the environment variable {name}");
            let missing = |error: std::env::VarError| {
                let what = match error {
                    std::env::VarError::NotPresent => format!("{place} is not set"),
                    std::env::VarError::NotUnicode(_) => return invalid(&place),
                };
                let help = format!(
                    "set {name} in the environment of the edge (systemd: Environment= or EnvironmentFile=), or write {{ file = \"secrets/...\" }}"
                );
                Fault::new(what).help(help)
            };
            let text = std::env::var(name).map_err(missing)?;
            Ok((Zeroizing::new(text), place))
        }
    }
}

fn invalid(place: &str) -> Fault {
    Fault::new(format!("{place} contains a character that a header cannot have"))
}
