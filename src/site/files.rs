//! Which files a configuration names: what is to be watched.

use std::path::PathBuf;

use crate::config::settings::{Application, Matcher, SecretSource, Settings};

/// The files that `edge.toml` names.
pub(super) fn of_settings(settings: &Settings) -> Vec<PathBuf> {
    let trust = &settings.trust;
    let mut files = vec![trust.applications.value.clone()];
    files.extend(trust.client_ca.iter().chain(&trust.crls).map(|file| file.value.clone()));
    files.extend(
        trust.crl_sources.iter().filter_map(|source| source.ca.as_ref()).map(|file| file.value.clone()),
    );
    for upstream in &settings.upstreams {
        files.extend(upstream.ca.iter().map(|file| file.value.clone()));
        files.extend(upstream.headers.iter().filter_map(|(_, source)| match &source.value {
            SecretSource::File(file) => Some(file.clone()),
            SecretSource::Env(_) => None,
        }));
    }
    for domain in &settings.domains {
        files.extend([domain.certificate.value.clone(), domain.private_key.value.clone()]);
        files.extend(domain.ticket_keys.iter().map(|file| file.value.clone()));
    }
    files
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
