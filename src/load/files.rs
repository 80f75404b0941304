//! Lists the files that a configuration references, to be watched, and checks the permissions of their folders.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::config::{
    Problem, Span, Spanned, file,
    settings::{Application, Matcher, PrivateKey, SecretSource, Settings, TokenVerification},
};

/// The files that `edge.toml` references, each with its place in `edge.toml`.
pub(super) fn referenced(settings: &Settings) -> Vec<(&Path, &Span)> {
    let trust = &settings.trust;
    let mut files = vec![&trust.applications];
    files.extend(trust.client_ca.iter().map(|ca| &ca.file).chain(&trust.crls));
    files.extend(trust.crl_sources.iter().flat_map(|source| source.ca.iter().chain(&source.issuer)));
    files.extend(settings.upstreams.iter().flat_map(|upstream| {
        let identity = upstream
            .identity
            .iter()
            .flat_map(|identity| [&identity.certificate, identity.private_key.file()]);
        upstream.ca.iter().chain(identity)
    }));
    files
        .extend(settings.admin.identity.iter().flat_map(|pair| [&pair.certificate, pair.private_key.file()]));
    files.extend(&settings.admin.client_ca);
    files.extend(settings.acme.iter().flat_map(|acme| &acme.ca));
    for domain in &settings.domains {
        files.extend(domain.key_pairs.iter().flat_map(|pair| [&pair.certificate, pair.private_key.file()]));
        files.extend(&domain.ticket_keys);
    }
    files.extend(settings.traces.iter().flat_map(|traces| &traces.ca));
    let headers = settings.upstreams.iter().flat_map(|upstream| &upstream.headers);
    let headers = headers.chain(settings.traces.iter().flat_map(|traces| &traces.headers));
    let secrets = headers.map(|(_, source)| source);
    let mut secrets: Vec<&Spanned<SecretSource>> = secrets.chain(&settings.admin.token).collect();
    let key_pairs = settings.upstreams.iter().filter_map(|upstream| upstream.identity.as_ref());
    let key_pairs = key_pairs.chain(&settings.admin.identity);
    let key_pairs = key_pairs.chain(settings.domains.iter().flat_map(|domain| &domain.key_pairs));
    secrets.extend(key_pairs.filter_map(|pair| pair.password.as_ref()));
    secrets.extend(settings.acme.iter().filter_map(|acme| Some(&acme.external_account.as_ref()?.key)));
    for issuer in &settings.token_issuers {
        match &issuer.verification {
            TokenVerification::KeySet(source) => {
                files.push(&source.file);
                files.extend(&source.ca);
            }
            TokenVerification::Introspection(introspection) => {
                files.extend(&introspection.ca);
                secrets.push(&introspection.secret);
            }
        }
    }
    let secrets = secrets.into_iter().filter_map(|source| match &source.value {
        SecretSource::File(file) => Some((file.as_path(), &source.span)),
        SecretSource::Env(_) => None,
    });
    files.into_iter().map(|file| (file.value.as_path(), &file.span)).chain(secrets).collect()
}

/// The private keys of all certificates.
fn private_keys(settings: &Settings) -> impl Iterator<Item = &PrivateKey> {
    let of_domains = settings.domains.iter().flat_map(|domain| &domain.key_pairs);
    let of_upstreams = settings.upstreams.iter().filter_map(|upstream| upstream.identity.as_ref());
    of_domains.chain(of_upstreams).chain(&settings.admin.identity).map(|pair| &pair.private_key)
}

/// The files that `edge.toml` references.
pub(super) fn referenced_by_settings(settings: &Settings) -> impl Iterator<Item = PathBuf> {
    referenced(settings).into_iter().map(|(file, _)| file.to_owned())
}

/// Warns about folders in which any user can replace a referenced file. Each folder is reported once.
pub(super) fn check_folder_permissions(settings: &Settings) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    // The modules of tokens are not watched: one that is loaded stays.
    let tokens = private_keys(settings).filter_map(PrivateKey::in_token);
    let modules = tokens.map(|key| (key.uri.module.as_path(), &key.pin_file.span));
    for (file, place) in referenced(settings).into_iter().chain(modules) {
        // A symlink can be replaced in its own folder, its target in the target's folder.
        for path in [std::path::absolute(file).ok(), file.canonicalize().ok()].into_iter().flatten() {
            // The registry may be a folder itself.
            for folder in path.ancestors().skip(usize::from(!path.is_dir())) {
                if !seen.insert(folder.to_owned()) {
                    break;
                }
                let mode = folder.metadata().map_or(0, |metadata| metadata.mode() & 0o7777);
                // In a folder with the sticky bit only the owner of a file can replace it.
                if mode & 0o1002 == 0o002 {
                    let shown = folder.display();
                    let what = format!(
                        "{shown} can be written by others (mode {mode:03o}): any user of this machine can replace its files"
                    );
                    problems.push(Problem::warning(place, "", what).help(file::chmod("o-w", folder)));
                }
            }
        }
    }
    problems
}

/// The files that an application of `applications.toml` references.
pub(super) fn referenced_by_application(application: &Application) -> impl Iterator<Item = PathBuf> {
    let certificates = application.certificate_bound.iter().flat_map(|bound| &bound.certificates);
    let credentials = application.credentials.iter().chain(certificates).flat_map(|credential| {
        let file = match &credential.matcher {
            Matcher::Certificate(file) => Some(file),
            Matcher::PublicKey(key) => Some(&key.file),
            _ => None,
        };
        file.into_iter().chain(&credential.ca)
    });
    let request_keys = application.request_keys.iter().map(|key| &key.key.file);
    let key_set =
        application.jwks_uri.iter().flat_map(|source| std::iter::once(&source.file).chain(&source.ca));
    credentials.chain(request_keys).chain(key_set).map(|file| file.value.clone())
}
