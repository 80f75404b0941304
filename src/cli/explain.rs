//! `explain`: which application a certificate, an assertion or a request object authenticates by a configuration, or why none.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    config_path::{find, only_one_is_standard_input, open},
    presented::{Presented, read},
    print,
    verdict::{self, Judged, Verdict, site},
};
use crate::{
    clock::Clock,
    config::{Fault, file},
    site::Site,
};

/// The exit code of a verdict that refuses. 1 is that of a failure: nothing was judged.
const REFUSED: u8 = 3;

/// Prints the verdict on what a file contains, as that of `client_id`, or else of the client that a token names, or of each application
/// that has registered the certificate.
pub(super) fn explain(path: &Path, config: Option<PathBuf>, client_id: Option<&str>) -> ExitCode {
    let judged = find(config).and_then(|config| {
        only_one_is_standard_input(path, Some(&config))?;
        let site = open(config).and_then(|config| site(&config))?;
        read(path).and_then(|presented| judge(path, &presented, &site, client_id)).map_err(print::unusable)
    });
    match judged {
        Ok(Verdict { text, is_accepted: true }) => print::result(text, ExitCode::SUCCESS),
        Ok(Verdict { text, is_accepted: false }) => print::result(text, ExitCode::from(REFUSED)),
        Err(code) => code,
    }
}

fn judge(path: &Path, presented: &Presented, site: &Site, client_id: Option<&str>) -> Result<Verdict, Fault> {
    let now = Clock::System.now();
    match presented {
        Presented::Token(token) => Ok(Judged { token, client_id, now }.by(site)),
        Presented::Certificate(certificate) => Ok(verdict::certificate(site, certificate, client_id, now)),
        Presented::Json(_) | Presented::PublicKey(_) => {
            let fault = file::fault(path, " contains a public key or other JSON, which no client presents");
            Err(fault
                .help("explain a certificate, a client assertion or a request object; inspect shows a key"))
        }
    }
}
