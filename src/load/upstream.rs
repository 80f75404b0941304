//! Loads what an upstream takes from files and the environment: secret header values, and the roots to verify its certificate with.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use http::HeaderValue;
use rustls::{RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};

use super::{
    credential::{CredentialFiles, InUse, LoadedCredential, Password, Role, load_credential},
    pem::read_certificates,
    purpose::Purpose,
    secret::load_headers,
};
use crate::{
    clock::Timestamp,
    config::{Fault, Problem, Severity, Span, Spanned, file, settings::Upstream},
    forward::{ClientIdentity, ClientTls, Target, TargetSpec},
    pkcs11::Patience,
    site::Site,
    tls,
};

/// Loads the upstreams. One that is the same as an active one keeps its connections; none: a problem is an error.
pub(super) fn load_targets(
    upstreams: &[Upstream],
    purpose: Purpose<'_>,
    tokens: &Patience,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Vec<Option<Arc<Target>>> {
    let active = || purpose.previous().into_iter().flat_map(Site::targets);
    let credentials: Vec<_> = active()
        .filter_map(|target| target.client_identity())
        .map(|identity| (Arc::clone(&identity.credential), identity.key_file))
        .collect();
    let in_use = purpose.in_use(&credentials);
    let load = |upstream| {
        let target = load_target(upstream, in_use, tokens, now, problems)?;
        Some(active().find(|active| ***active == target).cloned().unwrap_or_else(|| Arc::new(target)))
    };
    upstreams.iter().map(load).collect()
}

/// Loads the secrets and roots of an upstream. No problem shows a secret. `in_use` is about client certificates.
fn load_target(
    upstream: &Upstream,
    in_use: InUse<'_>,
    tokens: &Patience,
    now: Timestamp,
    problems: &mut Vec<Problem>,
) -> Option<Target> {
    let problems_before = problems.len();
    let headers = load_headers(&upstream.headers, "upstream.headers", problems);
    let place = TlsPlace { ca: upstream.ca.as_ref(), otherwise: &upstream.name.span, key: "upstream.ca" };
    let has_tls = upstream.urls.iter().any(|url| url.value.uses_tls());
    let identity = upstream.identity.as_ref().filter(|_| has_tls).and_then(|identity| {
        let password = identity.password.as_ref().map(Password::new);
        let files = CredentialFiles {
            provider: &aws_lc_rs::default_provider(),
            role: Role::Client,
            certificate: &identity.certificate,
            private_key: &identity.private_key,
            password: password.as_ref(),
            in_use,
            tokens,
            now,
        };
        let loaded = load_credential(&files, problems)?;
        if let Some(password) = &password {
            password.report_unused(files.role, problems);
        }
        Some(loaded)
    });
    let tls = if has_tls { client_tls(&place, identity, problems) } else { None };
    let host = upstream.host.as_ref().and_then(|host| HeaderValue::from_str(&host.value).ok());
    let is_error = |problem: &Problem| problem.severity == Severity::Error;
    let is_usable = !problems.iter().skip(problems_before).any(is_error);
    let spec = TargetSpec {
        name: upstream.name.value.clone(),
        origins: upstream.urls.iter().map(|url| url.value.clone()).collect(),
        host,
        headers,
        client_ip_header: upstream.client_ip_header.as_ref().map(|name| name.value.clone()),
        forwarded: upstream.forwarded,
        forwarded_for: upstream.forwarded_for,
        tls,
        server_name: upstream
            .server_name
            .as_ref()
            .and_then(|name| ServerName::try_from(name.value.clone()).ok()),
        limits: upstream.limits,
        policy: upstream.policy.clone(),
    };
    is_usable.then(|| Target::new(spec))
}

/// Loads the roots to verify a server with: those of a file, or the system's. The result is not empty.
///
/// # Errors
///
/// If the file cannot be used, or the system has no roots.
pub fn roots(ca: Option<&Path>) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = ca {
        for (index, certificate) in read_certificates(file)?.into_iter().enumerate() {
            roots.add(certificate).map_err(|_| {
                let number = index + 1;
                file::fault(
                    file,
                    format_args!(": certificate {number} cannot be a root: it is not a CA certificate"),
                )
            })?;
        }
        return Ok(roots);
    }
    // Roots of the system that cannot be parsed are skipped.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let what = "no trusted root certificates found on this system".to_owned();
        return Err(Fault::new(what));
    }
    Ok(roots)
}

/// Where the roots of a server are configured.
pub(super) struct TlsPlace<'a> {
    /// The key with a file of roots.
    pub(super) ca: Option<&'a Spanned<PathBuf>>,
    /// The place for problems without that key.
    pub(super) otherwise: &'a Span,
    /// The name of the key.
    pub(super) key: &'static str,
}

/// TLS towards a server, with the configured roots or those of the system, and with this client certificate.
pub(super) fn client_tls(
    place: &TlsPlace<'_>,
    identity: Option<LoadedCredential>,
    problems: &mut Vec<Problem>,
) -> Option<ClientTls> {
    let roots = match roots(place.ca.map(|file| file.value.as_path())) {
        Ok(roots) => roots,
        Err(fault) => {
            let (span, help) = match place.ca {
                Some(file) => (&file.span, "name a PEM file with the CA of the upstream's certificate"),
                None => (
                    place.otherwise,
                    "install the package ca-certificates, or name a PEM file with the upstream's CA as ca",
                ),
            };
            problems.push(fault.or_help(help).at(span, place.key));
            return None;
        }
    };
    let anchors = roots.roots.clone();
    let identity = identity.map(|(credential, key_file)| ClientIdentity { credential, key_file });
    let credential = identity.as_ref().map(|identity| Arc::clone(&identity.credential));
    match tls::client_config(roots, credential, &[b"h2", b"http/1.1"]) {
        Ok(config) => Some(ClientTls {
            config: Arc::new(config),
            roots: anchors,
            has_system_roots: place.ca.is_none(),
            identity,
        }),
        Err(error) => {
            let what = format!("cannot set up TLS: {error}");
            problems.push(Problem::error(place.otherwise, place.key, what));
            None
        }
    }
}
