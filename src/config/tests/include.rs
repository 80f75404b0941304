//! The files that `edge.toml` includes.

use std::{fs, path::Path};

use crate::config::{Parsed, render, settings, testing::NO_PROBLEM};

const UPSTREAM: &str = "[[upstream]]\nname = \"as\"\nurls = [\"http://127.0.0.1:1\"]\n";

fn domain(name: &str) -> String {
    format!("[[domain]]\nname = \"{name}\"\ncertificate = \"c.pem\"\nprivate_key = \"k.pem\"\n")
}

/// Writes the files and reads the first; the folder's name is left out of the rendered problems.
fn read(files: &[(&str, &str)]) -> (Parsed, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let parsed = settings(&folder.path().join(files[0].0).into());
    let rendered = render(&parsed.problems, false).replace(&format!("{}/", folder.path().display()), "");
    assert_eq!(parsed.settings.is_some(), rendered.contains("0 errors"), "{rendered}");
    (parsed, rendered, folder)
}

#[test]
fn the_tables_of_all_files_are_read_in_order() {
    let (parsed, rendered, folder) = read(&[
        ("edge.toml", &format!("include = [\"edge.d\", \"more/z.toml\"]\n{}", domain("a.example"))),
        ("edge.d/2.toml", &domain("b.example")),
        ("edge.d/1.toml", UPSTREAM),
        ("edge.d/.hidden.toml", "not TOML"),
        ("edge.d/notes.txt", "not TOML"),
        ("more/z.toml", &domain("c.example")),
    ]);
    assert_eq!(rendered, NO_PROBLEM);
    let settings = parsed.settings.unwrap();
    let domains: Vec<_> = settings.domains.iter().map(|domain| domain.name.value.as_str()).collect();
    assert_eq!(domains, ["a.example", "b.example", "c.example"]);
    // A path is relative to the file that contains it.
    let keys: Vec<&Path> = settings
        .domains
        .iter()
        .map(|domain| domain.key_pairs[0].private_key.file().value.strip_prefix(folder.path()).unwrap())
        .collect();
    assert_eq!(keys, ["k.pem", "edge.d/k.pem", "more/k.pem"].map(Path::new));
    let watched: Vec<_> = parsed.files.iter().map(|file| file.strip_prefix(folder.path()).unwrap()).collect();
    let expected = ["edge.toml", "edge.d", "edge.d/1.toml", "edge.d/2.toml", "more/z.toml", "more/z.toml"];
    assert_eq!(watched, expected.map(Path::new));
}

#[test]
fn what_belongs_elsewhere_is_refused_with_its_place() {
    for (text, expected) in [
        (
            "[limits]\nconnections = 1\n",
            "error: limits: unknown table [limits]\n --> edge.d/a.toml:1:2\n  |\n1 | [limits]\n  |  ^^^^^^\n  |\n  = help: write limits in edge.toml: an included file has only [[domain]], [[upstream]], [[header_profile]] and [[token_issuer]]\n",
        ),
        ("include = \"b.toml\"\n", "= help: write include in edge.toml: an included file has only"),
        (
            "[[application]]\nclient_id = \"a\"\n",
            "= help: applications belong to the files that [trust] applications names\n",
        ),
        ("[[domian]]\n", "= help: did you mean \"domain\"?"),
        ("", "error: include: edge.d/a.toml: the file is empty\n"),
        ("x = [\n", " --> edge.d/a.toml:1:"),
    ] {
        let main = format!("include = \"edge.d\"\n{UPSTREAM}{}", domain("a.example"));
        let (_, rendered, _folder) = read(&[("edge.toml", &main), ("edge.d/a.toml", text)]);
        assert!(rendered.contains(expected), "{rendered}");
        assert!(rendered.ends_with("1 error, 0 warnings\n"), "{rendered}");
    }
}

#[test]
fn a_file_that_cannot_be_read_causes_no_second_problem() {
    // The domain's upstream may be in the file.
    let main = format!("include = \"edge.d\"\n{}upstream = \"theirs\"\n", domain("a.example"));
    let (parsed, rendered, folder) = read(&[("edge.toml", &main), ("edge.d/a.toml", "nonsense")]);
    assert!(rendered.ends_with("1 error, 0 warnings\n"), "{rendered}");
    assert!(parsed.files.contains(&folder.path().join("edge.d/a.toml")), "it is watched");
}

#[test]
fn the_same_name_in_two_files_is_refused() {
    let main = format!("include = \"edge.d\"\n{UPSTREAM}{}", domain("a.example"));
    let (_, rendered, _folder) = read(&[("edge.toml", &main), ("edge.d/a.toml", &domain("a.example"))]);
    assert!(
        rendered.contains("found \"a.example\" a second time; the first is on line 6 of edge.toml\n"),
        "{rendered}"
    );
    assert!(rendered.contains(" --> edge.d/a.toml:2:8\n"), "{rendered}");
}

#[test]
fn an_include_without_a_file_is_an_error() {
    for (include, expected) in [
        ("\"none\"", "none: there is no such file"),
        ("\"notes\"", "notes has no file that ends in .toml"),
        ("[\"edge.d\", \"edge.d/a.toml\"]", "edge.d/a.toml is included a second time"),
        ("\"edge.toml\"", "edge.toml is the file that includes others"),
        ("1", "found integer 1, expected the path of a file"),
    ] {
        let main = format!("include = {include}\n{UPSTREAM}{}", domain("a.example"));
        let (_, rendered, _folder) =
            read(&[("edge.toml", &main), ("edge.d/a.toml", "# none\n"), ("notes/readme", "")]);
        assert!(rendered.contains(expected), "{rendered}");
        assert!(rendered.ends_with("1 error, 0 warnings\n"), "{rendered}");
    }
}

#[test]
fn a_secret_of_an_included_file_is_hidden() {
    let main = format!("include = \"edge.d\"\n{UPSTREAM}{}", domain("a.example"));
    let included = "[[upstream]]\nname = \"b\"\nurls = [\"https://user:hunter2@as.example\"]\n";
    let (_, rendered, _folder) = read(&[("edge.toml", &main), ("edge.d/a.toml", included)]);
    assert!(rendered.contains("edge.d/a.toml:3:") && !rendered.contains("hunter2"), "{rendered}");
}

#[test]
fn empty_lists_in_all_files_are_errors() {
    for (main, included) in
        [("domain = []\nupstream = []\n", "# none\n"), ("", "domain = []\nupstream = []\n")]
    {
        let (_, rendered, _folder) =
            read(&[("edge.toml", &format!("include = \"edge.d\"\n{main}")), ("edge.d/a.toml", included)]);
        for key in ["domain", "upstream"] {
            let expected = format!("error: {key}: missing: at least one [[{key}]] is needed\n");
            assert!(rendered.contains(&expected), "{rendered}");
        }
        assert!(rendered.ends_with("2 errors, 0 warnings\n"), "{rendered}");
    }
}

#[test]
fn a_folder_without_files_causes_no_second_problem() {
    let (_, rendered, _folder) = read(&[("edge.toml", "include = \"edge.d\"\n"), ("edge.d/notes", "")]);
    assert!(rendered.ends_with("1 error, 0 warnings\n"), "{rendered}");
}
