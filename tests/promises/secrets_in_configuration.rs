//! A secret that an operator wrote in place of its reference is reported without its value.

use std::{path::Path, process::Output};

use crate::support::{
    Ca, program,
    secrets::{FROM_ENVIRONMENT, FROM_FILE, HEADER_NAME, HEADERS, QUERY, USERINFO, clean, edge_with_secrets},
};

/// Runs a command on a configuration, and returns its output.
fn command(name: &str, config: &Path) -> (Output, String) {
    let output = program()
        .args([name, "--config"])
        .arg(config)
        .env("RUST_LOG", "trace")
        .env("UPSTREAM_TOKEN", FROM_ENVIRONMENT)
        .output()
        .unwrap();
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    (output, text)
}

#[tokio::test]
async fn check_and_a_failed_run_print_no_secret() {
    let (edge, _) = edge_with_secrets("http://127.0.0.1:9", "", &Ca::new("Upstream CA"));
    let folder = edge.folder.path();
    let text = std::fs::read_to_string(folder.join("edge.toml")).unwrap();
    let config = folder.join("changed.toml");
    std::fs::write(&config, &text).unwrap();
    let (output, written) = command("check", &config);
    assert!(output.status.success(), "{written}");
    clean(&written, "check");

    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        text.replace(from, to)
    };
    let file = "{ file = \"secrets/key\" }";
    let broken = [
        // The secret itself in place of its reference: as a value, a reference's value, a key, a list.
        with(file, &format!("\"{FROM_FILE}\"")),
        with(file, &format!("\"{FROM_FILE}")),
        with(file, &format!("'''\n{FROM_FILE}\n")),
        with(file, &format!("{{ value = \"{FROM_FILE}\" }}")),
        with(file, &format!("{{ \"{FROM_FILE}\" }}")),
        with(file, &format!("{{ {FROM_FILE} }}")),
        with(file, FROM_FILE),
        with(file, &format!("{{ file = {FROM_FILE} }}")),
        with(file, &format!("[\"{FROM_FILE}\"]")),
        with("\"UPSTREAM_TOKEN\"", &format!("\"{FROM_ENVIRONMENT}=\"")),
        // Mistakes in neighbouring lines.
        with("headers = { cname", "haeders = { cname"),
        with(file, &format!("{file}, x-more = \"{FROM_FILE}\"")),
        with(HEADERS, &format!("{HEADERS}\n{HEADERS}")),
        with("http://127.0.0.1:9", &format!("http://user:{USERINFO}@127.0.0.1:9")),
        with("http://127.0.0.1:9", &format!("http://127.0.0.1:9/?key={QUERY}")),
        with("\"pem-url\"", "\"pem-ulr\""),
        with("\"pem-url\"", &format!("\"pem-url\", {HEADER_NAME} = \"verdict\"")),
    ];
    for text in broken {
        std::fs::write(&config, &text).unwrap();
        for name in ["check", "run"] {
            let (output, written) = command(name, &config);
            assert_eq!(output.status.code(), Some(1), "{name} of {text}\n{written}");
            assert!(written.contains("changed.toml"), "{written}");
            clean(&written, name);
        }
    }
    // An invalid secret file.
    std::fs::write(&config, &text).unwrap();
    for content in
        [format!("{FROM_FILE}\n{FROM_FILE}"), format!("{FROM_FILE}\u{e4}"), format!("\0{FROM_FILE}")]
    {
        std::fs::write(folder.join("secrets/key"), content).unwrap();
        let (output, written) = command("check", &config);
        assert_eq!(output.status.code(), Some(1), "{written}");
        clean(&written, "check");
    }
}
