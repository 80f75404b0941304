//! Which files a configuration names: what is to be watched, and in which folders they are.

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::config::{
    Problem, Span,
    settings::{Application, Matcher, SecretSource, Settings},
};

/// The files that `edge.toml` names, each with the place where it does.
fn named(settings: &Settings) -> Vec<(&Path, &Span)> {
    let trust = &settings.trust;
    let mut files = vec![&trust.applications];
    files.extend(trust.client_ca.iter().map(|ca| &ca.file).chain(&trust.crls));
    files.extend(trust.crl_sources.iter().flat_map(|source| source.ca.iter().chain(&source.issuer)));
    files.extend(settings.upstreams.iter().filter_map(|upstream| upstream.ca.as_ref()));
    for domain in &settings.domains {
        files.extend([&domain.certificate, &domain.private_key]);
        files.extend(&domain.ticket_keys);
    }
    let secrets = settings.upstreams.iter().flat_map(|upstream| &upstream.headers);
    let secrets = secrets.filter_map(|(_, source)| match &source.value {
        SecretSource::File(file) => Some((file.as_path(), &source.span)),
        SecretSource::Env(_) => None,
    });
    files.into_iter().map(|file| (file.value.as_path(), &file.span)).chain(secrets).collect()
}

/// The files that `edge.toml` names.
pub(super) fn of_settings(settings: &Settings) -> impl Iterator<Item = PathBuf> {
    named(settings).into_iter().map(|(file, _)| file.to_owned())
}

/// Folders in which anybody can replace a file that the edge believes, each once.
pub(super) fn loose_folders(settings: &Settings) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for (file, place) in named(settings) {
        // As it is named, and where links lead.
        for path in [std::path::absolute(file).ok(), file.canonicalize().ok()].into_iter().flatten() {
            for folder in path.ancestors().skip(1) {
                if !seen.insert(folder.to_owned()) {
                    break;
                }
                let mode = folder.metadata().map_or(0, |metadata| metadata.mode() & 0o7777);
                // With the sticky bit only its owner can replace a file.
                if mode & 0o1002 == 0o002 {
                    let shown = folder.display();
                    let what = format!(
                        "{shown} can be written by others (mode {mode:03o}): any user of this machine can replace what is in it"
                    );
                    problems.push(Problem::warning(place, "", what).help(format!("run: chmod o-w {shown}")));
                }
            }
        }
    }
    problems
}

/// The files that an application of `applications.toml` names.
pub(super) fn of_application(application: &Application) -> impl Iterator<Item = PathBuf> {
    application.credentials.iter().flat_map(|credential| {
        let certificate = match &credential.matcher {
            Matcher::Certificate(file) => Some(file.value.clone()),
            _ => None,
        };
        certificate.into_iter().chain(credential.ca.iter().map(|file| file.value.clone()))
    })
}
