//! `applications.toml`: the registered applications and their credentials.

use std::{collections::HashMap, sync::Arc};

use super::{
    diagnostic::{Fault, Problem},
    node::{Table, Value},
    public_key,
    reader::Reader,
    schema::{APPLICATION, CREDENTIAL, SYNONYMS},
    settings::{Application, Credential, Matcher},
    span::{Span, Spanned},
    suggest::{all_of, did_you_mean, quote},
    variable::{template, variable},
};
use crate::trust::{AuthMethod, ClientIdError, CredentialFault, Credentials};

const SELF_SIGNED: &str = AuthMethod::SelfSignedTls.as_str();
const PKI: &str = AuthMethod::PkiTls.as_str();

const MAX_CREDENTIALS: usize = Credentials::<()>::MAX;

/// Registered values of OAuth's `token_endpoint_auth_method` that the edge does not support.
const UNSUPPORTED: [&str; 5] =
    ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"];

/// Reads a registry piece by piece.
pub(super) struct Registry<F> {
    /// Called with each application.
    each: F,
    /// Each client_id with the byte of its first occurrence.
    ids: HashMap<String, usize>,
    /// Whether the file has an application, valid or not.
    has_applications: bool,
    /// Whether the applications are one inline list, `application = [...]`, which no other piece can extend.
    is_inline: bool,
}

impl<F: FnMut(Application)> Registry<F> {
    /// An empty registry. Applications are passed to `each`.
    pub(super) fn new(each: F) -> Self {
        Self { each, ids: HashMap::new(), has_applications: false, is_inline: false }
    }

    /// Reads a piece of the file.
    pub(super) fn read(&mut self, root: &Table<'_>) {
        let tables = root.tables(APPLICATION, "application");
        let Some(span) = root.key_span("application") else { return };
        if self.is_inline {
            let problem = Problem::error(&span, "application", "invalid TOML: duplicate key");
            root.reader.report(problem.help("write all applications as [[application]], or all in one list"));
        }
        let after_key = root.reader.source.text().get(span.range.end..).unwrap_or_default();
        self.is_inline = after_key.trim_start().starts_with('=');
        self.has_applications = true;
        for table in tables.unwrap_or_default() {
            let client_id =
                table.require("client_id").and_then(|value| value.parse("a client_id", client_id));
            if let Some(id) = &client_id {
                warn_if_variable(&table, id);
            }
            let is_first = client_id.as_ref().is_none_or(|id| self.record_id(&table, id));
            // The credentials of a second entry may equal those of the first: one problem is enough.
            if let Some(application) = application(&table, client_id).filter(|_| is_first) {
                (self.each)(application);
            }
        }
    }

    /// Records a client_id, and reports it if it occurred before. Returns whether it is the first occurrence.
    fn record_id(&mut self, table: &Table<'_>, id: &Spanned<String>) -> bool {
        let at = id.span.range.start;
        let first = *self.ids.entry(id.value.clone()).or_insert(at);
        if first != at {
            let source = Arc::clone(&id.span.source);
            let line = Span { source, range: first..first }.line();
            let what = format!("found {} a second time; the first is on line {line}", quote(&id.value));
            let problem = Problem::error(&id.span, "application.client_id", what);
            table.reader.report(problem.help("put both credentials under one [[application]]"));
        }
        first == at
    }

    /// Warns if there was no application.
    pub(super) fn finish(self, reader: &Reader) {
        if self.has_applications || !reader.has_no_errors() {
            return;
        }
        let what = "no application is registered: every request that requires authentication will be refused";
        reader.report(
            Problem::warning(&reader.end(), "application", what).help(
                "write [[application]] for each; `mtls-edge inspect CERT` prints a credential to paste",
            ),
        );
    }
}

/// Warns about a variable: it is valid in a client_id, but probably not intended.
fn warn_if_variable(table: &Table<'_>, id: &Spanned<String>) {
    let text = id.value.as_str();
    let Some(variable) = variable(text) else { return };
    let what = format!("found {}: variables are not expanded", quote(text));
    let warning = Problem::warning(&id.span, "application.client_id", what)
        .help(format!("write the value itself in place of {variable}"));
    table.reader.report(warning);
}

fn client_id(text: &str) -> Result<String, Fault> {
    let Some(error) = ClientIdError::of(text) else { return Ok(text.to_owned()) };
    Err(match error {
        ClientIdError::OuterSpace => Fault::new(format!("found {}, expected no leading or trailing space", quote(text)))
            .help("remove the space: some servers trim it and would identify another client"),
        ClientIdError::Empty | ClientIdError::TooLong(_) => Fault::new(format!("found {error}"))
            .help("register a shorter client_id at the authorization server"),
        ClientIdError::Character(bad) => Fault::new(format!(
            "found {} with {bad:?} in it, expected printable ASCII (RFC 6749, appendix A.1)",
            quote(text)
        ))
        .help("register a client_id of printable ASCII characters at the authorization server, and write it here"),
    })
}

fn application(table: &Table<'_>, client_id: Option<Spanned<String>>) -> Option<Application> {
    let configured = table.get("auth_method").map(|value| value.parse("an authentication method", method));
    let tables = table.tables(CREDENTIAL, "credential");
    let missing = table.key_span("credential").is_none() || tables.as_ref().is_some_and(Vec::is_empty);
    if missing && !table.is_misspelt(&["credential"]) && !has_a_matcher(table) {
        let what = "missing: an application needs at least one [[application.credential]]";
        let problem = Problem::error(&table.span, "application.credential", what);
        table.reader.report(problem.help("`mtls-edge inspect CERT` prints one to paste"));
    }
    table.finish();
    let tables = tables?;
    let mut names: Vec<Spanned<String>> = Vec::new();
    let credentials: Vec<Option<Credential>> =
        tables.iter().map(|table| credential(table, &mut names)).collect();
    if let Some(third) = tables.get(MAX_CREDENTIALS) {
        let what = format!("found {}", CredentialFault::TooMany(tables.len()));
        let problem = Problem::error(&third.span, "application.credential", what);
        table.reader.report(problem.help("remove the credential that is no longer in use"));
    }
    let auth_method = match configured {
        Some(configured) => configured,
        None => Some(inferred(credentials.first()?.as_ref()?)),
    };
    let auth_method = auth_method.filter(|method| check_methods(table, method, credentials.iter().flatten()));
    // A third credential was reported already.
    let credentials = credentials
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .filter(|credentials| credentials.len() <= MAX_CREDENTIALS)?;
    Some(Application { client_id: client_id?, auth_method: auth_method?.value, credentials })
}

/// Whether the application's table itself has a key of a credential.
fn has_a_matcher(table: &Table<'_>) -> bool {
    let is_matcher = |key: &str| MATCHERS.iter().any(|(name, _)| *name == key);
    table.unknown().into_iter().any(|(key, value)| {
        let synonym = || SYNONYMS.iter().any(|(other, own)| *other == key && is_matcher(own));
        is_matcher(key) || synonym() || public_key::help_for_key(key, value).is_some()
    })
}

fn method(text: &str) -> Result<AuthMethod, Fault> {
    match text {
        SELF_SIGNED => Ok(AuthMethod::SelfSignedTls),
        PKI => Ok(AuthMethod::PkiTls),
        _ if UNSUPPORTED.contains(&text) => {
            let what = format!("found {}, which the edge does not support yet", quote(text));
            Err(Fault::new(what).help(format!("write {SELF_SIGNED:?} or {PKI:?}, or remove the application")))
        }
        _ => {
            let what = format!("found {}, expected {SELF_SIGNED:?} or {PKI:?}", quote(text));
            let help = did_you_mean(text, [SELF_SIGNED, PKI]).unwrap_or_else(|| {
                "remove auth_method: it is inferred from the keys of the credentials".to_owned()
            });
            Err(Fault::new(what).help(help))
        }
    }
}

fn inferred(credential: &Credential) -> Spanned<AuthMethod> {
    Spanned { value: method_of(&credential.matcher), span: credential.name.span.clone() }
}

fn method_of(matcher: &Matcher) -> AuthMethod {
    match matcher {
        Matcher::Thumbprint(_) | Matcher::Certificate(_) => AuthMethod::SelfSignedTls,
        _ => AuthMethod::PkiTls,
    }
}

/// Reports the first credential of another method than the application's. Returns whether there is none.
fn check_methods<'a>(
    table: &Table<'_>,
    method: &Spanned<AuthMethod>,
    credentials: impl Iterator<Item = &'a Credential>,
) -> bool {
    for credential in credentials {
        let own = method_of(&credential.matcher);
        if own == method.value {
            continue;
        }
        let (name, span) = matcher_key(&credential.matcher);
        let (belongs, found, expected) = match own {
            AuthMethod::SelfSignedTls => {
                (SELF_SIGNED, PKI, "subject_dn or one of san_dns, san_uri, san_ip, san_email")
            }
            // No credential of another method can be written yet.
            _ => (PKI, SELF_SIGNED, "thumbprint or certificate"),
        };
        let what = format!(
            "{name} belongs to {belongs}, but the application uses {found} (line {})",
            method.span.line()
        );
        let problem = Problem::error(span, format!("application.credential.{name}"), what);
        table
            .reader
            .report(problem.help(format!("write {expected}, or register it as a separate application")));
        return false;
    }
    true
}

fn matcher_key(matcher: &Matcher) -> (&'static str, &super::span::Span) {
    match matcher {
        Matcher::Thumbprint(value) => ("thumbprint", &value.span),
        Matcher::Certificate(value) => ("certificate", &value.span),
        Matcher::SubjectDn(value) => ("subject_dn", &value.span),
        Matcher::SanDns(value) => ("san_dns", &value.span),
        Matcher::SanUri(value) => ("san_uri", &value.span),
        Matcher::SanIp(value) => ("san_ip", &value.span),
        Matcher::SanEmail(value) => ("san_email", &value.span),
    }
}

type ReadMatcher = fn(&Value<'_>) -> Option<Matcher>;

const MATCHERS: [(&str, ReadMatcher); 7] = [
    ("thumbprint", |value| value.string().map(Matcher::Thumbprint)),
    ("certificate", |value| value.path().map(Matcher::Certificate)),
    ("subject_dn", |value| value.string().map(Matcher::SubjectDn)),
    ("san_dns", |value| value.string().map(Matcher::SanDns)),
    ("san_uri", |value| value.string().map(Matcher::SanUri)),
    ("san_ip", |value| value.string().map(Matcher::SanIp)),
    ("san_email", |value| value.string().map(Matcher::SanEmail)),
];

fn credential(table: &Table<'_>, names: &mut Vec<Spanned<String>>) -> Option<Credential> {
    let name = table.require("name").and_then(|value| value.string());
    if let Some(name) = &name {
        if let Some(first) = names.iter().find(|first| first.value == name.value) {
            let what = format!(
                "found {} a second time; the first is on line {}",
                quote(&name.value),
                first.span.line()
            );
            let problem = Problem::error(&name.span, "application.credential.name", what);
            table.reader.report(problem.help("give each credential of an application a unique name"));
        }
        names.push(name.clone());
    }
    let matchers: Vec<(&str, Value<'_>, ReadMatcher)> =
        MATCHERS.iter().filter_map(|(key, read)| Some((*key, table.get(key)?, *read))).collect();
    let ca = table.get("ca");
    let matcher = one_matcher(table, &matchers);
    table.finish();
    let ca = match (ca, &matcher) {
        (Some(ca), Some(Matcher::Thumbprint(_) | Matcher::Certificate(_))) => {
            let what =
                "found ca with a thumbprint or certificate, which already identifies a single certificate";
            return ca.refuse(Fault::new(what).help("remove ca"));
        }
        (Some(ca), _) => Some(ca.path()?),
        (None, _) => None,
    };
    Some(Credential { name: name?, matcher: matcher?, ca })
}

fn one_matcher(table: &Table<'_>, matchers: &[(&str, Value<'_>, ReadMatcher)]) -> Option<Matcher> {
    const KEY: &str = "application.credential";
    match matchers {
        [(_, value, read)] => {
            if let Some(fault) = public_key::fault_for_value(value.toml) {
                return value.refuse(fault);
            }
            let matcher = read(value);
            if let Some(variable) = value.toml.as_str().and_then(template) {
                let what = "found a variable: variables are not expanded".to_owned();
                let problem = Problem::warning(&value.span, value.path_of_key(), what);
                table.reader.report(problem.help(format!("write the value itself in place of {variable}")));
            }
            matcher
        }
        [] if table.is_misspelt(&MATCHERS.map(|(key, _)| key)) => None,
        [] => {
            let all = super::suggest::any_of(MATCHERS.iter().map(|(key, _)| *key));
            let problem =
                Problem::error(&table.span, KEY, format!("missing: a credential needs one of {all}"));
            table.reader.report(problem.help("`mtls-edge inspect CERT` prints a credential to paste"));
            None
        }
        [_, (_, second, _), ..] => {
            let found = all_of(matchers.iter().map(|(key, ..)| *key));
            let problem =
                Problem::error(&second.span, KEY, format!("found {found}, expected exactly one of them"));
            table
                .reader
                .report(problem.help("keep one; add another [[application.credential]] for the second"));
            None
        }
    }
}
