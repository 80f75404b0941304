//! The JSON Schema of both files: what `check` accepts validates, and a wrong key, type or choice does not.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    pages::pages,
    support::{
        command::{edge, text},
        tool::run,
    },
};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn schema(file: &str) -> String {
    text(&edge(&["schema", file]).stdout).to_owned()
}

/// Writes what the program prints with `UPDATE_SCHEMA=1`.
#[test]
fn schema_files_are_what_the_program_prints() {
    for file in ["edge", "applications"] {
        let path = repository().join("docs/schema").join(format!("{file}.json"));
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(&path, schema(file)).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written, schema(file), "run: UPDATE_SCHEMA=1 cargo test --test promises editor_schema");
    }
}

/// The schema of a table by its heading, such as `[[domain.route]]`.
fn table<'a>(edge: &'a Value, applications: &'a Value, heading: &str) -> &'a Value {
    let path = heading.trim_matches(['[', ']']);
    let root = if path.starts_with("application") { applications } else { edge };
    path.split('.').fold(root, |table, key| {
        let found = &table["properties"][key];
        if found.get("items").is_some() { &found["items"] } else { found }
    })
}

#[test]
fn every_documented_key_is_in_the_schema_with_its_text() {
    let [of_edge, of_applications] =
        ["edge", "applications"].map(|file| serde_json::from_str::<Value>(&schema(file)).unwrap());
    let page = fs::read_to_string(repository().join("docs/configuration.md")).unwrap();
    let mut count = 0;
    for section in page.split("\n### [").skip(1) {
        let (heading, text) = section.split_once('\n').unwrap();
        // Further tables of a section are those of inline tables.
        let Some(rows) = text.split("| key |").nth(1) else { continue };
        let table = table(&of_edge, &of_applications, heading);
        for row in rows.lines().skip(2).take_while(|line| line.starts_with('|')) {
            for key in row.split('|').nth(1).unwrap().split(',') {
                let key = key.trim().trim_matches('`');
                let described = table["properties"][key]["description"].as_str();
                assert!(described.is_some_and(|text| !text.is_empty()), "{heading} {key}");
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count}");
}

/// A document to be validated: its name, the file that it is, and whether it is valid.
struct Document {
    name: String,
    file: &'static str,
    value: toml::Table,
    is_valid: bool,
}

/// The file that a text is, by its tables.
fn file_of(value: &toml::Table) -> &'static str {
    if value.contains_key("application") { "applications" } else { "edge" }
}

/// Every configuration of the repository that `check` accepts as far as its files exist.
fn accepted() -> Vec<Document> {
    let folder = TempDir::new().unwrap();
    let mut files = Vec::new();
    for server in ["auth0", "keycloak", "oidc-provider", "hydra", "spring", "generic"] {
        let dir = folder.path().join(server);
        assert!(edge(&["init", dir.to_str().unwrap(), "--for", server]).status.success());
        files.extend(["edge.toml", "applications.toml"].map(|file| dir.join(file)));
    }
    let mut folders = ["config", "packaging"].map(|folder| repository().join(folder)).to_vec();
    let deployments = fs::read_dir(repository().join("docs/deploy")).unwrap();
    folders.extend(deployments.map(|folder| folder.unwrap().path()));
    for folder in folders {
        files.extend(["edge.toml", "applications.toml"].map(|file| folder.join(file)));
    }
    let mut documents: Vec<Document> = Vec::new();
    let mut add = |name: String, text: &str| {
        let value: toml::Table = text.parse().unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        documents.push(Document { name, file: file_of(&value), value, is_valid: true });
    };
    for file in files {
        add(file.display().to_string(), &fs::read_to_string(&file).unwrap());
    }
    let mut on_pages = 0;
    for page in pages() {
        for (number, block) in toml_blocks(&fs::read_to_string(&page).unwrap()).into_iter().enumerate() {
            // Some have both files.
            for part in block.split("\n# applications.toml\n") {
                add(format!("{} block {number}", page.display()), &format!("{}{part}", table_around(part)));
                on_pages += 1;
            }
        }
    }
    assert!(on_pages > 15, "{on_pages}");
    documents
}

/// The blocks of a page that are of a configuration file, also those in lists.
fn toml_blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(start) = lines.next() {
        if start.trim_start().starts_with("```toml") {
            let block = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
            blocks.push(block.flat_map(|line| [line, "\n"]).collect());
        }
    }
    blocks
}

/// The heading of the table that a block is a part of, if it does not have it.
fn table_around(block: &str) -> &'static str {
    let first = block.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    match first.unwrap_or_default().split(' ').next() {
        Some("[[domain.route]]") => "[[domain]]\n",
        Some("urls" | "headers" | "client_certificate") => "[[upstream]]\n",
        Some("client_ca" | "crls") => "[trust]\n",
        _ => "",
    }
}

/// Whether a message is about a key, a type or a choice, which a schema can know.
fn is_of_schema(message: &str) -> bool {
    const TYPES: [&str; 8] = [
        "found integer ",
        "found boolean ",
        "found string ",
        "found a string, expected a list",
        "found a string, expected a reference",
        "found a string, expected tables",
        "found a list, expected ",
        "found one table, expected a list",
    ];
    // JSON has neither dates nor ranges.
    let is_value = message.contains("expected a date")
        || (message.contains("whole number from") && message.contains("found integer"));
    let is_choice = message.contains("\", expected \"");
    let is_unknown = message.contains("unknown key \"") || message.contains("unknown table \"");
    !is_value && (is_unknown || is_choice || TYPES.iter().any(|found| message.contains(found)))
}

/// The inputs of the messages that are about a key, a type or a choice; and those without an error.
fn of_messages() -> Vec<Document> {
    let mut documents = Vec::new();
    for file in ["edge", "applications"] {
        for case in fs::read_dir(repository().join("tests/messages").join(file)).unwrap() {
            let case = case.unwrap().path();
            if case.extension().is_some_and(|extension| extension == "toml")
                && let Ok(value) = fs::read_to_string(&case).unwrap_or_default().parse()
            {
                let messages = fs::read_to_string(case.with_extension("stderr")).unwrap();
                let is_valid =
                    messages.ends_with("\n0 errors, 1 warning\n") || messages.starts_with("0 errors");
                let name = case.strip_prefix(repository()).unwrap().display().to_string();
                if is_valid || messages.lines().any(|line| line.starts_with("error: ") && is_of_schema(line))
                {
                    documents.push(Document { name, file, value, is_valid });
                }
            }
        }
    }
    documents
}

/// Prints each document that is not valid, with the first reason.
const VALIDATE: &str = "
import json, sys
import jsonschema
given = json.load(open(sys.argv[1]))
for name, schema in given['schemas'].items():
    jsonschema.Draft7Validator.check_schema(schema)
validators = {name: jsonschema.Draft7Validator(schema) for name, schema in given['schemas'].items()}
for document in given['documents']:
    error = next(iter(validators[document['file']].iter_errors(document['value'])), None)
    print(json.dumps([document['name'], error and f'{error.json_path}: {error.message}']))
";

#[test]
fn a_configuration_validates_if_its_keys_and_types_are_right() {
    let python = ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let imported = std::process::Command::new(python).args(["-c", "import jsonschema"]).output();
        imported.is_ok_and(|output| output.status.success())
    });
    let python = python.expect("install: apt-get install python3-jsonschema");
    let documents: Vec<Document> = accepted().into_iter().chain(of_messages()).collect();
    let (valid, invalid): (Vec<&Document>, _) = documents.iter().partition(|document| document.is_valid);
    assert!(valid.len() > 40 && invalid.len() > 60, "{} and {}", valid.len(), invalid.len());
    let folder = TempDir::new().unwrap();
    let schemas =
        ["edge", "applications"].map(|file| (file, serde_json::from_str::<Value>(&schema(file)).unwrap()));
    let value = |document: &Document| json!({ "name": document.name, "file": document.file, "value": json_of(&document.value) });
    let given = json!({
        "schemas": schemas.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "documents": documents.iter().map(value).collect::<Vec<_>>(),
    });
    fs::write(folder.path().join("given.json"), given.to_string()).unwrap();
    let printed = run(folder.path(), python, &["-c", VALIDATE, "given.json"]);
    let mut wrong = String::new();
    for (document, line) in documents.iter().zip(printed.lines()) {
        let (name, error): (String, Option<String>) = serde_json::from_str(line).unwrap();
        assert_eq!(name, document.name);
        if document.is_valid != error.is_none() {
            let error = error.unwrap_or_else(|| "validates".to_owned());
            writeln!(wrong, "{name}: {error}").unwrap();
        }
    }
    assert_eq!(printed.lines().count(), documents.len());
    assert!(wrong.is_empty(), "{wrong}");
}

/// A document as editors validate it: times are strings.
fn json_of(table: &toml::Table) -> Value {
    fn value(toml: &toml::Value) -> Value {
        match toml {
            toml::Value::Datetime(time) => time.to_string().into(),
            toml::Value::Array(items) => items.iter().map(value).collect(),
            toml::Value::Table(table) => json_of(table),
            toml::Value::String(text) => text.as_str().into(),
            toml::Value::Integer(number) => (*number).into(),
            toml::Value::Float(number) => (*number).into(),
            toml::Value::Boolean(is_so) => (*is_so).into(),
        }
    }
    table.iter().map(|(key, toml)| (key.clone(), value(toml))).collect()
}

#[test]
fn init_names_the_schemas_for_editors() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("new");
    assert!(edge(&["init", dir.to_str().unwrap()]).status.success());
    for file in ["edge", "applications"] {
        let config = fs::read_to_string(dir.join(format!("{file}.toml"))).unwrap();
        let named = config.lines().next().unwrap().strip_prefix("#:schema ").unwrap();
        assert_eq!(fs::read_to_string(dir.join(Path::new(named))).unwrap(), schema(file));
    }
}

#[test]
fn completions_and_man_pages_have_the_schema_command() {
    let folder = TempDir::new().unwrap();
    let dir = folder.path().join("man");
    assert!(edge(&["man", dir.to_str().unwrap()]).status.success());
    assert!(fs::read_to_string(dir.join("mtls-edge-schema.1")).unwrap().contains("applications"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&edge(&["completions", shell]).stdout).contains("schema"), "{shell}");
    }
}
