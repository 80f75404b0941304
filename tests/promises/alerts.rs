//! The alert rules of `dashboards`: each is tested where it fires and where it does not, and a page says what to do.

use std::{collections::BTreeSet, fs, path::Path};

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The values of this key in a YAML file, each with the line after it.
fn values<'a>(yaml: &'a str, key: &str) -> Vec<(&'a str, &'a str)> {
    let following = yaml.lines().skip(1).chain([""]);
    let value = |(line, next): (&'a str, &'a str)| {
        let value = line.trim_start().trim_start_matches("- ").strip_prefix(key)?.strip_prefix(": ")?;
        Some((value.trim(), next.trim()))
    };
    yaml.lines().zip(following).filter_map(value).collect()
}

#[test]
fn every_alert_has_a_firing_and_a_quiet_case_and_advice() {
    let (rules, cases, page) =
        (read("dashboards/rules.yml"), read("dashboards/rules.test.yml"), read("docs/observe.md"));
    let alerts: BTreeSet<&str> = values(&rules, "alert").into_iter().map(|(alert, _)| alert).collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    let cases = values(&cases, "alertname");
    let with = |expected: &str| -> BTreeSet<&str> {
        cases.iter().filter(|(_, next)| *next == expected).map(|(alert, _)| *alert).collect()
    };
    assert_eq!(with("exp_alerts:"), alerts);
    assert_eq!(with("exp_alerts: []"), alerts);
    let rows = page.lines().filter(|line| line.starts_with("| `MtlsEdge"));
    let first = rows.filter_map(|row| row.split('|').nth(1));
    let advised: BTreeSet<&str> =
        first.flat_map(|cell| cell.split(',')).map(|name| name.trim().trim_matches('`')).collect();
    assert_eq!(advised, alerts);
}
