//! The blocks of docs/operate.md: TOML is what `check` accepts, and scripts in `packaging/` run or check each of the others.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::support::{
    command::{check, text},
    self_signed,
    tool::run,
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

struct Block {
    language: String,
    name: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let page = read("docs/operate.md");
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let (language, name) =
            info.split_once(' ').unwrap_or_else(|| panic!("a block without a name: {line}"));
        let body = lines.by_ref().take_while(|line| *line != "```");
        let text = body.map(|line| line.to_owned() + "\n").collect();
        blocks.push(Block { language: language.to_owned(), name: name.to_owned(), text });
    }
    blocks
}

#[test]
fn every_block_of_the_operations_page_is_checked() {
    let scripts = ["test-operate.sh", "test-installed.sh", "test-container.sh"];
    let scripts = scripts.map(|name| read(&format!("packaging/{name}"))).concat();
    let words: Vec<&str> = scripts.split_whitespace().collect();
    let blocks = blocks();
    assert!(blocks.len() > 15, "{}", blocks.len());
    for Block { language, name, .. } in blocks {
        let with = |word: &str| words.windows(2).any(|pair| pair == [word, name.as_str()]);
        let is_checked = match language.as_str() {
            "toml" => true,
            "sh" => with("run"),
            _ => {
                scripts.contains(&format!("block {language} {name}")) || language == "ini" && with("drop_in")
            }
        };
        assert!(is_checked, "nothing checks the block {language} {name}");
    }
}

#[test]
fn shell_blocks_of_the_operations_page_parse() {
    let folder = TempDir::new().unwrap();
    for block in blocks().iter().filter(|block| block.language == "sh") {
        fs::write(folder.path().join("block"), &block.text).unwrap();
        run(folder.path(), "bash", &["-n", "block"]);
    }
}

/// Puts the keys of a block into the configuration, table by table; of an array of tables into its first.
fn merge(into: &mut toml::Table, block: toml::Table) {
    for (key, value) in block {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(table)), toml::Value::Table(value)) => merge(table, value),
            (Some(toml::Value::Array(tables)), toml::Value::Array(values))
                if values.iter().all(toml::Value::is_table) =>
            {
                let table = tables[0].as_table_mut().unwrap();
                merge(table, values[0].as_table().unwrap().clone());
            }
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

#[test]
fn check_accepts_the_operations_page() {
    for block in blocks().iter().filter(|block| block.language == "toml") {
        let folder = TempDir::new().unwrap();
        let place = |path: &str| folder.path().join(path);
        for path in
            ["certs", "secrets", "letsencrypt/live/mtls.auth.example.com", "credentials/mtls-edge.service"]
        {
            fs::create_dir_all(place(path)).unwrap();
        }
        let server = self_signed("server");
        server.write(&place("certs"), "server");
        let live = place("letsencrypt/live/mtls.auth.example.com");
        fs::copy(place("certs/server.pem"), live.join("fullchain.pem")).unwrap();
        fs::copy(place("certs/server.key"), live.join("privkey.pem")).unwrap();
        let keys = place("credentials/mtls-edge.service/tickets.keys");
        fs::write(&keys, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
        run(folder.path(), "chmod", &["600", keys.to_str().unwrap()]);
        fs::write(place("secrets/admin"), "0123456789abcdef\n").unwrap();
        fs::write(place("applications.toml"), read("packaging/applications.toml")).unwrap();

        let mut configuration: toml::Table = read("packaging/edge.toml").parse().unwrap();
        let block_table: toml::Table = block.text.parse().unwrap();
        if block.name == "acme" {
            // In place of the certificate.
            let domain = configuration["domain"][0].as_table_mut().unwrap();
            assert!(domain.remove("certificate").is_some() && domain.remove("private_key").is_some());
        }
        merge(&mut configuration, block_table);
        let root = folder.path().to_str().unwrap();
        let configuration = toml::to_string(&configuration).unwrap();
        let configuration = configuration
            .replace("/etc/letsencrypt", &format!("{root}/letsencrypt"))
            .replace("/run/credentials", &format!("{root}/credentials"));
        fs::write(place("edge.toml"), configuration).unwrap();
        let output = check(&place("edge.toml"));
        assert!(output.status.success(), "{}: {}", block.name, text(&output.stderr));
    }
}
