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
    let applications = at(status, "/applications");
    vec![
        summary(status),
        Table {
            title: format!(
                "expired or about to, within {} days ({} in all)",
                text(at(status, "/expiring/within_days")),
                text(at(status, "/expiring/total"))
            ),
            columns: &["days left", "ends", "what", "name"],
            rows: rows(at(status, "/expiring/list"), &["days_left", "not_after", "what", "name"]),
        },
        Table {
            title: "domains".to_owned(),
            columns: &["domain", "days left", "certificate", "thumbprint"],
            rows: list(at(status, "/domains"))
                .map(|domain| {
                    let certificate = at(domain, "/certificate");
                    let cells =
                        ["/days_left", "/subject", "/thumbprint"].map(|key| text(at(certificate, key)));
                    std::iter::once(text(at(domain, "/name"))).chain(cells).collect()
                })
                .collect(),
        },
        Table {
            title: "client CAs".to_owned(),
            columns: &["subject", "days left", "thumbprint"],
            rows: rows(at(status, "/client_cas"), &["subject", "days_left", "thumbprint"]),
        },
        Table {
            title: "CRLs".to_owned(),
            columns: &["issuer", "this update", "next update", "days left"],
            rows: rows(at(status, "/crls"), &["issuer", "this_update", "next_update", "days_left"]),
        },
        Table {
            title: "CRL sources".to_owned(),
            columns: &["url", "file", "last fetched", "failure"],
            rows: list(at(status, "/crl_sources"))
                .map(|source| {
                    ["/url", "/file", "/last_fetched", "/failure/why"]
                        .map(|key| text(at(source, key)))
                        .to_vec()
                })
                .collect(),
        },
        Table {
            title: format!(
                "applications ({} in all, page {} of {})",
                text(at(applications, "/total")),
                text(at(applications, "/page")),
                text(at(applications, "/pages"))
            ),
            columns: &["client_id", "credential", "method", "registered", "days left", "last used"],
            rows: list(at(applications, "/list")).flat_map(credentials).collect(),
        },
    ]
}

fn summary(status: &Value) -> Table {
    let trust = at(status, "/trust");
    let failure = match at(trust, "/failure") {
        Value::Null => "none".to_owned(),
        failure => format!("{}: {}", text(at(failure, "/at")), text(at(failure, "/problems"))),
    };
    let ready = if at(status, "/ready") == &Value::Bool(true) { "yes" } else { "no" };
    let rows = [
        ("generation", text(at(status, "/generation"))),
        ("in force since", text(at(trust, "/in_force_since"))),
        ("why", text(at(trust, "/why"))),
        ("ready", ready.to_owned()),
        (
            "reloads",
            format!("{}, {} refused", text(at(trust, "/reloads")), text(at(trust, "/failed_reloads"))),
        ),
        ("failing now", failure),
        ("log lines lost", text(at(status, "/log/lines_dropped"))),
    ];
    let rows = rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect();
    Table { title: "trust in force".to_owned(), columns: &[], rows }
}

fn credentials(application: &Value) -> impl Iterator<Item = Vec<String>> + '_ {
    list(at(application, "/credentials")).map(|credential| {
        let registered = ["thumbprint", "subject_dn", "san_dns", "san_uri", "san_ip", "san_email"]
            .into_iter()
            .find_map(|key| Some(format!("{key} {}", credential.get(key)?.as_str()?)));
        vec![
            text(at(application, "/client_id")),
            text(at(credential, "/name")),
            text(at(application, "/method")),
            [registered.unwrap_or_default(), text(at(credential, "/subject"))]
                .join(" ")
                .trim_end()
                .to_owned(),
            match at(credential, "/days_left") {
                Value::Null => "not known".to_owned(),
                days => text(days),
            },
            match at(credential, "/last_used") {
                Value::Null => "not since the start".to_owned(),
                moment => text(moment),
            },
        ]
    })
}

/// What stands there, or null.
pub(super) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn rows(value: &Value, keys: &[&str]) -> Vec<Vec<String>> {
    list(value).map(|item| keys.iter().map(|key| text(at(item, &format!("/{key}")))).collect()).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
