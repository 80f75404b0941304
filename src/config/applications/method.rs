//! `auth_method`: its names, and which credentials belong to each.

use crate::config::{
    diagnostic::{Fault, Problem},
    node::Table,
    settings::{Credential, Matcher},
    span::{Span, Spanned},
    suggest::{any_of, did_you_mean, quote},
};
use crate::trust::AuthMethod;

/// Parses the name of a method.
pub(super) fn method(text: &str) -> Result<AuthMethod, Fault> {
    if let Some(method) = AuthMethod::ALL.into_iter().find(|method| method.as_str() == text) {
        return Ok(method);
    }
    let found = quote(text);
    if text == "client_secret_jwt" {
        let what = format!(
            "found {found}, which the edge does not support: it would have to keep the client secret itself, with which it could impersonate the application"
        );
        return Err(Fault::new(what)
            .help("register a public key, and write \"private_key_jwt\"; or write \"client_secret_basic\""));
    }
    let names = AuthMethod::ALL.map(AuthMethod::as_str);
    let what = format!("found {found}, expected {}", any_of(names.map(quote)));
    let help = did_you_mean(text, names).unwrap_or_else(|| {
        "remove auth_method: it is inferred from the keys of the credentials, if these belong to one method".to_owned()
    });
    Err(Fault::new(what).help(help))
}

/// Whether a credential with this key may belong to an application with this method.
const fn accepts(method: AuthMethod, matcher: &Matcher) -> bool {
    match matcher {
        Matcher::Thumbprint(_) | Matcher::Certificate(_) => matches!(method, AuthMethod::SelfSignedTls),
        Matcher::PublicKey(_) => matches!(method, AuthMethod::SelfSignedTls | AuthMethod::PrivateKeyJwt),
        Matcher::SubjectDn(_)
        | Matcher::SanDns(_)
        | Matcher::SanUri(_)
        | Matcher::SanIp(_)
        | Matcher::SanEmail(_) => matches!(method, AuthMethod::PkiTls),
        Matcher::SecretSha256(_) => {
            matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
        }
    }
}

/// The mTLS method whose rules judge a certificate with this key.
pub(super) const fn mtls_method(matcher: &Matcher) -> AuthMethod {
    if accepts(AuthMethod::PkiTls, matcher) { AuthMethod::PkiTls } else { AuthMethod::SelfSignedTls }
}

/// The methods to which a key belongs.
fn methods_of(matcher: &Matcher) -> impl Iterator<Item = AuthMethod> {
    AuthMethod::ALL.into_iter().filter(move |method| accepts(*method, matcher))
}

/// The method of an application without `auth_method`: that of the first credential that belongs to one method. A public key with `alg`
/// or `kid` verifies assertions.
pub(super) fn infer(table: &Table<'_>, credentials: &[&Credential]) -> Option<Spanned<AuthMethod>> {
    let certain = |credential: &Credential| {
        let mut methods = methods_of(&credential.matcher);
        let method = match (&credential.matcher, methods.next(), methods.next()) {
            (_, Some(method), None) => method,
            (Matcher::PublicKey(key), ..) if key.alg.is_some() || key.kid.is_some() => {
                AuthMethod::PrivateKeyJwt
            }
            _ => return None,
        };
        Some(Spanned { value: method, span: credential.name.span.clone() })
    };
    if let Some(method) = credentials.iter().copied().find_map(certain) {
        return Some(method);
    }
    let matcher = &credentials.first()?.matcher;
    let names = any_of(methods_of(matcher).map(|method| format!("auth_method = {:?}", method.as_str())));
    let key = key_of(matcher).0;
    let what = format!("missing: {key} belongs to several methods, so that the method cannot be inferred");
    table
        .reader
        .report(Problem::error(&table.span, "application.auth_method", what).help(format!("write {names}")));
    None
}

/// Reports the first credential of another method than the application's. Returns whether there is none.
pub(super) fn check<'a>(
    table: &Table<'_>,
    method: &Spanned<AuthMethod>,
    credentials: impl Iterator<Item = &'a Credential>,
) -> bool {
    let mut credentials = credentials.filter(|credential| !accepts(method.value, &credential.matcher));
    let Some(Credential { matcher, .. }) = credentials.next() else { return true };
    let (name, span) = key_of(matcher);
    let owners = any_of(methods_of(matcher).map(AuthMethod::as_str));
    let (found, line) = (method.value.as_str(), method.span.line());
    let what = format!("{name} belongs to {owners}, but the application uses {found} (line {line})");
    let problem = Problem::error(span, format!("application.credential.{name}"), what);
    table.reader.report(problem.help(advice(method.value, matcher)));
    false
}

/// What to write in place of the key of another method.
fn advice(method: AuthMethod, matcher: &Matcher) -> String {
    let expected = match (method, matcher) {
        (AuthMethod::PrivateKeyJwt, Matcher::Certificate(_)) => {
            return "write public_key in place of certificate: it accepts a certificate and registers its key".to_owned();
        }
        (AuthMethod::None, _) => {
            return "remove the credential: a public client has none".to_owned();
        }
        (AuthMethod::SelfSignedTls, _) => "thumbprint, certificate or public_key",
        (AuthMethod::PkiTls, _) => "subject_dn or one of san_dns, san_uri, san_ip, san_email",
        (AuthMethod::PrivateKeyJwt, _) => "public_key",
        (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost, _) => "secret_sha256",
    };
    format!("write {expected}, or register it as a separate application")
}

/// Reports `alg` and `kid` beside a public key that is compared with that of a certificate.
pub(super) fn check_signature_keys<'a>(
    table: &Table<'_>,
    method: &Spanned<AuthMethod>,
    credentials: impl Iterator<Item = &'a Credential>,
) -> bool {
    let mut ok = true;
    for credential in credentials {
        let Matcher::PublicKey(key) = &credential.matcher else { continue };
        let alg = key.alg.as_ref().map(|alg| ("alg", &alg.span));
        let kid = key.kid.as_ref().map(|kid| ("kid", &kid.span));
        if method.value == AuthMethod::PrivateKeyJwt {
            continue;
        }
        for (name, span) in alg.into_iter().chain(kid) {
            ok = false;
            let what = format!(
                "{name} belongs to private_key_jwt, but the application uses {} (line {})",
                method.value.as_str(),
                method.span.line()
            );
            let problem = Problem::error(span, format!("application.credential.{name}"), what);
            table
                .reader
                .report(problem.help(format!("remove {name}, or write auth_method = \"private_key_jwt\"")));
        }
    }
    ok
}

/// The key of a matcher, and the place of its value.
pub(super) fn key_of(matcher: &Matcher) -> (&'static str, &Span) {
    let key = match matcher {
        Matcher::Thumbprint(_) => "thumbprint",
        Matcher::Certificate(_) => "certificate",
        Matcher::PublicKey(_) => "public_key",
        Matcher::SubjectDn(_) => "subject_dn",
        Matcher::SanDns(_) => "san_dns",
        Matcher::SanUri(_) => "san_uri",
        Matcher::SanIp(_) => "san_ip",
        Matcher::SanEmail(_) => "san_email",
        Matcher::SecretSha256(_) => "secret_sha256",
    };
    (key, matcher.span())
}
