//! `inspect`: shows a certificate, a public key or a signed token as the edge sees it, and the credential to paste into
//! `applications.toml`.

mod certificate;
mod key;
mod token;
mod verdict;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    config_path::{is_standard_input, open},
    print,
};
use crate::{
    clock::Clock,
    config::{Fault, Input, Severity, file},
    identity::ClientCertificate,
    load::{build, certificates_in},
    pem::{self, PublicKey},
    site::Site,
    text::{encoding::strip_bom, suggest::shell_word},
};

/// Prints what a file contains. A token is judged by `config` if that is given, as that of `client_id` or of the client that it names.
pub(super) fn inspect(path: &Path, config: Option<PathBuf>, client_id: Option<&str>) -> ExitCode {
    if is_standard_input(path) && config.as_deref().is_some_and(is_standard_input) {
        return print::failure("standard input can be read only once: give FILE or --config as a file");
    }
    let site = match config.map(|config| open(config).and_then(|config| site(&config))).transpose() {
        Ok(site) => site,
        Err(code) => return code,
    };
    match read(path).and_then(|bytes| describe(path, &bytes, site.as_ref(), client_id)) {
        Ok(text) => print::result(text, ExitCode::SUCCESS),
        Err(fault) => {
            let code = print::failure(&fault);
            if let Some(help) = fault.help {
                print::err(format_args!("help: {help}\n"));
            }
            code
        }
    }
}

/// The site of a configuration. Prints its errors if it has some, and returns the exit code.
fn site(config: &Input) -> Result<Site, ExitCode> {
    let built = build(config, None, &Clock::System);
    let errors: Vec<_> =
        built.problems.into_iter().filter(|problem| problem.severity == Severity::Error).collect();
    print::problems(&errors);
    built.site.filter(|_| errors.is_empty()).map(|(_, site)| site).ok_or(ExitCode::FAILURE)
}

/// Reads a file, which may be a pipe, as in `inspect <(openssl ...)`; `-` is standard input.
fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = if is_standard_input(path) {
        io::stdin().lock().take(file::LIMIT).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(file::LIMIT).read_to_end(&mut bytes))
    };
    read.map_err(|error| file::unreadable(path, &error))?;
    Ok(bytes)
}

fn describe(
    path: &Path,
    bytes: &[u8],
    site: Option<&Site>,
    client_id: Option<&str>,
) -> Result<String, Fault> {
    let text = strip_bom(bytes).trim_ascii();
    if text.first() == Some(&b'{') {
        return key::describe_json(path, text);
    }
    if let Some(token) = std::str::from_utf8(text).ok().filter(|text| token::is_token(text)) {
        return Ok(token::describe(token, site, client_id));
    }
    if has_private_key(bytes) {
        let file = path.display().to_string();
        let fault =
            file::fault(path, " contains a private key: inspect shows only certificates and public keys");
        return Err(fault.help(format!(
            "nothing of it was printed; for its public key run: openssl pkey -in {} -pubout",
            shell_word(&file)
        )));
    }
    if let Ok(PublicKey::Spki(der)) = pem::public_key(bytes) {
        return key::describe_spki(path, &der);
    }
    let chain = certificates_in(path, bytes)?;
    let certificate = ClientCertificate::from_chain(&chain)
        .map_err(|error| file::fault(path, format_args!(" cannot be used: {error}")))?;
    Ok(certificate::describe(&certificate))
}

/// Whether a PEM file has a section with a private key of any kind, even a damaged one.
fn has_private_key(bytes: &[u8]) -> bool {
    const LABEL: &[u8] = b"PRIVATE KEY-----";
    bytes.windows(LABEL.len()).any(|window| window == LABEL)
}
