//! `[admin]`: who may use the admin address.

use super::secret::secret;
use crate::config::{
    diagnostic::Problem,
    node::Table,
    schema::ADMIN_TOKEN,
    settings::{Admin, Listen},
};

/// Reads the table, and warns of an admin address that anyone can use.
pub(super) fn read(table: &Table<'_>, listen: &Listen) -> Admin {
    let value = table.get("token");
    let token = value.as_ref().and_then(|value| secret(value, ADMIN_TOKEN, "token", "admin"));
    table.finish();
    match (&value, listen.admin.value) {
        (None, Some(address)) if !address.ip().is_loopback() && !table.is_misspelt(&["token"]) => {
            let what = format!("{address} can be reached from other machines, without authentication");
            let warning = Problem::warning(&listen.admin.span, "listen.admin", what);
            table.reader.report(warning.help(
                "write a token under [admin]: token = { file = \"secrets/admin\" }; for probes alone write health = \"0.0.0.0:9080\" and admin = \"127.0.0.1:9443\"",
            ));
        }
        (Some(token), None) => {
            let what = "found token, but [listen] admin is \"off\": nothing asks for it";
            let warning = Problem::warning(&token.span, "admin.token", what);
            table
                .reader
                .report(warning.help("write admin = \"127.0.0.1:9443\" under [listen], or remove token"));
        }
        _ => {}
    }
    Admin { token }
}
