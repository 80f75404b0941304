//! Loads the issuers of access tokens: their cached key sets, or the credentials for their introspection endpoints.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, uri::PathAndQuery};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::{
    key_sets::{CachedKeySet, WantedKeySet, cached_key_set},
    secret::load_secret,
    upstream::{TlsPlace, client_tls},
};
use crate::{
    access_token::{IssuerKeys, Rules},
    config::{
        Problem,
        settings::{self, Introspection, KeySetSource, TokenVerification},
    },
    forward::{Address, OriginPolicy, Target, TargetSpec, UpstreamLimits},
    site::{IntrospectionEndpoint, PublishedKeys, Site, TokenIssuer, Verification},
};

/// The most introspections in flight to one issuer, over all workers.
const IN_FLIGHT: usize = 256;

/// Loads the issuers in the order of the configuration; an unchanged one is that of `previous`. None if one cannot be used.
pub(super) fn load_token_issuers(
    issuers: &[settings::TokenIssuer],
    previous: Option<&Site>,
    problems: &mut Vec<Problem>,
) -> Option<Vec<Arc<TokenIssuer>>> {
    let active = previous.map(|previous| &*previous.token_issuers).unwrap_or_default();
    let loaded: Vec<Option<Arc<TokenIssuer>>> = issuers
        .iter()
        .map(|issuer| {
            let before = active.iter().find(|active| *active.name == *issuer.name.value);
            let issuer = load(issuer, before, problems)?;
            Some(before.filter(|before| ***before == issuer).cloned().unwrap_or_else(|| Arc::new(issuer)))
        })
        .collect();
    loaded.into_iter().collect()
}

/// The key sets of these issuers, which were loaded from `settings`, or nothing.
pub(super) fn wanted_key_sets(
    settings: &[settings::TokenIssuer],
    loaded: &[Arc<TokenIssuer>],
) -> Vec<WantedKeySet> {
    let mut wanted = Vec::new();
    for issuer in settings {
        let TokenVerification::KeySet(source) = &issuer.verification else { continue };
        let loaded = loaded.iter().find(|loaded| *loaded.name == *issuer.name.value);
        let refresh = loaded.and_then(|loaded| match &loaded.verification {
            Verification::Keys(published) => Some(published.refresh.clone()),
            Verification::Introspection(_) => None,
        });
        wanted.push(WantedKeySet { source: source.clone(), refresh });
    }
    wanted
}

fn load(
    settings: &settings::TokenIssuer,
    before: Option<&Arc<TokenIssuer>>,
    problems: &mut Vec<Problem>,
) -> Option<TokenIssuer> {
    let rules = Rules {
        issuer: settings.issuer.value.as_str().into(),
        audiences: settings.audience.iter().map(|audience| audience.as_str().into()).collect(),
        typ: settings.typ,
    };
    let verification = match &settings.verification {
        TokenVerification::KeySet(source) => {
            // Only of the same issuer: another one must not be verified by its keys.
            let before = before.filter(|before| before.rules.issuer == rules.issuer);
            let before = before.and_then(|before| match &before.verification {
                Verification::Keys(published) => Some(published),
                Verification::Introspection(_) => None,
            });
            Verification::Keys(PublishedKeys {
                url: source.url.value.to_string().into(),
                keys: keys(source, before.and_then(|before| before.keys.clone()), problems),
                refresh: before.map(|before| before.refresh.clone()).unwrap_or_default(),
            })
        }
        TokenVerification::Introspection(introspection) => {
            Verification::Introspection(endpoint(introspection, before, problems)?)
        }
    };
    Some(TokenIssuer { name: settings.name.value.as_str().into(), rules, verification })
}

/// The keys of a cached set. Without a valid one, the active keys stay.
fn keys(
    source: &KeySetSource,
    active: Option<IssuerKeys>,
    problems: &mut Vec<Problem>,
) -> Option<IssuerKeys> {
    let (file, url) = (source.file.value.display(), &source.url.value);
    let kept = if active.is_some() { "the active keys stay" } else { "its tokens are refused" };
    let what = match cached_key_set(source) {
        CachedKeySet::Valid(set) => return Some(IssuerKeys::of(&set)),
        CachedKeySet::Missing => format!("{file} does not exist yet: `run` fetches it from {url}"),
        CachedKeySet::Invalid(why) => format!("{why}; `run` fetches one from {url}"),
    };
    let help = format!("until it has been fetched, {kept}");
    problems.push(Problem::warning(&source.file.span, "token_issuer.jwks.file", what).help(help));
    active
}

fn endpoint(
    settings: &Introspection,
    before: Option<&Arc<TokenIssuer>>,
    problems: &mut Vec<Problem>,
) -> Option<IntrospectionEndpoint> {
    let Introspection { url, client_id, secret, ca, timeout } = settings;
    let origin = &url.value.origin;
    let secret = load_secret(&secret.value).map_err(|fault| {
        let fault =
            fault.or_help("the secret must be one line of visible ASCII; surrounding whitespace is trimmed");
        problems.push(fault.at(&secret.span, "token_issuer.introspection.secret"));
    });
    let tls = origin.tls.then(|| {
        let place = TlsPlace { ca: ca.as_ref(), otherwise: &url.span, key: "token_issuer.introspection.ca" };
        client_tls(&place, None, problems).ok_or(())
    });
    let (secret, tls) = (secret.ok()?, tls.transpose().ok()?);
    let authorization = basic(&client_id.value, &secret)?;
    let path = PathAndQuery::try_from(url.value.target.as_str()).ok()?;
    let host = HeaderValue::try_from(origin.authority()).ok()?;
    let target = Target::new(TargetSpec {
        name: format!("introspection at {}", url.value),
        origins: vec![Address::Network(origin.clone())],
        host: None,
        headers: HeaderMap::new(),
        client_ip_header: None,
        forwarded: false,
        forwarded_for: None,
        tls,
        server_name: None,
        limits: UpstreamLimits {
            response_timeout: *timeout,
            connections: IN_FLIGHT,
            ..UpstreamLimits::default()
        },
        policy: OriginPolicy::default(),
    });
    let active = before.and_then(|before| match &before.verification {
        Verification::Introspection(endpoint) => Some(&endpoint.target),
        Verification::Keys(_) => None,
    });
    let target = active.filter(|active| ***active == target).cloned().unwrap_or_else(|| Arc::new(target));
    Some(IntrospectionEndpoint { target, path, host, authorization, timeout: *timeout })
}

/// HTTP Basic with both values form-encoded (RFC 6749 section 2.3.1).
fn basic(client_id: &str, secret: &HeaderValue) -> Option<HeaderValue> {
    let encode = |text: &str| Zeroizing::new(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
    let (client_id, secret) = (encode(client_id), encode(secret.to_str().ok()?));
    let plain = Zeroizing::new(format!("{}:{}", *client_id, *secret));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(plain.as_bytes())));
    let mut value = HeaderValue::try_from(text.as_str()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
