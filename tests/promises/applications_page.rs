//! docs/for-applications.md has each refusal that an application can get, with its status and its `error`.

use std::collections::BTreeMap;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/for-applications.md"));
const CODES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/observe.md"));

/// The words of the two columns after the codes.
#[derive(Clone, Debug)]
struct Row {
    statuses: Vec<&'static str>,
    errors: Vec<&'static str>,
}

/// Rows by code, from the tables of a page whose second column is a status.
fn rows(page: &'static str) -> BTreeMap<&'static str, Row> {
    let words = |cell: &'static str| cell.split(", ").map(|word| word.trim_matches('`')).collect::<Vec<_>>();
    let mut all = BTreeMap::new();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let mut cells = row.split(" | ").map(words);
        let (Some(codes), Some(statuses), Some(errors)) = (cells.next(), cells.next(), cells.next()) else {
            continue;
        };
        let is_status = |word: &&str| word.len() == 3 && word.parse::<u16>().is_ok();
        if statuses.iter().all(is_status) {
            all.extend(
                codes
                    .into_iter()
                    .map(|code| (code, Row { statuses: statuses.clone(), errors: errors.clone() })),
            );
        }
    }
    all
}

/// The values of `error` that the page has for a code: `none` for a response without it.
pub fn errors(code: &str) -> Vec<&'static str> {
    let row = rows(PAGE).remove(code);
    row.unwrap_or_else(|| panic!("docs/for-applications.md lacks {code}")).errors
}

#[test]
fn the_page_for_applications_has_every_refusal() {
    let (page, codes) = (rows(PAGE), rows(CODES));
    assert!(codes.len() > 40, "{codes:?}");
    for (code, Row { statuses, .. }) in codes {
        let shown = page.get(code).unwrap_or_else(|| panic!("docs/for-applications.md lacks {code}"));
        assert!(
            statuses.iter().all(|one| shown.statuses.contains(one)),
            "{code}: {shown:?}, not {statuses:?}"
        );
    }
}
