//! Builds a site from the configuration: loads the files that it references, and reports every problem.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use http::{HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;

use super::{
    admin::admin_rules,
    applications::RegistryBuilder,
    authorities,
    credential::{CredentialFiles, Role, load_credential},
    fetched, files,
    key_sets::WantedKeySet,
    methods,
    pem::read_certificates,
    profile,
    ticket_keys::ticket_secrets,
    token_issuers::{load_token_issuers, wanted_key_sets},
    traces::load_traces,
    upstream::load_target,
};
use crate::{
    clock::{Clock, Timestamp},
    config::{
        self, Input, Problem, Severity,
        settings::{self, CustomProfile, Settings},
    },
    forward::{ForwardedFor, Target},
    site::{Authenticate, Domain, Generation, RefreshRequest, Routes, SignedRequest, Site},
    tls,
    trust::{self, Issuer},
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
    /// When the first of the server certificates that are not valid yet becomes valid: then the same files may build a site.
    pub valid_from: Option<Timestamp>,
}

/// Reads the configuration and the files that it references. The site has the first generation number; the caller assigns
/// another one when it activates the site.
///
/// Unchanged parts are taken over from `previous`: the TLS configuration of a domain with its ticket keys, an upstream with its
/// connections.
#[must_use]
pub fn build(input: &Input, previous: Option<&Site>, clock: &Clock) -> Built {
    let now = clock.now();
    let mut files: BTreeSet<PathBuf> = input.file().map(Path::to_owned).into_iter().collect();
    let (settings, mut problems) = config::settings(input);
    let Some(settings) = settings else {
        return Built { site: None, key_sets: Vec::new(), problems, files, valid_from: None };
    };
    files.extend(files::referenced_by_settings(&settings));
    problems.extend(files::check_folder_permissions(&settings));

    let needs_registry = settings.domains.iter().flat_map(|domain| &domain.routes).any(|route| {
        route.spec.authenticate != Authenticate::None || route.spec.signed_request != SignedRequest::Off
    });
    let file = &settings.trust.applications;
    let mut registry = RegistryBuilder::new(previous.map(|previous| &previous.trust.registry), now);
    if needs_registry || file.value.exists() {
        problems.extend(config::applications(&file.value, &file.span, |application| {
            files.extend(files::referenced_by_application(&application));
            registry.register(&application);
        }));
    }
    registry.check_authorities(&settings);
    if registry.is_complete() {
        problems.extend(methods::check(&settings, registry.registry(), previous.is_some()));
        problems.extend(profile::check(&settings, registry.registry()));
    }
    let (registry, published, more) = registry.finish();
    problems.extend(more);
    problems.extend(fetched::check_key_sets(&settings, &published, "application.jwks_uri"));
    problems.extend(fetched::check_crl_sources(&settings.trust));
    let (trust, more) = authorities::load(&settings.trust, registry, now);
    problems.extend(more);

    let token_issuers = load_token_issuers(&settings.token_issuers, previous, &mut problems);
    let mut key_sets = wanted_key_sets(&settings.token_issuers, token_issuers.as_deref().unwrap_or_default());
    let sources: Vec<_> = key_sets.iter().map(|wanted| wanted.source.clone()).collect();
    problems.extend(fetched::check_key_sets(&settings, &sources, "token_issuer.jwks"));
    key_sets.extend(
        published.into_iter().map(|source| WantedKeySet { source, refresh: RefreshRequest::default() }),
    );
    let admin = admin_rules(&settings, previous.map(|previous| &previous.admin), clock, &mut problems);
    let traces = settings.traces.as_ref().and_then(|traces| load_traces(traces, previous, &mut problems));
    let profiles = custom_profiles(&settings.header_profiles, &mut problems);
    let client_certificates: Vec<_> = previous
        .iter()
        .flat_map(|previous| previous.targets())
        .filter_map(|target| target.client_certificate())
        .collect();
    let targets: Vec<Option<Arc<Target>>> = settings
        .upstreams
        .iter()
        .map(|upstream| load_target(upstream, &client_certificates, now, &mut problems))
        .map(|target| {
            let target = Arc::new(target?);
            let active = previous.and_then(|previous| previous.targets().find(|active| ***active == *target));
            Some(active.cloned().unwrap_or(target))
        })
        .collect();
    let secret_names = settings.upstreams.iter().flat_map(|upstream| {
        upstream
            .headers
            .iter()
            .map(|(name, _)| name.value.clone())
            .chain(upstream.client_ip_header.iter().map(|name| name.value.clone()))
    });
    let reserved = Reserved::new(profiles.values(), secret_names);

    let ca_names = trust.as_ref().map(|trust| ca_names(trust, &settings, &mut problems)).unwrap_or_default();
    let mut domains = BTreeMap::new();
    for domain in &settings.domains {
        let profile = Profile::built_in(&domain.header_profile.value)
            .or_else(|| profiles.get(domain.header_profile.value.as_str()).cloned());
        let target = targets.get(domain.upstream).cloned().flatten();
        let upstream = target.map(|target| (target, settings.forwarded_for(domain.upstream)));
        let profile = profile.map(|profile| reuse_profile(profile, previous));
        let built = build_domain(domain, profile, upstream, &ca_names, previous, clock, &mut problems);
        domains.extend(built.map(|built| (built.name.clone(), Arc::new(built))));
    }
    let certificates = domains.values().filter_map(|domain| domain.tls.certificate());
    let valid_from =
        certificates.map(|certificate| certificate.validity().not_before).filter(|from| *from > now).min();
    let ok = !problems.iter().any(|problem| problem.severity == Severity::Error);
    let parts = trust.zip(token_issuers).zip(admin).filter(|_| ok);
    let site = parts.map(|((trust, token_issuers), admin)| {
        let site = Site {
            generation: Generation::FIRST,
            trust,
            domains,
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
    Built { site, key_sets, problems, files, valid_from }
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

/// Builds one domain, or returns None if one of its parts is missing. The credential is loaded in any case, to report its problems.
fn build_domain(
    settings: &settings::Domain,
    profile: Option<Profile>,
    upstream: Option<(Arc<Target>, ForwardedFor)>,
    ca_names: &[rustls::DistinguishedName],
    previous: Option<&Site>,
    clock: &Clock,
    problems: &mut Vec<Problem>,
) -> Option<Domain> {
    let active = previous.and_then(|previous| previous.domains.get(settings.name.value.as_str()));
    // Of all domains, since one may have been renamed.
    let active_certificates: Vec<_> = previous
        .iter()
        .flat_map(|previous| previous.domains.values())
        .filter_map(|domain| domain.tls.leaf())
        .collect();
    let files = CredentialFiles {
        provider: &tls::provider(settings.tls.cipher_suites),
        role: Role::Server(&settings.name.value),
        certificate: &settings.certificate,
        private_key: &settings.private_key,
        active: &active_certificates,
        now: clock.now(),
    };
    let credential = load_credential(&files, problems);
    let ticket_secrets =
        settings.ticket_keys.as_ref().map(|file| ticket_secrets(file, problems).ok_or(())).transpose().ok();
    let ((credential, key_file), ticket_secrets) = (credential?, ticket_secrets?);
    let (profile, (target, forwarded_for)) = (profile?, upstream?);
    if let Some(name) = collision(&profile, &target) {
        let what = format!(
            "the profile \"{}\" sets a header that the upstream's own headers also set: {name}",
            profile.name()
        );
        problems.push(
            Problem::error(&settings.header_profile.span, "domain.header_profile", what)
                .help("the upstream would receive only one of them: rename the one under upstream.headers"),
        );
    }
    let options = tls::ServerOptions {
        credential,
        key_file,
        client_auth: settings.tls.client_auth,
        cipher_suites: settings.tls.cipher_suites,
        domain: settings.name.value.as_str().into(),
        session_lifetime: settings.tls.session_lifetime,
        ticket_secrets,
        hints: if settings.tls.ca_hints { ca_names.to_vec() } else { Vec::new() },
    };
    let tls = tls::DomainTls::new(options, active.map(|active| &active.tls), clock)
        .map_err(|error| {
            let what = format!("cannot build the TLS configuration: {error}");
            problems.push(Problem::error(&settings.certificate.span, "domain.certificate", what));
        })
        .ok()?;
    Some(Domain {
        name: settings.name.value.as_str().into(),
        // Every DNS name is a valid header value.
        authority: HeaderValue::try_from(settings.name.value.as_str()).ok()?,
        tls,
        client_auth: settings.tls.client_auth,
        routes: Routes::new(settings.routes.iter().map(|route| route.spec.clone())),
        target,
        forwarded_for,
        profile,
        issuer: settings.issuer.as_ref().map(|issuer| {
            Issuer::new(&issuer.value, settings.audiences.iter().map(|audience| &audience.value))
        }),
        security_profile: settings.security_profile.as_ref().map(|profile| profile.value),
    })
}

/// Returns the active profile if it equals this one, so that headers that were encoded for it remain valid.
fn reuse_profile(profile: Profile, previous: Option<&Site>) -> Profile {
    let mut active =
        previous.into_iter().flat_map(|previous| previous.domains.values()).map(|domain| &domain.profile);
    let same = active.find(|other| other.is_same(&profile));
    same.cloned().unwrap_or(profile)
}

/// A header that both the profile and the upstream set. Header names of custom profiles may be secrets; this one may be shown since
/// the upstream's table contains it too.
fn collision(profile: &Profile, target: &Target) -> Option<HeaderName> {
    let upstream_names = target.spec.headers.keys().chain(&target.spec.client_ip_header);
    let names = Reserved::of(profile);
    upstream_names.into_iter().find(|name| names.contains(name)).cloned()
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
