//! `[acme]`: the CA that issues certificates by ACME.

use super::secret::secret;
use crate::config::{
    diagnostic::{Fault, Problem},
    node::Table,
    schema::{ACME, EAB_KEY},
    settings::{Acme, DEFAULT_ACME_STATE, Domain, ExternalAccount},
    suggest::quote,
    url::{ACME_DIRECTORY, url},
};

/// What `[acme]` says.
pub(super) enum Authority {
    /// The table is not written.
    Absent,
    /// It lacks a valid required key.
    Invalid,
    /// It is valid.
    Valid(Box<Acme>),
}

impl Authority {
    /// The settings if the table is written, or `None` if they are invalid.
    #[expect(clippy::option_option, reason = "an invalid value is not an absent one")]
    pub(super) fn settings(self) -> Option<Option<Acme>> {
        match self {
            Self::Absent => Some(None),
            Self::Invalid => None,
            Self::Valid(acme) => Some(Some(*acme)),
        }
    }

    /// Warns about a table that no domain uses.
    pub(super) fn report_unused(&self, root: &Table<'_>, domains: &[Domain]) {
        let Some(span) = root.key_span("acme").filter(|_| matches!(self, Self::Valid(_))) else { return };
        if !domains.iter().any(|domain| domain.acme) {
            let what = "no [[domain]] has acme = true: no certificate is ordered";
            let problem = Problem::warning(&span, "acme", what);
            root.reader.report(problem.help(
                "write acme = true in a [[domain]] in place of certificate and private_key, or remove [acme]",
            ));
        }
    }
}

/// Reads the table.
pub(super) fn read(root: &Table<'_>) -> Authority {
    let Some(value) = root.get("acme") else {
        // The name of a misspelt table is unknown; a domain may refer to it.
        return if root.is_misspelt(&["acme"]) { Authority::Invalid } else { Authority::Absent };
    };
    let settings = value.table(ACME).and_then(|table| settings(&table));
    settings.map_or(Authority::Invalid, |acme| Authority::Valid(Box::new(acme)))
}

fn settings(table: &Table<'_>) -> Option<Acme> {
    let directory =
        table.require("directory").and_then(|value| value.parse("a URL", |text| url(text, &ACME_DIRECTORY)));
    let agreed = table.require("terms_of_service_agreed").and_then(|value| match value.boolean() {
        Some(false) => value.refuse(
            Fault::new("found false, expected true: the CA issues to those who agree to its terms of service")
                .help("read the terms (the directory has their URL at meta.termsOfService), and write terms_of_service_agreed = true"),
        ),
        agreed => agreed,
    });
    let contact = match table.get("contact") {
        None => Some(Vec::new()),
        Some(value) => value.list(|item| item.parse("a mailto: URL", contact)),
    };
    let state = match table.get("state") {
        None => Some(table.reader.folder.join(DEFAULT_ACME_STATE)),
        Some(value) => value.path().map(|state| state.value),
    };
    let profile = table.get("profile").map(|value| value.string());
    let ca = table.get("ca").map(|value| value.path());
    let external_account = external_account(table);
    table.finish();
    agreed?;
    Some(Acme {
        directory: directory?,
        contact: contact?.into_iter().map(|contact| contact.value).collect(),
        state: state?,
        profile: given(profile)?.map(|profile| profile.value),
        ca: given(ca)?,
        external_account: external_account?,
    })
}

/// The value of an optional key, or `None` if it is written and invalid.
#[expect(clippy::option_option, reason = "an invalid value is not an absent one")]
fn given<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

/// RFC 8555 section 7.3: a CA must accept `mailto:` URLs, and may reject others.
fn contact(text: &str) -> Result<String, Fault> {
    let address = text.strip_prefix("mailto:").unwrap_or_default();
    let is_address = address
        .split_once('@')
        .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
        && address.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b',' | b'#'));
    if is_address {
        return Ok(text.to_owned());
    }
    let fault = Fault::new(format!("found {}, expected one address as a mailto: URL", quote(text)));
    let help = if text.contains('@') && !text.contains(':') {
        format!("write {}", quote(&format!("mailto:{text}")))
    } else {
        format!("write contact = {}", ACME.example("contact"))
    };
    Err(fault.help(help))
}

/// Reads `eab_key_id` and `eab_key`, which belong together. `None` if they are invalid.
#[expect(clippy::option_option, reason = "an invalid value is not an absent one")]
fn external_account(table: &Table<'_>) -> Option<Option<ExternalAccount>> {
    let key_id = table.get("eab_key_id");
    let key = table.get("eab_key");
    let (present, missing) = match (key_id, key) {
        (None, None) => return Some(None),
        (Some(key_id), Some(key)) => {
            let key_id = key_id.string();
            let key = secret(&key, EAB_KEY, "eab_key", "eab");
            return Some(Some(ExternalAccount { key_id: key_id?, key: key? }));
        }
        (Some(present), None) => (present, "eab_key"),
        (None, Some(present)) => (present, "eab_key_id"),
    };
    if table.is_misspelt(&[missing]) {
        return None;
    }
    let what = format!("found {} without {missing}: the CA gives out both", present.key);
    present.refuse(Fault::new(what).help(format!("write {missing} = {}", ACME.example(missing))))
}
