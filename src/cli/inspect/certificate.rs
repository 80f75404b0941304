//! A certificate as the edge sees it.

use std::fmt::Write;

use crate::{
    cli::print::toml_string,
    clock::{Clock, Timestamp},
    identity::{
        ChainRefusal, ClientCertificate, DistinguishedName, SubjectAltName, Validity, extended_key_usages,
        unusable_in_chains, unusable_key,
    },
    vouch::{Facts, Profile, Verdict, not_verified},
};

const SELF_SIGNED: &str = "self_signed_tls_client_auth";
const BY_CA: &str = "tls_client_auth";
/// How to get a usable certificate from a CA.
const ISSUE: &str = "issue it with these extensions: openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -days 90 -extfile ext.cnf, ext.cnf being: basicConstraints=CA:FALSE, keyUsage=digitalSignature, extendedKeyUsage=clientAuth (a line each)";

/// The facts of a certificate, and the credentials to paste.
pub(super) fn describe(certificate: &ClientCertificate) -> String {
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
        ("  by OpenSSL before 3.2", certificate.subject().to_openssl()),
        ("  by OpenSSL since 3.2", certificate.subject().to_openssl_3_2()),
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
    let (validity, now) = (certificate.validity(), Clock::System.now());
    let mark = |is_so: bool, mark: &'static str| if is_so { mark } else { "" };
    let is_early = mark(now < validity.not_before, "   NOT VALID YET");
    let is_late = mark(now > validity.not_after, "   EXPIRED");
    line("valid from", &format!("{}{is_early}", validity.not_before));
    line("valid until", &format!("{}{is_late}", validity.not_after));
    line("key", certificate.public_key());
    line("version", &format!("X.509 v{}", certificate.version()));
    let usages = extended_key_usages(certificate.der());
    line(
        "extendedKeyUsage",
        &usages.map_or_else(|| "none: for every purpose".to_owned(), |all| all.join(", ")),
    );
    line("self-issued", if certificate.is_self_issued() { "yes" } else { "no" });
    let count = certificate.intermediates().len() + 1;
    for (number, der) in (2..).zip(certificate.intermediates()) {
        let issuer = ClientCertificate::from_chain(std::slice::from_ref(der));
        let subject = issuer.map_or_else(|error| error.to_string(), |issuer| issuer.subject().to_rfc4514());
        line(&format!("certificate {number} of {count}"), &subject);
    }

    text.push_str(&credentials(certificate, now));
    text.push_str("\nbytes of header values under each profile:\n");
    for name in Profile::built_in_names() {
        if let Some(profile) = Profile::built_in(name) {
            let _ = writeln!(text, "  {name:<22}{}", size(&profile, certificate));
        }
    }
    text
}

/// The methods by which the certificate can authenticate, and the credential to paste for each.
///
/// A self-issued certificate is registered by its thumbprint. A certificate that a CA has issued can be registered by one of the
/// subjects shown, which the CA vouches for, or by its thumbprint.
fn credentials(certificate: &ClientCertificate, now: Timestamp) -> String {
    let by_itself = never(certificate, now);
    let by_ca = by_itself.clone().or_else(|| {
        let refusal = unusable_in_chains(certificate)?;
        let remedy = match refusal {
            ChainRefusal::SelfSigned { .. } => "let a CA issue one",
            ChainRefusal::SignatureAlgorithm { .. } => "let the CA sign it with SHA-256 (-sha256)",
            _ => ISSUE,
        };
        Some((refusal.to_string(), remedy))
    });
    let mut text = String::from("\n");
    for (method, fault) in [(SELF_SIGNED, &by_itself), (BY_CA, &by_ca)] {
        let _ = match fault {
            None => writeln!(text, "{method:<30}works"),
            Some((fault, remedy)) => writeln!(text, "{method:<30}CAN'T WORK: {fault}\n{:<30}{remedy}", ""),
        };
    }
    if by_itself.is_some() {
        text.push_str("\nnothing to paste: no application can authenticate with this certificate now\n");
        return text;
    }
    text.push_str("\ncredential to paste under its [[application]]:\n\n");
    let name = certificate.validity().not_after.to_string();
    let name = format!("until-{}", name.split('T').next().unwrap_or_default());
    let thumbprint = format!(
        "# auth_method = \"{SELF_SIGNED}\"\n[[application.credential]]\nname = \"{name}\"\nthumbprint = \"{}\"\n",
        certificate.thumbprint()
    );
    if by_ca.is_some() {
        text.push_str(&thumbprint);
        return text;
    }
    let _ = writeln!(
        text,
        "# auth_method = \"{BY_CA}\": exactly one of these lines\n[[application.credential]]\nname = \"{name}\""
    );
    if !certificate.subject().is_empty() {
        let _ = writeln!(text, "subject_dn = {}", toml_string(&written(certificate.subject())));
    }
    for san in certificate.sans() {
        let (kind, value) = san_parts(san);
        let _ = writeln!(text, "# san_{kind} = {}", toml_string(&value));
    }
    let _ = write!(text, "\n# or, without regard to its issuer:\n{thumbprint}");
    text
}

/// Why the certificate cannot authenticate by any method, and what to do.
fn never(certificate: &ClientCertificate, now: Timestamp) -> Option<(String, &'static str)> {
    let Validity { not_before, not_after } = certificate.validity();
    if let Some(key) = unusable_key(certificate.spki_der()) {
        let remedy = "make another key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out client.key";
        return Some((key.to_string(), remedy));
    }
    if now > not_after {
        return Some((format!("it expired on {not_after}"), "issue another one"));
    }
    (now < not_before)
        .then(|| (format!("it is not valid before {not_before}"), "wait until then, or check the clock"))
}

/// The subject in the first form that reads back without a warning: that of RFC 4514 may look reversed, and a name may look like a
/// regular expression unless it is escaped.
fn written(dn: &DistinguishedName) -> String {
    let escaped = |form: &str| form.replace('(', "\\28").replace('[', "\\5B").replace(".*?", "\\2E*?");
    let (rfc4514, lines) = (dn.to_rfc4514(), dn.to_lines());
    let forms = [escaped(&rfc4514), lines.clone(), escaped(&lines)];
    let reads_back =
        |form: &String| matches!(DistinguishedName::parse(form), Ok((read, None)) if read == *dn);
    std::iter::once(rfc4514).chain(forms).find(reads_back).unwrap_or(lines)
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
