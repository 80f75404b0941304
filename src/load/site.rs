//! Builds a site from the configuration: loads the files that it references, and reports every problem.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

use rustls::pki_types::CertificateDer;

use super::{
    acme::check_acme,
    admin::admin_rules,
    applications::RegistryBuilder,
    authorities,
    domain::{self, Parts, build_domain, reuse_profile},
    fetched, files,
    key_sets::WantedKeySet,
    methods,
    pem::read_certificates,
    profile,
    purpose::Purpose,
    token_issuers::{load_token_issuers, wanted_key_sets},
    traces::load_traces,
    upstream::load_targets,
};
use crate::{
    clock::Clock,
    config::{
        self, Input, Parsed, Problem, Severity, Spanned,
        settings::{self, CustomProfile, Settings},
    },
    pkcs11::Patience,
    site::{Authenticate, Domain, Generation, SignedRequest, Site, stall_timeout},
    tls, trust,
    vouch::{Profile, Reserved},
};

/// The result of building a site.
#[derive(Debug)]
pub struct Built {
    /// The settings and the site, unless a problem is an error.
    pub site: Option<(Settings, Site)>,
    /// The key sets that are to be fetched.
    pub key_sets: Vec<WantedKeySet>,
    /// Errors and warnings.
    pub problems: Vec<Problem>,
    /// The configuration files and every file that they reference, as far as they could be read.
    pub files: BTreeSet<PathBuf>,
}

/// Reads the configuration and the files that it references. The site has the first generation number; the caller assigns
/// another one when it activates the site.
///
/// Unchanged parts are taken over from the previous site, if there is one: the TLS configuration of a domain with its ticket keys, an upstream with its
/// connections.
#[must_use]
pub fn build(input: &Input, purpose: Purpose<'_>, clock: &Clock) -> Built {
    let previous = purpose.previous();
    let now = clock.now();
    let Parsed { settings, mut problems, files } = config::settings(input);
    let mut files: BTreeSet<PathBuf> = files.into_iter().collect();
    let mut registry = RegistryBuilder::new(previous.map(|previous| &previous.trust.registry), now);
    let Some(settings) = settings else {
        // So that the errors of both files are seen at once.
        if let Some(file) = config::registry(input) {
            let found = read_registry(&file, &mut registry, &mut files);
            let found = found.into_iter().chain(registry.finish().2);
            problems.extend(found.filter(|problem| problem.severity == Severity::Error));
        }
        return Built { site: None, key_sets: Vec::new(), problems, files };
    };
    files.extend(files::referenced_by_settings(&settings));
    problems.extend(files::check_folder_permissions(&settings));

    let needs_registry = settings.domains.iter().flat_map(|domain| &domain.routes).any(|route| {
        route.spec.authenticate != Authenticate::None || route.spec.signed_request != SignedRequest::Off
    });
    let file = &settings.trust.applications;
    if needs_registry || file.value.exists() {
        problems.extend(read_registry(file, &mut registry, &mut files));
    }
    registry.check_authorities(&settings);
    if registry.is_complete() {
        problems.extend(methods::check(&settings, registry.registry(), previous.is_some()));
        problems.extend(profile::check(&settings, registry.registry()));
    }
    let (registry, published, more) = registry.finish();
    problems.extend(more);
    problems.extend(fetched::check_key_sets(&settings, &published, "application.jwks_uri"));
    problems.extend(fetched::check_crl_sources(&settings));
    problems.extend(settings.acme.iter().flat_map(check_acme));
    let (trust, more) = authorities::load(&settings.trust, registry, now);
    problems.extend(more);

    let token_issuers = load_token_issuers(&settings.token_issuers, previous, &mut problems);
    let mut key_sets = wanted_key_sets(&settings.token_issuers, token_issuers.as_deref().unwrap_or_default());
    let sources: Vec<_> = key_sets.iter().map(|wanted| wanted.source.clone()).collect();
    problems.extend(fetched::check_key_sets(&settings, &sources, "token_issuer.jwks"));
    key_sets.extend(published.into_iter().map(|source| WantedKeySet { source, refresh: None }));
    let patience = Patience::default();
    let admin = admin_rules(&settings, purpose, &patience, clock, &mut problems);
    let traces = settings.traces.as_ref().and_then(|traces| load_traces(traces, previous, &mut problems));
    let profiles = custom_profiles(&settings.header_profiles, &mut problems);
    let targets = load_targets(&settings.upstreams, purpose, &patience, now, &mut problems);
    let secret_names = settings.upstreams.iter().flat_map(|upstream| {
        upstream
            .headers
            .iter()
            .map(|(name, _)| name.value.clone())
            .chain(upstream.client_ip_header.iter().map(|name| name.value.clone()))
    });
    let reserved = Reserved::new(profiles.values(), secret_names);

    let ca_names = trust.as_ref().map(|trust| ca_names(trust, &settings, &mut problems)).unwrap_or_default();
    let mut domains: BTreeMap<Box<str>, Arc<Domain>> = BTreeMap::new();
    let mut awaiting = BTreeSet::new();
    for domain in &settings.domains {
        let profile = Profile::built_in(&domain.header_profile.value)
            .or_else(|| profiles.get(domain.header_profile.value.as_str()).cloned());
        let target = targets.get(domain.upstream).cloned().flatten();
        let upstream = target.map(|target| (target, settings.forwarded_for(domain.upstream)));
        let profile = profile.map(|profile| reuse_profile(profile, previous));
        let parts = Parts { profile, upstream, ca_names: &ca_names, purpose, tokens: &patience, clock };
        match build_domain(domain, parts, &mut problems) {
            domain::Built::Ready(built) => drop(domains.insert(built.name.clone(), Arc::from(built))),
            domain::Built::Awaiting => drop(awaiting.insert(domain.name.value.as_str().into())),
            domain::Built::Failed => {}
        }
    }
    let ok = !problems.iter().any(|problem| problem.severity == Severity::Error);
    let parts = trust.zip(token_issuers).zip(admin).filter(|_| ok);
    let site = parts.map(|((trust, token_issuers), admin)| {
        let site = Site {
            generation: Generation::FIRST,
            stall_timeout: stall_timeout(&settings.limits, domains.values().map(|domain| &**domain)),
            trust,
            domains,
            awaiting,
            challenges: previous.map(|previous| previous.challenges.clone()).unwrap_or_default(),
            token_issuers,
            reserved,
            admin,
            trusted_proxies: settings.listen.trusted_proxies.clone(),
            clients: settings.listen.clients.clone(),
            proxy_protocol: settings.listen.proxy_protocol,
            limits: settings.limits.clone(),
            traces,
        };
        (settings, site)
    });
    Built { site, key_sets, problems, files }
}

/// Reads the files of the registry, and adds them to `files` with those that they reference.
fn read_registry(
    file: &Spanned<PathBuf>,
    registry: &mut RegistryBuilder<'_>,
    files: &mut BTreeSet<PathBuf>,
) -> Vec<Problem> {
    // Listed once: what is read is what is watched.
    let listed = config::file::of_registry(&file.value);
    files.extend(listed.iter().flatten().cloned());
    config::applications(file, listed, |application| {
        files.extend(files::referenced_by_application(&application));
        registry.register(&application);
    })
}

/// The maximum size in bytes of the CA names in a CertificateRequest. The field allows 65,535 (RFC 8446 section 4.2.4), but clients and
/// middleboxes accept less, and every full handshake carries them.
const MAX_CA_NAME_BYTES: usize = 16 * 1024;

/// The distinct subjects of the client CAs, sent to clients so that they choose a certificate by them. Empty if they are too large.
fn ca_names(
    trust: &trust::Trust,
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> Vec<rustls::DistinguishedName> {
    let mut seen = HashSet::new();
    let names: Vec<&[u8]> = trust.authorities.subjects().filter(|name| seen.insert(*name)).collect();
    let bytes: usize = names.iter().map(|name| name.len() + 2).sum();
    if bytes <= MAX_CA_NAME_BYTES {
        return names.into_iter().map(|name| rustls::DistinguishedName::from(name.to_vec())).collect();
    }
    // Names are not sent while self-signed certificates are registered.
    let may_send = !trust.registry.accepts_self_signed();
    let sends = |domain: &&settings::Domain| {
        may_send && domain.tls.ca_hints && domain.tls.client_auth != tls::ClientAuth::Off
    };
    if let Some(domain) = settings.domains.iter().find(sends) {
        let what = format!(
            "the names of the client CAs have {bytes} bytes, more than {MAX_CA_NAME_BYTES}: none are sent, and clients choose a certificate without them"
        );
        problems.push(
            Problem::warning(&domain.name.span, "domain.ca_hints", what)
                .help("to send none without this warning, write ca_hints = false"),
        );
    }
    Vec::new()
}

fn custom_profiles(configured: &[CustomProfile], problems: &mut Vec<Problem>) -> HashMap<String, Profile> {
    let mut profiles = HashMap::new();
    for custom in configured {
        let headers = custom.headers.iter().map(|(name, encoding)| (name.value.clone(), *encoding)).collect();
        match Profile::custom(&custom.name.value, headers) {
            Ok(profile) => {
                profiles.insert(custom.name.value.clone(), profile);
            }
            Err(error) => {
                problems.push(Problem::error(&custom.name.span, "header_profile.headers", error.to_string()));
            }
        }
    }
    profiles
}

/// Warns about client CAs that are in the system's root store, since anyone can obtain a certificate from them.
#[must_use]
pub fn public_authorities(settings: &Settings) -> Vec<Problem> {
    let system: std::collections::HashSet<[u8; 32]> = rustls_native_certs::load_native_certs()
        .certs
        .iter()
        .filter_map(|root| crate::identity::spki_hash(root).ok())
        .collect();
    let public =
        |ca: &CertificateDer<'_>| crate::identity::spki_hash(ca).is_ok_and(|key| system.contains(&key));
    settings
        .trust
        .client_ca
        .iter()
        .map(|ca| &ca.file)
        .filter(|file| read_certificates(&file.value).is_ok_and(|cas| cas.iter().any(public)))
        .map(|file| {
            let what = format!("{} contains a public CA of the system's root store", file.value.display());
            Problem::warning(&file.span, "trust.client_ca", what).help(
                "anyone can obtain a certificate from it: trust only CAs that issue to your own applications",
            )
        })
        .collect()
}
