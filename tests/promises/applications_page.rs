//! docs/for-applications.md has each refusal that an application can get, with its status.

use std::collections::BTreeMap;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/for-applications.md"));
const CODES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/observe.md"));

/// Statuses by code, from the tables of a page whose second column is a status.
fn statuses(page: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut all = BTreeMap::new();
    for row in page.lines().filter_map(|line| line.strip_prefix("| `")) {
        let mut cells = row.split(" | ");
        let (Some(codes), Some(status)) = (cells.next(), cells.next()) else { continue };
        let is_status = |word: &str| word.len() == 3 && word.parse::<u16>().is_ok();
        let status: Vec<&str> = status.split(", ").collect();
        if status.iter().all(|word| is_status(word)) {
            let codes = codes.split(", ").map(|code| code.trim_matches('`'));
            all.extend(codes.map(|code| (code, status.clone())));
        }
    }
    all
}

#[test]
fn the_page_for_applications_has_every_refusal() {
    let (page, codes) = (statuses(PAGE), statuses(CODES));
    assert!(codes.len() > 40, "{codes:?}");
    for (code, status) in codes {
        let shown = page.get(code).unwrap_or_else(|| panic!("docs/for-applications.md lacks {code}"));
        assert!(status.iter().all(|one| shown.contains(one)), "{code}: {shown:?}, not {status:?}");
    }
}
