//! Each test that docs/security.md and docs/credentials.md cite exists, and each key of the former; the latter has a section for each
//! method.

use std::{collections::HashSet, fs, path::Path};

use mtls_edge::trust::AuthMethod;

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
    cells
        .filter(|cells| {
            !["action", "what", "who, at which step"].contains(&cells[0]) && !cells[0].starts_with("---")
        })
        .collect()
}

/// The names of the functions in this code that have the attribute of a test.
fn tests_in(code: &str) -> HashSet<&str> {
    let words: Vec<&str> = code.split_whitespace().collect();
    let names = words.windows(4).filter_map(|words| match words {
        [attribute, "async", "fn", name] if attribute.ends_with(")]") => Some(name),
        [_, attribute, "fn", name] | [attribute, "async", "fn", name] if attribute.ends_with("test]") => {
            Some(name)
        }
        _ => None,
    });
    names.filter_map(|name| name.split('(').next()).collect()
}

/// Asserts that each row of a page names tests, and that they are in the tree.
fn assert_tests_exist(name: &str, least: usize) {
    let mut all = String::new();
    for folder in ["tests", "src"] {
        code(&Path::new(ROOT).join(folder), &mut all);
    }
    let in_tree = tests_in(&all);
    let text = page(name);
    let rows = rows(&text);
    assert!(rows.len() > least, "{} rows", rows.len());
    for [what, _, _, tests] in rows {
        assert!(quoted(tests).next().is_some(), "no test shows it: {what}");
        for test in quoted(tests) {
            assert!(in_tree.contains(test), "{what}: there is no test {test}");
        }
    }
}

#[test]
fn every_test_that_the_security_page_cites_is_in_the_tree() {
    assert_tests_exist("security.md", 40);
}

#[test]
fn every_test_that_the_credentials_page_cites_is_in_the_tree() {
    assert_tests_exist("credentials.md", 20);
}

#[test]
fn the_credentials_page_has_each_method_and_how_to_rotate() {
    let text = page("credentials.md");
    let sections: Vec<&str> = text.split("\n## ").collect();
    for method in AuthMethod::ALL {
        let title = format!("`{}`", method.as_str());
        let section = sections.iter().find(|section| section.lines().next().unwrap().contains(&title));
        let section = section.unwrap_or_else(|| panic!("no section for {title}"));
        assert!(section.contains("\nRotate"), "{title}: how to rotate is missing");
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
