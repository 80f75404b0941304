//! No module imports what its row in docs/architecture.md says that it knows nothing of.

use std::{fs, path::Path};

use super::{imports::uses, sources};

/// The words of the third column, each with the paths that it stands for.
const WORDS: &[(&str, &[&str])] = &[
    (
        "sockets",
        &[
            "tokio::net",
            "socket2",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::net::UdpSocket",
            "std::os::unix::net",
            "crate::net",
        ],
    ),
    (
        "HTTP",
        &["hyper", "hyper_util", "http_body", "http_body_util", "httparse", "crate::request", "crate::h1"],
    ),
    ("bodies", &["hyper", "http_body", "http_body_util"]),
    ("requests", &["hyper", "http::Request", "crate::request"]),
    ("TLS", &["rustls", "tokio_rustls", "crate::tls"]),
    ("files", &["std::fs", "tokio::fs", "crate::config::file"]),
    ("PEM", &["crate::pem", "x509_parser"]),
    ("certificates", &["crate::identity", "crate::pem", "x509_parser", "rustls_pki_types::CertificateDer"]),
    (
        "paths",
        &["crate::site::PathPattern", "crate::site::Routes", "crate::site::Route", "crate::site::RouteSpec"],
    ),
    ("applications", &["crate::trust", "crate::authenticate"]),
    ("verdicts", &["crate::request", "crate::authenticate"]),
    ("configuration", &["crate::config", "crate::load"]),
    ("upstreams", &["crate::forward"]),
    ("profiles", &["crate::vouch"]),
    ("clocks", &["std::time::SystemTime", "std::time::Instant", "crate::clock::Clock"]),
];

/// The rows of the table: each module with the words of its third column.
fn rows(page: &str) -> Vec<(String, Vec<String>)> {
    let table = page.lines().skip_while(|line| !line.starts_with("| module |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let words = cells[2].split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty());
        (cells[0].trim_matches('`').to_owned(), words.collect())
    });
    rows.collect()
}

/// The paths that a source file uses, without its tests.
fn paths(text: &str) -> Vec<String> {
    let text = text.split("#[cfg(test)]").next().unwrap();
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let inline = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let inline = inline.filter(|word| word.contains("::")).map(str::to_owned);
    uses(&code).into_iter().map(|(path, _)| path.join("::")).chain(inline).collect()
}

fn is_within(path: &str, denied: &str) -> bool {
    path.strip_prefix(denied).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn no_module_imports_what_it_knows_nothing_of() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows = rows(&fs::read_to_string(root.join("docs/architecture.md")).unwrap());
    let modules: Vec<&str> = rows.iter().map(|(module, _)| module.as_str()).collect();
    assert_eq!(modules.len(), super::ORDER.len(), "a row for each module: {modules:?}");
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(root.join("src")).unwrap().with_extension("");
        let parts: Vec<&str> = relative.iter().map(|part| part.to_str().unwrap()).collect();
        let Some((_, words)) = rows.iter().find(|(module, _)| module == parts[0]) else { continue };
        if parts.iter().any(|part| ["tests", "testing"].contains(part)) {
            continue;
        }
        let paths = paths(&fs::read_to_string(&file).unwrap());
        for word in words {
            let (_, denied) = WORDS
                .iter()
                .find(|(known, _)| known == word)
                .unwrap_or_else(|| panic!("{word:?} in the row of {}: add it to WORDS", parts[0]));
            let found = paths.iter().find(|path| denied.iter().any(|denied| is_within(path, denied)));
            wrong.extend(found.map(|path| format!("{} knows {word}: {path}", relative.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
