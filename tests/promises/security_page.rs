//! Each test and each key that docs/security.md cites exists.

use std::{fs, path::Path};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join("docs").join(name)).unwrap()
}

/// All code under a folder, as one text.
fn code(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            code(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// The texts between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The cells of each row of the page's tables, without header rows.
fn rows(page: &str) -> Vec<[&str; 4]> {
    let lines = page.lines().filter(|line| line.starts_with('|'));
    let cells = lines.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        <[&str; 4]>::try_from(cells).unwrap_or_else(|_| panic!("not four cells: {line}"))
    });
    cells.filter(|cells| cells[0] != "action" && !cells[0].starts_with("---")).collect()
}

#[test]
fn every_test_that_the_security_page_cites_is_in_the_tree() {
    let mut all = String::new();
    for folder in ["tests", "src"] {
        code(&Path::new(ROOT).join(folder), &mut all);
    }
    let all = all.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_test = |name: &str| {
        let starts = ["test] fn", "test] async fn", ")] async fn"];
        starts.iter().any(|start| all.contains(&format!("{start} {name}(")))
    };
    let text = page("security.md");
    let rows = rows(&text);
    assert!(rows.len() > 40, "{} rows", rows.len());
    for [what, _, _, tests] in rows {
        assert!(quoted(tests).next().is_some(), "no test shows it: {what}");
        for test in quoted(tests) {
            assert!(is_test(test), "{what}: there is no test {test}");
        }
    }
}

#[test]
fn every_limit_that_the_security_page_cites_is_a_key() {
    let (text, keys) = (page("security.md"), page("configuration.md"));
    for [what, _, limits, _] in rows(&text) {
        for key in quoted(limits).filter(|key| !key.contains('.')) {
            assert!(keys.contains(&format!("\n| `{key}` |")), "{what}: there is no key {key}");
        }
    }
}
