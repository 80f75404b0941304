//! Modules, items and files that docs/architecture.md names exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/architecture.md"));

/// What the page has in backticks, without its blocks of code.
fn quoted() -> impl Iterator<Item = &'static str> {
    PAGE.lines().filter(|line| !line.starts_with("    ")).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The longest part of a path that is a module, as the path of its file without `.rs`, and the rest. All of `src` for a name without one.
fn module<'n>(root: &Path, name: &'n str) -> (PathBuf, Vec<&'n str>) {
    let mut names: Vec<&str> = name.split("::").collect();
    let mut path = root.to_owned();
    while !names.is_empty() && path.join(names[0]).with_extension("rs").exists() {
        path.push(names.remove(0));
    }
    (path, names)
}

/// The text of a module and of those in it.
fn text(module: &Path) -> String {
    let mut files = vec![module.with_extension("rs")];
    files.retain(|file| file.exists());
    if module.is_dir() {
        super::sources(module, &mut files);
    }
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

#[test]
fn the_architecture_page_names_what_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_path = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
    let (mut seen, mut wrong) = (0, Vec::new());
    for name in quoted().filter(|name| name.contains("::")).filter(is_path) {
        let (module, items) = module(&root.join("src"), name);
        seen += 1;
        let text = text(&module);
        let is_defined = |item: &&str| {
            ["fn", "struct", "enum", "trait", "type", "const"]
                .iter()
                .any(|kind| text.contains(&format!("{kind} {item}")))
        };
        if !items.iter().all(is_defined) {
            wrong.push(name);
        }
    }
    for file in quoted().filter(|name| ["src/", "tests/"].iter().any(|folder| name.starts_with(folder))) {
        seen += 1;
        if !root.join(file).exists() {
            wrong.push(file);
        }
    }
    assert!(seen > 70, "the test reads the page no more: {seen} names found");
    assert!(wrong.is_empty(), "docs/architecture.md names what does not exist: {wrong:?}");
}
