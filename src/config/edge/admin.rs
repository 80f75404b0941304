//! `[admin]`: who may use the admin address.

use super::{key_pair, secret::secret};
use crate::config::{
    diagnostic::Problem,
    node::{Table, Value},
    schema::ADMIN_TOKEN,
    settings::{Admin, Listen},
};

/// Reads the table, and warns of an admin address that anyone can use.
pub(super) fn read(table: &Table<'_>, listen: &Listen) -> Admin {
    let value = table.get("token");
    let token = value.as_ref().and_then(|value| secret(value, ADMIN_TOKEN, "token", "admin"));
    let identity = key_pair::read(table, "certificate");
    let client_ca = table.get("client_ca").and_then(|value| value.filled_list(Value::path));
    table.finish();
    let (ca_span, first) =
        (table.key_span("client_ca"), table.kind.names().find_map(|key| table.key_span(key)));
    if let Some(span) = &ca_span
        && table.get("certificate").is_none()
        && table.get("private_key").is_none()
        && !table.is_misspelt(&["certificate", "private_key"])
    {
        let what =
            "found client_ca without certificate and private_key: only TLS asks for a client certificate";
        let help = format!(
            "write certificate = {} and private_key = {}",
            table.kind.example("certificate"),
            table.kind.example("private_key")
        );
        table.reader.report(Problem::error(span, "admin.client_ca", what).help(help));
    }
    let is_protected = value.is_some() || ca_span.is_some() || table.is_misspelt(&["token", "client_ca"]);
    match (listen.admin.value, first) {
        (Some(address), _) if !address.ip().is_loopback() && !is_protected => {
            let what = format!("{address} can be reached from other machines, without authentication");
            let warning = Problem::warning(&listen.admin.span, "listen.admin", what);
            table.reader.report(warning.help(
                "write a token under [admin]: token = { file = \"secrets/admin\" }; for probes alone write health = \"0.0.0.0:9080\" and admin = \"127.0.0.1:9443\"",
            ));
        }
        (None, Some(span)) => {
            let what = "found a key of [admin], but [listen] admin is \"off\": it has no effect";
            let warning = Problem::warning(&span, "admin", what);
            table
                .reader
                .report(warning.help("write admin = \"127.0.0.1:9443\" under [listen], or remove [admin]"));
        }
        _ => {}
    }
    Admin { token, identity, client_ca: client_ca.unwrap_or_default() }
}
