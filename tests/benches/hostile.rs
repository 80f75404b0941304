//! What the bench of hostile requests prints and writes.

use clap::{Parser, ValueEnum};
use serde_json::Value;

use crate::strangers::{self, options::Options, rows::Row};

/// Runs these rows for a moment. Returns what is printed, and what is written.
fn run(rows: &str) -> (String, Vec<Value>) {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("figures.json");
    let arguments = ["strangers", "--test", "--rows", rows, "--json", file.to_str().unwrap()];
    let options = Options::parse_from(arguments).sized();
    let table = strangers::run(&options).unwrap();
    options.write_file(&table).unwrap();
    let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    (table.to_string(), json["rows"].as_array().unwrap().clone())
}

#[test]
fn an_attack_has_its_cost_and_what_an_honest_client_saw() {
    let (text, rows) = run("subject");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(row["row"], Row::Subject.title());
    for figure in ["requests", "cpu_microseconds_each", "ratio"] {
        assert!(row[figure].as_f64().is_some_and(|figure| figure > 0.0), "{figure}: {row}");
    }
    for phase in ["quiet", "meanwhile"] {
        let seen = &row[phase];
        assert!(seen["requests"].as_u64().is_some_and(|requests| requests > 0), "{row}");
        assert!(seen["p99_microseconds"].as_f64().is_some_and(|p99| p99 > 0.0), "{row}");
    }
    assert_eq!(row["quiet"]["failed"], 0, "{row}");
    let line = text.lines().find(|line| line.starts_with(Row::Subject.title())).unwrap();
    assert!(line.contains("mtls-edge") && line.contains(&row["requests"].to_string()), "{line}");
}

#[test]
fn removal_under_attack_is_reported() {
    let (text, rows) = run("descriptors");
    let notes: Vec<&str> =
        rows[0]["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert_eq!(notes[0], "before: 200", "the application is served before: {notes:?}");
    for (place, start) in [(1, "the removed application "), (2, "/readyz: "), (3, "/healthz: ")] {
        assert!(notes[place].starts_with(start) && text.contains(notes[place]), "{notes:?}: {text}");
    }
}

#[test]
fn every_attack_is_asked_for_unless_rows_are_named() {
    assert_eq!(Options::parse_from(["strangers"]).rows(), Row::value_variants());
    let some = Options::parse_from(["strangers", "--rows", "resets,ring"]).rows();
    assert_eq!(some, [Row::Ring, Row::Resets]);
}
