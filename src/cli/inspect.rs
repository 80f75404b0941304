//! `inspect`: a certificate as the edge sees it, and what to paste into `applications.toml`.

use std::{fmt::Write, fs::File, io::Read, path::Path, process::ExitCode};

use crate::{
    config::file,
    identity::{ClientCertificate, DistinguishedName, SubjectAltName, rfc3339},
    trust::{FileFault, certificates_in},
    vouch::{Facts, Profile, Verdict, not_verified},
};

/// Prints the facts of the first certificate of a PEM or DER file; the rest of a PEM file is its chain.
pub(super) fn inspect(path: &Path) -> ExitCode {
    match read(path) {
        Ok(certificate) => {
            print!("{}", describe(&certificate));
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("error: {fault}");
            if let Some(help) = fault.help {
                eprintln!("help: {help}");
            }
            ExitCode::FAILURE
        }
    }
}

fn read(path: &Path) -> Result<ClientCertificate, FileFault> {
    // Of a pipe too: an operator may well write `inspect <(openssl ...)`.
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(file::LIMIT).read_to_end(&mut bytes));
    read.map_err(|error| FileFault::unreadable(path, &error))?;
    let chain = certificates_in(path, &bytes)?;
    ClientCertificate::from_chain(&chain)
        .map_err(|error| FileFault::new(path, format_args!(" can't be used: {error}")))
}

fn describe(certificate: &ClientCertificate) -> String {
    let mut text = String::new();
    let thumbprint = certificate.thumbprint();
    let hex = thumbprint.to_string();
    let pairs: Vec<&str> =
        hex.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok()).collect();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<24}{value}");
    };
    line("thumbprint (SHA-256)", &hex);
    line("", &pairs.join(":").to_uppercase());
    line("x5t#S256", &thumbprint.base64url());
    for (name, value) in [
        ("subject, RFC 4514", certificate.subject().to_rfc4514()),
        ("  as OpenSSL prints it", certificate.subject().to_openssl()),
        ("  one RDN a line", certificate.subject().to_lines().replace('\n', "\\n")),
        ("  in headers (RFC 2253)", certificate.subject().to_rfc2253()),
        ("issuer, RFC 4514", certificate.issuer().to_rfc4514()),
    ] {
        line(name, &value);
    }
    for san in certificate.sans() {
        let (kind, value) = san_parts(san);
        line(&format!("SAN {kind}"), &value);
    }
    let validity = certificate.validity();
    line("valid from", &rfc3339(validity.not_before));
    line("valid until", &rfc3339(validity.not_after));
    line("key", certificate.public_key());
    line("version", &format!("X.509 v{}", certificate.version()));
    line("self-issued", if certificate.is_self_issued() { "yes" } else { "no" });

    text.push_str("\ncredential to paste under its [[application]]:\n\n");
    text.push_str(&credentials(certificate));
    text.push_str("\nbytes of header values under each profile:\n");
    for name in Profile::built_in_names() {
        if let Some(profile) = Profile::built_in(name) {
            let _ = writeln!(text, "  {name:<22}{}", size(&profile, certificate));
        }
    }
    text
}

/// A self-issued certificate is registered by its thumbprint. One that a CA has issued can be registered both
/// ways: by the subject that the CA vouches for (one of those shown), or by its thumbprint.
fn credentials(certificate: &ClientCertificate) -> String {
    let name = rfc3339(certificate.validity().not_after);
    let name = format!("until-{}", name.split('T').next().unwrap_or_default());
    let thumbprint = format!(
        "# auth_method = \"self_signed_tls_client_auth\"\n[[application.credential]]\nname = \"{name}\"\nthumbprint = \"{}\"\n",
        certificate.thumbprint()
    );
    if certificate.is_self_issued() {
        return thumbprint;
    }
    let mut text = format!(
        "# auth_method = \"tls_client_auth\": exactly one of these lines\n[[application.credential]]\nname = \"{name}\"\n"
    );
    if !certificate.subject().is_empty() {
        let _ = writeln!(text, "subject_dn = {}", toml_string(&written(certificate.subject())));
    }
    for san in certificate.sans() {
        let (kind, value) = san_parts(san);
        let _ = writeln!(text, "# san_{kind} = {}", toml_string(&value));
    }
    let _ = write!(text, "\n# or, whoever issued it:\n{thumbprint}");
    text
}

/// RFC 4514, unless that form would be warned of as looking reversed.
fn written(dn: &DistinguishedName) -> String {
    let rfc4514 = dn.to_rfc4514();
    match DistinguishedName::from_written(&rfc4514) {
        Ok((_, None)) => rfc4514,
        _ => dn.to_lines(),
    }
}

fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn san_parts(san: &SubjectAltName) -> (&'static str, String) {
    match san {
        SubjectAltName::Dns(name) => ("dns", name.clone()),
        SubjectAltName::Uri(uri) => ("uri", uri.clone()),
        SubjectAltName::Ip(ip) => ("ip", ip.to_string()),
        SubjectAltName::Email(address) => ("email", address.clone()),
    }
}

fn size(profile: &Profile, certificate: &ClientCertificate) -> String {
    let verdict = if certificate.is_self_issued() { not_verified(certificate) } else { Verdict::Verified };
    let sizes = profile.sizes(&Facts::of(certificate).evidence(verdict, certificate.intermediates()));
    match &sizes.limited {
        Some(limited) if limited.bytes > limited.limit => {
            format!(
                "{} (too large: {} bytes in one header, {} allowed)",
                sizes.bytes, limited.bytes, limited.limit
            )
        }
        Some(limited) => {
            format!("{} ({} of {} allowed in one header)", sizes.bytes, limited.bytes, limited.limit)
        }
        None => sizes.bytes.to_string(),
    }
}
