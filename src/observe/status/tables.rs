//! The value of `/status` as tables of text, for the page and for the terminal.

use serde_json::Value;

/// A table under a title.
#[derive(Debug)]
pub struct Table {
    /// What it tells.
    pub title: String,
    /// The heads of its columns; none where every row is a name and a value.
    pub columns: &'static [&'static str],
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// All tables of a status. What is not there is an empty cell, so that a newer edge can be asked by an older command.
#[must_use]
pub fn tables(status: &Value) -> Vec<Table> {
    let applications = &status["applications"];
    vec![
        summary(status),
        Table {
            title: format!(
                "expired or about to, within {} days ({} in all)",
                text(&status["expiring"]["within_days"]),
                text(&status["expiring"]["total"])
            ),
            columns: &["days left", "ends", "what", "name"],
            rows: rows(&status["expiring"]["list"], &["days_left", "not_after", "what", "name"]),
        },
        Table {
            title: "domains".to_owned(),
            columns: &["domain", "days left", "certificate", "thumbprint"],
            rows: list(&status["domains"])
                .map(|domain| {
                    let certificate = &domain["certificate"];
                    let cells = ["days_left", "subject", "thumbprint"].map(|key| text(&certificate[key]));
                    std::iter::once(text(&domain["name"])).chain(cells).collect()
                })
                .collect(),
        },
        Table {
            title: "client CAs".to_owned(),
            columns: &["subject", "days left", "thumbprint"],
            rows: rows(&status["client_cas"], &["subject", "days_left", "thumbprint"]),
        },
        Table {
            title: "CRLs".to_owned(),
            columns: &["issuer", "this update", "next update", "days left"],
            rows: rows(&status["crls"], &["issuer", "this_update", "next_update", "days_left"]),
        },
        Table {
            title: format!(
                "applications ({} in all, page {} of {})",
                text(&applications["total"]),
                text(&applications["page"]),
                text(&applications["pages"])
            ),
            columns: &["client_id", "credential", "method", "registered", "days left", "last used"],
            rows: list(&applications["list"]).flat_map(credentials).collect(),
        },
    ]
}

fn summary(status: &Value) -> Table {
    let trust = &status["trust"];
    let failure = match &trust["failure"] {
        Value::Null => "none".to_owned(),
        failure => format!("{}: {}", text(&failure["at"]), text(&failure["problems"])),
    };
    let ready = if status["ready"] == true { "yes" } else { "no" };
    let rows = [
        ("generation", text(&status["generation"])),
        ("in force since", text(&trust["in_force_since"])),
        ("why", text(&trust["why"])),
        ("ready", ready.to_owned()),
        ("reloads", format!("{}, {} refused", text(&trust["reloads"]), text(&trust["failed_reloads"]))),
        ("failing now", failure),
    ];
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    Table { title: "trust in force".to_owned(), columns: &[], rows }
}

fn credentials(application: &Value) -> impl Iterator<Item = Vec<String>> + '_ {
    list(&application["credentials"]).map(|credential| {
        let registered = ["thumbprint", "subject_dn", "san_dns", "san_uri", "san_ip", "san_email"]
            .into_iter()
            .find_map(|key| Some(format!("{key} {}", credential.get(key)?.as_str()?)));
        vec![
            text(&application["client_id"]),
            text(&credential["name"]),
            text(&application["method"]),
            registered.unwrap_or_default(),
            match &credential["days_left"] {
                Value::Null => "not known".to_owned(),
                days => text(days),
            },
            match &credential["last_used"] {
                Value::Null => "not since the start".to_owned(),
                moment => text(moment),
            },
        ]
    })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn rows(value: &Value, keys: &[&str]) -> Vec<Vec<String>> {
    list(value).map(|item| keys.iter().map(|key| text(&item[*key])).collect()).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
