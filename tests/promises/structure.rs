//! The arrows between modules point one way, as docs/architecture.md has them, and no files import each other in a circle.

mod architecture_page;
mod imports;
mod knows_nothing;

use std::{fs, path::Path};

use self::imports::Imports;

/// From the top down: a module may use those after it.
const ORDER: &[&str] = &[
    "cli",
    "edge",
    "handover",
    "supervisor",
    "reload",
    "source",
    "acme",
    "load",
    "config",
    "outbound",
    "otlp",
    "listen",
    "connection",
    "request",
    "admin",
    "expiry",
    "export",
    "observe",
    "site",
    "trace",
    "tls",
    "access_token",
    "authorization_request",
    "authenticate",
    "vouch",
    "forward",
    "h1",
    "trust",
    "identity",
    "jose",
    "net",
    "pem",
    "pbe",
    "pkcs11",
    "header",
    "oauth",
    "replay",
    "rate",
    "text",
    "clock",
    "timer",
    "confine",
    "build_facts",
];

/// Pairs that stand at one height: neither may use the other.
const APART: &[(&str, &str)] = &[
    ("reload", "admin"),
    ("request", "admin"),
    ("access_token", "authenticate"),
    ("access_token", "vouch"),
    ("access_token", "forward"),
    ("authorization_request", "authenticate"),
    ("authorization_request", "vouch"),
    ("authorization_request", "forward"),
    ("authenticate", "vouch"),
    ("authenticate", "forward"),
    ("vouch", "forward"),
    ("tls", "authenticate"),
    ("tls", "vouch"),
    ("tls", "forward"),
];

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The modules that a source file names after `crate::`, alone or in braces.
fn used(text: &str) -> Vec<&'static str> {
    let compact: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join(" ");
    let mut used = Vec::new();
    for rest in compact.split("crate::").skip(1) {
        let depth_one: String = if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 1;
            list.chars()
                .take_while(|c| {
                    depth += i32::from(*c == '{') - i32::from(*c == '}');
                    depth > 0
                })
                .scan(1, |depth, c| {
                    *depth += i32::from(c == '{') - i32::from(c == '}');
                    Some(if *depth == 1 { c } else { ' ' })
                })
                .collect()
        } else {
            rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        let names = depth_one.split(',').filter_map(|item| item.trim().split("::").next());
        used.extend(names.filter_map(|name| ORDER.iter().copied().find(|module| *module == name.trim())));
    }
    used
}

#[test]
fn modules_depend_downwards_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut seen = 0;
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        let Some(from) = ORDER.iter().position(|module| *module == first.trim_end_matches(".rs")) else {
            continue;
        };
        // Tests may hold modules against each other.
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        if relative.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs") {
            continue;
        }
        for name in used(text) {
            seen += 1;
            let to = ORDER.iter().position(|module| *module == name).unwrap();
            let apart =
                APART.iter().any(|(a, b)| (*a, *b) == (ORDER[from], name) || (*b, *a) == (ORDER[from], name));
            if to < from || apart {
                wrong.push(format!("{} uses {name}", relative.display()));
            }
        }
    }
    assert!(seen > 50, "the test reads the tree no more: {seen} uses found");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What may connect to another server: the edge's own requests, those that it forwards, and the application that `demo` plays.
const CLIENTS: &[&str] = &["outbound.rs", "forward", "cli/demo"];

#[test]
fn only_outbound_and_forward_have_an_http_client() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let (mut seen, mut wrong) = (0, Vec::new());
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let is_test = relative.iter().any(|part| part == "tests" || part == "tests.rs");
        if is_test || !["TcpStream::connect", "hyper::client"].iter().any(|name| text.contains(name)) {
            continue;
        }
        seen += 1;
        if !CLIENTS.iter().any(|client| relative.starts_with(client)) {
            wrong.push(relative.display().to_string());
        }
    }
    assert!(seen >= CLIENTS.len(), "the test reads the tree no more: {seen} clients found");
    assert!(wrong.is_empty(), "use `outbound`: {wrong:#?}");
}

/// The folders of the crates: the library, the helpers, the tests, and the benches.
const CRATES: &[&str] = &[
    "src",
    "testkit/src",
    "tests/promises",
    "tests/benches",
    "benches/instructions",
    "benches/load",
    "benches/peers",
    "benches/request",
    "benches/scale",
    "benches/strangers",
];

#[test]
fn no_files_import_each_other_in_a_circle() {
    for folder in CRATES {
        let circles = Imports::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).circles();
        assert!(circles.is_empty(), "{folder}: {circles:#?}");
    }
}
