//! `inspect`: shows a certificate, a public key or a signed token as the edge sees it, and the credential to paste into
//! `applications.toml`.

mod certificate;
mod key;
mod token;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    config_path::{only_one_is_standard_input, open},
    presented::{Presented, read},
    print,
    verdict::{self, Judged, site},
};
use crate::{clock::Clock, config::Fault, site::Site};

/// Prints what a file contains. A certificate or token is also judged by `config` if that is given, as that of `client_id` or of the client
/// that it names.
pub(super) fn inspect(path: &Path, config: Option<PathBuf>, client_id: Option<&str>) -> ExitCode {
    if let Err(code) = only_one_is_standard_input(path, config.as_deref()) {
        return code;
    }
    let site = match config.map(|config| open(config).and_then(|config| site(&config))).transpose() {
        Ok(site) => site,
        Err(code) => return code,
    };
    match read(path).and_then(|presented| describe(path, presented, site.as_ref(), client_id)) {
        Ok(text) => print::result(text, ExitCode::SUCCESS),
        Err(fault) => print::unusable(fault),
    }
}

fn describe(
    path: &Path,
    presented: Presented,
    site: Option<&Site>,
    client_id: Option<&str>,
) -> Result<String, Fault> {
    let now = Clock::System.now();
    match presented {
        Presented::Json(text) => key::describe_json(path, &text),
        Presented::PublicKey(der) => key::describe_spki(path, &der),
        Presented::Token(token) => {
            let judged = Judged { token: &token, client_id, now };
            let verdict = site.map_or_else(|| judged.alone(), |site| judged.by(site).text);
            Ok(format!("{}\n{verdict}", token::describe(&token, now)))
        }
        Presented::Certificate(certificate) => {
            let mut text = certificate::describe(&certificate);
            if let Some(site) = site {
                let verdict = verdict::certificate(site, &certificate, client_id, now);
                text.push_str("\nby this configuration:\n");
                text.push_str(&verdict.text);
            }
            Ok(text)
        }
    }
}
