//! `[[header_profile]]`: custom header names and their encodings.
//!
//! Some servers use a header's name as a secret, so no message quotes one.

use http::HeaderName;

use super::report_duplicate_name;
use crate::config::{
    diagnostic::{Fault, Problem},
    node::{Table, Value},
    settings::CustomProfile,
    span::Spanned,
    suggest::{any_of, did_you_mean, quote},
    validate::header_name,
};

use crate::{
    header::fold::are_equivalent,
    vouch::{Encoding, Profile},
};

/// The custom profiles.
pub(super) struct Profiles {
    /// All profiles, or `None` if one of them is invalid.
    pub(super) profiles: Option<Vec<CustomProfile>>,
    /// The name of each profile in order; `None` if it is invalid.
    pub(super) names: Vec<Option<Spanned<String>>>,
}

/// Reads all custom profiles.
pub(super) fn read_all(tables: Vec<Table<'_>>) -> Profiles {
    let mut names = Vec::new();
    let mut profiles = Vec::new();
    for table in tables {
        let name = table.require("name").and_then(|value| value.parse("a name", custom_name));
        if let Some(name) = &name {
            report_duplicate_name(&table, &names, name);
        }
        names.push(name.clone());
        let headers = table.require("headers").and_then(|value| headers(&value));
        table.finish();
        profiles.push(name.zip(headers).map(|(name, headers)| CustomProfile { name, headers }));
    }
    Profiles { profiles: profiles.into_iter().collect(), names }
}

fn custom_name(text: &str) -> Result<String, Fault> {
    if Profile::built_in_names().contains(&text) {
        let what = format!("found {}, which is the name of a built-in profile", quote(text));
        return Err(Fault::new(what).help("choose another name"));
    }
    Ok(text.to_owned())
}

type Header = (Spanned<HeaderName>, Encoding);

fn headers(value: &Value<'_>) -> Option<Vec<Header>> {
    let entries = value.entries("a table of headers")?;
    if entries.is_empty() {
        let fault = Fault::new("found no header, expected at least one");
        return value.refuse(fault.help("write headers = { x-client-certificate = \"pem-url\" }"));
    }
    let mut headers: Vec<Header> = Vec::new();
    for (key, encoding) in entries {
        let encoding = Value { entry: None, example: ("x-client-certificate", "\"pem-url\""), ..encoding };
        let encoding = encoding.parse("the name of an encoding", encoding_name);
        let name = match header_name(&key.value) {
            Ok(name) => Spanned { value: name, span: key.span },
            Err(fault) => {
                let problem = Problem::error(&key.span, value.path_of_key(), fault.what);
                value.reader.report(Problem { help: fault.help, ..problem });
                continue;
            }
        };
        if let Some(line) = line_of(&headers, &name) {
            let what = format!("found one header twice; the first is on line {line}");
            let problem = Problem::error(&name.span, value.path_of_key(), what);
            value.reader.report(problem.help(
                "header names that differ only in `-`, `_` or letter case are the same to some servers",
            ));
        }
        if let Some(encoding) = encoding {
            headers.push((name, encoding.value));
        }
    }
    Some(headers)
}

fn encoding_name(text: &str) -> Result<Encoding, Fault> {
    text.parse().map_err(|_| {
        let help = did_you_mean(text, Encoding::names())
            .unwrap_or_else(|| format!("the encodings are {}", any_of(Encoding::names())));
        Fault::new(format!("found {}, expected the name of an encoding", quote(text))).help(help)
    })
}

fn line_of(headers: &[Header], name: &Spanned<HeaderName>) -> Option<usize> {
    let is_same = |(earlier, _): &&Header| are_equivalent(earlier.value.as_str(), name.value.as_str());
    let earlier = headers.iter().find(is_same);
    earlier.map(|(earlier, _)| earlier.span.line())
}
