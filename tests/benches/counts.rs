//! When an instruction count fails, and what is printed.

use crate::verdict::{Finding, RECORD, Report, Verdict};

const TITLE: &str = "HTTP/1.1 request, kept alive";

fn report(count: u64, recorded: Option<u64>, other_tools: &[String]) -> Report {
    let verdict = Verdict::of(count, recorded);
    Report::of(&[Finding { title: TITLE, count, verdict, profile: "profiles/http1".into() }], other_tools)
}

#[test]
fn a_count_that_is_over_its_record_by_more_than_5_percent_fails() {
    assert!(report(1051, Some(1000), &[]).fails);
    assert!(!report(1050, Some(1000), &[]).fails);
    assert_eq!(report(950, Some(1000), &[]), Report { lines: Vec::new(), fails: false });
}

#[test]
fn one_of_several_is_enough() {
    let of = |count| {
        let verdict = Verdict::of(count, Some(1000));
        Finding { title: TITLE, count, verdict, profile: "profile".into() }
    };
    assert!(Report::of(&[of(900), of(1100), of(1000)], &[]).fails);
}

#[test]
fn the_message_names_the_count_and_the_fix() {
    let text = report(1100, Some(1000), &[]).lines.join("\n");
    for part in [
        TITLE,
        "found 1100",
        "recorded 1000",
        "+10.0 %",
        "profiles/http1",
        "commit benches/instructions.toml",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(text.ends_with(RECORD), "{text}");
}

#[test]
fn a_scenario_without_a_record_fails() {
    let report = report(1000, None, &[]);
    assert!(report.fails && report.lines.join("\n").contains("not recorded"), "{report:?}");
}

#[test]
fn a_gain_is_reported_so_that_it_is_recorded() {
    let report = report(900, Some(1000), &[]);
    assert!(!report.fails && report.lines.join("\n").contains(RECORD), "{report:?}");
}

#[test]
fn counts_of_other_tools_are_skipped_with_a_note() {
    let report = report(2000, Some(1000), &["rustc: 1.0; here: 2.0".to_owned()]);
    let text = report.lines.join("\n");
    assert!(!report.fails && text.contains("nothing is compared") && text.contains("rustc: 1.0"), "{text}");
}
