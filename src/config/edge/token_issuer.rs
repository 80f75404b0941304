//! `[[token_issuer]]`: the authorization servers whose access tokens routes verify.

use super::{report_duplicate_name, secret::secret};
use crate::access_token::TokenType;
use crate::config::{
    diagnostic::{Fault, Problem},
    key_set::{TIMEOUTS, key_set_source},
    node::{Table, Value},
    schema::{INTROSPECTION, INTROSPECTION_SECRET, TOKEN_ISSUER_JWKS},
    settings::{Introspection, TokenIssuer, TokenVerification},
    span::Spanned,
    url,
};

/// The token issuers.
pub(super) struct TokenIssuers {
    /// All token issuers, or `None` if one of them lacks a valid required key.
    pub(super) issuers: Option<Vec<TokenIssuer>>,
    /// The name of each in order, `None` if it is invalid. Routes are checked even if a token issuer is invalid.
    pub(super) names: Vec<Option<Spanned<String>>>,
}

/// Reads all token issuers.
pub(super) fn read_all(tables: &[Table<'_>]) -> TokenIssuers {
    let mut names = Vec::new();
    let mut issuers = Vec::new();
    for table in tables {
        let name = table.require("name").and_then(|value| value.string());
        if let Some(name) = &name {
            report_duplicate_name(table, &names, name);
        }
        names.push(name.clone());
        issuers.push(read(table, name));
    }
    TokenIssuers { issuers: issuers.into_iter().collect(), names }
}

fn read(table: &Table<'_>, name: Option<Spanned<String>>) -> Option<TokenIssuer> {
    let issuer = table.require("issuer").and_then(|value| value.parse("an issuer identifier", url::issuer));
    let audience = match table.get("audience") {
        None => Some(Vec::new()),
        Some(value) => value.filled_list(Value::string),
    };
    let types = [("at+jwt", TokenType::AtJwt), ("jwt", TokenType::AnyJwt)];
    let typ = match table.get("typ") {
        None => Some(TokenType::default()),
        Some(value) => value.choice(&types).map(|typ| typ.value),
    };
    let verification = verification(table);
    if let (Some(audience), Some(TokenVerification::KeySet(_))) = (&audience, &verification)
        && audience.is_empty()
        && !table.is_misspelt(&["audience"])
    {
        let what = "missing: with jwks, the audience of the tokens must be written: a token for another API would pass";
        let problem = Problem::error(&table.span, "token_issuer.audience", what);
        table.reader.report(problem.help(format!("write audience = {}", table.kind.example("audience"))));
    }
    table.finish();
    let audience = audience?.into_iter().map(|audience| audience.value).collect();
    Some(TokenIssuer { name: name?, issuer: issuer?, audience, typ: typ?, verification: verification? })
}

fn verification(table: &Table<'_>) -> Option<TokenVerification> {
    const HELP: &str = "write jwks = { url = \"...\", file = \"state/jwks.json\" } for signed tokens, or introspection = { url = \"...\", client_id = \"...\", secret = { file = \"...\" } }";
    let jwks = table.get("jwks");
    let introspection = table.get("introspection");
    match (jwks, introspection) {
        (Some(jwks), None) => key_set_source(&jwks, TOKEN_ISSUER_JWKS).map(TokenVerification::KeySet),
        (None, Some(endpoint)) => self::introspection(&endpoint).map(TokenVerification::Introspection),
        (Some(_), Some(endpoint)) => {
            endpoint.refuse(Fault::new("found both jwks and introspection, expected one of them").help(HELP))
        }
        (None, None) if table.is_misspelt(&["jwks", "introspection"]) => None,
        (None, None) => {
            let what = "missing: [[token_issuer]] must have jwks or introspection";
            table.reader.report(Problem::error(&table.span, "token_issuer.jwks", what).help(HELP));
            None
        }
    }
}

fn introspection(value: &Value<'_>) -> Option<Introspection> {
    let table = value.table(INTROSPECTION)?;
    let endpoint = |text: &str| url::url(text, &url::INTROSPECTION);
    let url = table.require("url").and_then(|value| value.parse("a URL", endpoint));
    let client_id = table.require("client_id").and_then(|value| value.string());
    let secret = table
        .require("secret")
        .and_then(|value| secret(&value, INTROSPECTION_SECRET, "secret", "introspection"));
    let timeout = table.get("timeout").and_then(|value| value.duration(&TIMEOUTS));
    let ca = table.get("ca").map(|value| value.path());
    table.finish();
    let ca = match ca {
        None => None,
        Some(ca) => Some(ca?),
    };
    Some(Introspection {
        url: url?,
        client_id: client_id?,
        secret: secret?,
        ca,
        timeout: timeout.unwrap_or(Introspection::TIMEOUT),
    })
}
