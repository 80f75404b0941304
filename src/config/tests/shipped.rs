//! The configurations in the repository: the starting configuration, and one per authorization server.

use std::path::{Path, PathBuf};

use crate::config::{
    Parsed, render,
    settings::{Application, Matcher, SecretSource, Settings},
    testing::{NO_PROBLEM, all_applications},
};

fn read(folder: &str) -> (PathBuf, Settings, Vec<Application>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Parsed { settings, problems, .. } = crate::config::settings(&folder.join("edge.toml").into());
    assert_eq!(render(&problems, false), NO_PROBLEM);
    let settings = settings.unwrap();
    let registry = &settings.trust.applications;
    let (applications, problems) = all_applications(&registry.value, &registry.span);
    assert_eq!(render(&problems, false), NO_PROBLEM);
    (folder, settings, applications.unwrap())
}

#[test]
fn the_starting_configuration_has_no_problem() {
    let (_, _, registry) = read("config");
    assert_eq!(registry.len(), 2);
}

/// The files that a test must create before `check` passes on the configurations of `docs/deploy/`.
const FILES: [&str; 6] = [
    "certs/server.pem",
    "certs/server.key",
    "certs/client-ca.pem",
    "certs/upstream-ca.pem",
    "certs/billing-2027.pem",
    "secrets/cname-api-key",
];

#[test]
fn each_deployment_has_no_problem_and_only_known_files() {
    for server in ["auth0", "keycloak", "oidc-provider", "hydra", "spring"] {
        let (folder, settings, registry) = read(&format!("docs/deploy/{server}"));
        assert_eq!(registry.len(), 2, "{server}");
        for file in files(&settings, &registry) {
            let name = file.strip_prefix(&folder).unwrap().to_str().unwrap();
            assert!(FILES.contains(&name), "{server}: {name}");
        }
    }
}

fn files(settings: &Settings, registry: &[Application]) -> Vec<PathBuf> {
    let mut files: Vec<&PathBuf> = Vec::new();
    let client_cas = settings.trust.client_ca.iter().map(|ca| &ca.file);
    files.extend(client_cas.chain(&settings.trust.crls).map(|file| &file.value));
    for upstream in &settings.upstreams {
        files.extend(upstream.ca.iter().map(|file| &file.value));
        files.extend(upstream.headers.iter().filter_map(|(_, source)| match &source.value {
            SecretSource::File(file) => Some(file),
            SecretSource::Env(_) => None,
        }));
    }
    for domain in &settings.domains {
        for pair in &domain.key_pairs {
            files.extend([&pair.certificate.value, &pair.private_key.file().value]);
        }
    }
    for credential in registry.iter().flat_map(|application| &application.credentials) {
        files.extend(credential.ca.iter().map(|file| &file.value));
        if let Matcher::Certificate(file) = &credential.matcher {
            files.push(&file.value);
        }
    }
    files.into_iter().cloned().collect()
}
