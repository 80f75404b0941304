//! Keys that several kinds of credentials have: `name`, `alg`, `kid`, `expires_at`.

use crate::clock::Timestamp;
use crate::config::{
    diagnostic::{Fault, Problem},
    node::Table,
    span::Spanned,
    suggest::{any_of, did_you_mean, quote},
};
use crate::jose::Algorithm;

/// Records the name of a credential, and reports it if another credential of the application has it.
pub(super) fn record_name(table: &Table<'_>, names: &mut Vec<Spanned<String>>, name: &Spanned<String>) {
    if let Some(first) = names.iter().find(|first| first.value == name.value) {
        let what =
            format!("found {} a second time; the first is on line {}", quote(&name.value), first.span.line());
        let problem = Problem::error(&name.span, table.path("name"), what);
        table.reader.report(problem.help("give each credential of an application a unique name"));
    }
    names.push(name.clone());
}

/// An optional key's value. The outer `None` means that the value is invalid, the inner that it is absent.
pub(super) type Optional<T> = Option<Option<Spanned<T>>>;

/// Reads `expires_at`.
pub(super) fn expires_at(table: &Table<'_>) -> Optional<Timestamp> {
    match table.get("expires_at") {
        None => Some(None),
        Some(value) => value.timestamp().map(Some),
    }
}

/// Reads `alg` and `kid`.
pub(super) fn alg_and_kid(table: &Table<'_>) -> (Optional<Algorithm>, Optional<String>) {
    let alg = match table.get("alg") {
        None => Some(None),
        Some(value) => value.parse("the name of an algorithm", algorithm).map(Some),
    };
    let kid = match table.get("kid") {
        None => Some(None),
        Some(value) => value.string().map(Some),
    };
    (alg, kid)
}

/// Parses the name of a signature algorithm.
fn algorithm(text: &str) -> Result<Algorithm, Fault> {
    text.parse().map_err(|_| {
        let names = Algorithm::ALL.map(Algorithm::as_str);
        let expected = any_of(names.map(quote));
        let is_unsafe = text.eq_ignore_ascii_case("none") || text.starts_with("HS");
        let why = if is_unsafe { ": a signature by a private key is required" } else { "" };
        let fault = Fault::new(format!("found {}, expected {expected}{why}", quote(text)));
        let help = if is_unsafe { None } else { did_you_mean(text, names) };
        fault.help(help.unwrap_or_else(|| {
            "write the algorithm with which the application signs, such as alg = \"PS256\"".to_owned()
        }))
    })
}

/// Reports a `kid` that occurs twice. Returns whether none does.
pub(super) fn check_kids<'a>(
    table: &Table<'_>,
    kids: impl Iterator<Item = &'a Spanned<String>>,
    key: &'static str,
) -> bool {
    let kids: Vec<_> = kids.collect();
    let [first, second] = kids[..] else { return true };
    if first.value != second.value {
        return true;
    }
    let what =
        format!("found {} a second time; the first is on line {}", quote(&second.value), first.span.line());
    table
        .reader
        .report(Problem::error(&second.span, key, what).help("give each key its own kid, or remove kid"));
    false
}
