//! Links between the pages of the documentation have their targets, also in packages, each image is shown on a page, and no row of a table is apart
//! from its head.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All files below a folder.
fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else {
            all.push(path);
        }
    }
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// The pages of the root, and below `docs` and `packaging`.
pub fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut all: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    for folder in ["docs", "packaging"] {
        files(&root.join(folder), &mut all);
    }
    all.retain(|path| is_page(path));
    all
}

/// The lines outside of fenced blocks.
fn prose(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let mut lines = Vec::new();
    let mut is_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if !is_block {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// The anchor of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|char| char.is_alphanumeric() || [' ', '-', '_'].contains(char));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}

/// What a line links to or shows.
fn targets(line: &str) -> Vec<&str> {
    let after = |start: &str, end: char| {
        line.split(start).skip(1).filter_map(|rest| rest.split_once(end)).map(|(target, _)| target).collect()
    };
    let links: Vec<&str> = after("](", ')');
    let images: Vec<&str> = after("src=\"", '"');
    [links, images].concat()
}

/// Follows each link between these pages.
fn follow_links(pages: &[PathBuf]) {
    assert!(pages.len() > 15, "{pages:?}");
    for page in pages {
        for line in prose(page) {
            for target in targets(&line).into_iter().filter(|target| !target.contains(':')) {
                let (file, wanted) = target.split_once('#').unwrap_or((target, ""));
                let path = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
                assert!(path.exists(), "{}: there is no {target}", page.display());
                if !wanted.is_empty() && is_page(&path) {
                    let headings = prose(&path).into_iter().filter(|line| line.starts_with('#'));
                    let is_there = headings.map(|heading| anchor(&heading)).any(|anchor| anchor == wanted);
                    assert!(is_there, "{}: there is no {target}", page.display());
                }
            }
        }
    }
}

#[test]
fn every_link_of_the_documentation_has_its_target() {
    follow_links(&pages());
}

#[test]
fn every_link_of_the_packaged_documents_has_its_target() {
    let folder = TempDir::new().unwrap();
    let script = Path::new(ROOT).join("packaging/documents.sh");
    assert!(Command::new(script).arg(folder.path()).status().unwrap().success());
    let mut all = Vec::new();
    files(folder.path(), &mut all);
    all.retain(|path| is_page(path));
    follow_links(&all);
}

#[test]
fn the_contents_of_the_configuration_page_are_complete() {
    let page = Path::new(ROOT).join("docs/configuration.md");
    let lines = prose(&page);
    let is_listed = |line: &&String| line.starts_with("## ") || line.starts_with("### ");
    let headings: Vec<String> = lines.iter().filter(is_listed).map(|line| anchor(line)).collect();
    let contents = lines.iter().skip_while(|line| *line != "<!-- contents -->");
    let contents = contents.take_while(|line| *line != "<!-- end -->");
    let listed: Vec<&str> = contents.flat_map(|line| targets(line)).collect();
    let listed: Vec<&str> = listed.into_iter().filter_map(|target| target.strip_prefix('#')).collect();
    assert_eq!(listed, headings);
}

/// A row of a table, also in a list. What is indented further is code.
fn row(line: &str) -> Option<&str> {
    let row = line.trim_start();
    (row.starts_with('|') && line.len() - row.len() < 4).then_some(row)
}

/// Whether a line divides the head of a table from its rows.
fn is_divider(line: &str) -> bool {
    row(line).is_some_and(|row| row.contains("---") && row.chars().all(|char| "|-: ".contains(char)))
}

#[test]
fn every_row_of_a_table_is_below_its_head() {
    for page in pages() {
        let (lines, mut rows) = (prose(&page), 0);
        let following = lines.iter().skip(1).map(String::as_str).chain([""]);
        for (line, next) in lines.iter().zip(following) {
            rows = row(line).map_or(0, |_| rows + 1);
            assert!(rows != 1 || is_divider(next), "{}: no head above the row {line}", page.display());
        }
    }
}

#[test]
fn every_image_of_the_documentation_is_shown() {
    let mut images = Vec::new();
    files(&Path::new(ROOT).join("docs/images"), &mut images);
    assert!(!images.is_empty());
    let lines: Vec<String> = pages().iter().flat_map(|page| prose(page)).collect();
    for image in images {
        let name = format!("images/{}", image.file_name().unwrap().to_str().unwrap());
        let is_shown = |line: &String| targets(line).iter().any(|target| target.ends_with(&name));
        assert!(lines.iter().any(is_shown), "no page shows {name}");
    }
}
