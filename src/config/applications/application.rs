//! `[[application]]`.

use super::{
    certificates::certificate_bound,
    credential::{Reading, is_matcher, read_all},
    fields::check_kids,
    method,
    request_key::request_keys,
};
use crate::config::{
    diagnostic::{Fault, Problem},
    edge::per_second,
    key_set::key_set_source,
    node::Table,
    public_key,
    schema::{CREDENTIAL, JWKS_URI, REQUEST_KEY, SYNONYMS},
    settings::{Application, Credential, KeySetSource, Matcher, RequestRules},
    span::Spanned,
};
use crate::trust::{AuthMethod, CredentialFault, Credentials};

const MAX_CREDENTIALS: usize = Credentials::<()>::MAX;

/// Reads an application. Returns `None` if a part of it is invalid.
pub(super) fn application(table: &Table<'_>, client_id: Option<Spanned<String>>) -> Option<Application> {
    let configured =
        table.get("auth_method").map(|value| value.parse("an authentication method", method::method));
    let is_valid = configured.as_ref().is_none_or(Option::is_some);
    let configured = configured.flatten();
    let jwks_uri = table.get("jwks_uri").map(|value| key_set_source(&value, JWKS_URI));
    let binding = certificate_bound(table, configured.as_ref());
    let rules = request_rules(table);
    let request_keys = match table.get("request_key") {
        None => Some(Vec::new()),
        Some(value) => value.tables(REQUEST_KEY).and_then(|tables| request_keys(table, &tables)),
    };
    let requests_per_second = per_second(table, "requests_per_second");
    let is_supported = refuse_upstream_credential(table);
    let tables = match table.get("credential") {
        None => Some(Vec::new()),
        Some(value) => value.tables(CREDENTIAL),
    };
    if is_valid && tables.as_ref().is_some_and(Vec::is_empty) && jwks_uri.is_none() {
        report_missing_credential(table, configured.as_ref());
    }
    table.finish();
    let tables = tables?;
    let may_be_empty = configured.as_ref().is_some_and(|method| is_without_credential(method.value));
    let credentials = read_all(&tables, may_be_empty);
    let is_within_bounds = check_count(table, &tables);
    let auth_method = match configured {
        Some(configured) => Some(configured),
        None if !is_valid => None,
        None => inferred(table, &credentials, jwks_uri.as_ref()),
    };
    let registered = || credentials.iter().flatten().filter_map(Reading::registered);
    let auth_method = auth_method.filter(|method| {
        method::check(table, method, registered())
            && method::check_signature_keys(table, method, registered())
    });
    let credentials = credentials.into_iter().collect::<Option<Vec<_>>>();
    let jwks_uri = match jwks_uri {
        None => None,
        Some(source) => Some(source?),
    };
    let (client_id, auth_method, credentials) = (client_id?, auth_method?, credentials?);
    check_key_set(table, &auth_method, jwks_uri.as_ref(), &credentials)?;
    let credentials = all_or_none(table, &auth_method, credentials)?;
    let kids = credentials.iter().filter_map(|credential| match &credential.matcher {
        Matcher::PublicKey(key) => key.kid.as_ref(),
        _ => None,
    });
    let are_kids_unique = check_kids(table, kids, "application.credential.kid");
    let (request_keys, rules) = (request_keys?, rules?);
    if rules.require_signed_request.value && request_keys.is_empty() {
        let what = "found require_signed_request without [[application.request_key]]: no request object could be verified";
        let span = &rules.require_signed_request.span;
        let problem = Problem::error(span, "application.require_signed_request", what);
        table.reader.report(problem.help("write [[application.request_key]] with name and public_key"));
        return None;
    }
    let application = Application {
        client_id,
        auth_method,
        credentials,
        jwks_uri,
        certificate_bound: binding?,
        request_keys,
        rules,
        requests_per_second,
    };
    (is_within_bounds && are_kids_unique && is_supported).then_some(application)
}

/// Reads the rules for authorization requests.
fn request_rules(table: &Table<'_>) -> Option<RequestRules> {
    let rule = |key| match table.get(key) {
        None => Some(Spanned { value: false, span: table.span.clone() }),
        Some(value) => value.boolean().map(|required| value.locate(required)),
    };
    // All three are read, so that each problem is reported.
    let rules = ["require_signed_request", "require_pushed_request", "strict_request_objects"].map(rule);
    let [require_signed_request, require_pushed_request, strict_request_objects] = rules;
    Some(RequestRules {
        require_signed_request: require_signed_request?,
        require_pushed_request: require_pushed_request?,
        strict_request_objects: strict_request_objects?,
    })
}

/// Refuses a table that a later version reads. Returns whether it is absent.
fn refuse_upstream_credential(table: &Table<'_>) -> bool {
    let Some(value) = table.get("upstream_credential") else { return true };
    let span = table.key_span("upstream_credential").unwrap_or_else(|| value.span.clone());
    let what = "not supported yet: the upstream receives the credential that the application sends";
    let problem = Problem::error(&span, value.path_of_key(), what);
    table.reader.report(problem.help("remove [application.upstream_credential]"));
    false
}

/// Reports an application without credentials, unless its method needs none.
fn report_missing_credential(table: &Table<'_>, method: Option<&Spanned<AuthMethod>>) {
    let (what, help) = match method.map(|method| method.value) {
        Some(method) if is_without_credential(method) => return,
        _ if table.is_misspelt(&["credential", "jwks_uri"]) || has_a_matcher(table) => return,
        Some(AuthMethod::PrivateKeyJwt) => (
            "missing: private_key_jwt needs an [[application.credential]] with public_key, or jwks_uri",
            "write [[application.credential]], and below it name and public_key = \"keys/reports.pem\"",
        ),
        _ => (
            "missing: an application needs at least one [[application.credential]]",
            "`mtls-edge inspect CERT` prints one to paste",
        ),
    };
    table.reader.report(Problem::error(&table.span, "application.credential", what).help(help));
}

/// Whether the application's table itself has a key of a credential.
fn has_a_matcher(table: &Table<'_>) -> bool {
    let has_certificate = table.key_span("certificate").is_some();
    has_certificate
        || table.unknown().into_iter().any(|(key, value)| {
            let is_synonym = || SYNONYMS.iter().any(|(other, own)| *other == key && is_matcher(own));
            is_matcher(key) || is_synonym() || public_key::help_for_key(value).is_some()
        })
}

/// Reports a third credential. Returns whether there is none.
fn check_count(table: &Table<'_>, tables: &[Table<'_>]) -> bool {
    let Some(third) = tables.get(MAX_CREDENTIALS) else { return true };
    let what = format!("found {}", CredentialFault::TooMany(tables.len()));
    let problem = Problem::error(&third.span, "application.credential", what);
    table.reader.report(problem.help("remove the credential that is no longer in use"));
    false
}

/// The method of an application without `auth_method`.
fn inferred(
    table: &Table<'_>,
    credentials: &[Option<Reading>],
    jwks_uri: Option<&Option<KeySetSource>>,
) -> Option<Spanned<AuthMethod>> {
    if credentials.is_empty() && jwks_uri.is_some() {
        return Some(Spanned { value: AuthMethod::PrivateKeyJwt, span: table.key_span("jwks_uri")? });
    }
    // An invalid credential could decide it.
    let credentials =
        credentials.iter().map(|reading| reading.as_ref()?.registered()).collect::<Option<Vec<_>>>()?;
    method::infer(table, &credentials)
}

/// Reports `jwks_uri` with another method than `private_key_jwt`, or beside credentials.
fn check_key_set(
    table: &Table<'_>,
    method: &Spanned<AuthMethod>,
    jwks_uri: Option<&KeySetSource>,
    credentials: &[Reading],
) -> Option<()> {
    const KEY: &str = "application.jwks_uri";
    if jwks_uri.is_none() {
        return Some(());
    }
    let span = table.key_span("jwks_uri")?;
    let fault = if method.value != AuthMethod::PrivateKeyJwt {
        let (name, line) = (method.value.as_str(), method.span.line());
        let what =
            format!("jwks_uri belongs to private_key_jwt, but the application uses {name} (line {line})");
        Fault::new(what).help("remove jwks_uri")
    } else if !credentials.is_empty() {
        Fault::new("found jwks_uri and [[application.credential]], expected one of them")
            .help("remove one of the two")
    } else {
        return Some(());
    };
    table.reader.report(fault.at(&span, KEY));
    None
}

/// Whether an application with this method needs no credential.
const fn is_without_credential(method: AuthMethod) -> bool {
    matches!(method, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost | AuthMethod::None)
}

/// The credentials that register something. Reports a secret beside a credential without one: every secret would then pass. Reports any
/// credential of a public client.
fn all_or_none(
    table: &Table<'_>,
    method: &Spanned<AuthMethod>,
    readings: Vec<Reading>,
) -> Option<Vec<Credential>> {
    let empty = readings.iter().find_map(|reading| match reading {
        Reading::NameOnly(name) => Some(name),
        Reading::Registered(_) => None,
    });
    if let Some(empty) = empty.filter(|_| method.value == AuthMethod::None) {
        let line = method.span.line();
        let what = format!("found a credential, but the application uses none (line {line})");
        let problem = Problem::error(&empty.span, "application.credential", what);
        table.reader.report(problem.help("remove the credential: a public client has none"));
        return None;
    }
    if let Some(empty) = empty.filter(|_| readings.iter().any(|reading| reading.registered().is_some())) {
        let what = "found a credential without secret_sha256 beside one with it: the edge verifies all secrets or none";
        let problem = Problem::error(&empty.span, "application.credential", what);
        table.reader.report(problem.help("write secret_sha256 in both, or remove one of the two"));
        return None;
    }
    let registered = |reading| match reading {
        Reading::Registered(credential) => Some(*credential),
        Reading::NameOnly(_) => None,
    };
    Some(readings.into_iter().filter_map(registered).collect())
}
