//! Secrets are masked, and values of quotable keys are not.

use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> String {
    let mut shown = text.to_owned();
    for span in edge(text) {
        mask(&mut shown, span);
    }
    assert_eq!(shown.len(), text.len());
    shown
}

#[test]
fn secrets_and_values_of_unknown_keys_are_masked() {
    for text in [
        "[[upstream]]\nheaders = { cname-api-key = \"hunter2\" }\n",
        "[[upstream]]\nheaders = { cname-api-key = { file = \"s\", value = \"hunter2\" } }\n",
        "[[upstream]]\nheaders = { cname-api-key = { env = \"hunter2-x\" } }\n",
        "[[upstream]]\nheaders = [\"cname-api-key: hunter2\"]\n",
        "[[upstream]]\nheaders = \"cname-api-key: hunter2\"\n",
        "[[upstream]]\nheaders.k = '''\nhunter2\nhunter2'''\n",
        "[[upstream]]\nheader = { cname-api-key = \"hunter2\" }\n",
        "[[upstream]]\ncname-api-key = \"hunter2\"\n",
        "[[upstream]]\nurls = [\"https://me:hunter2@auth.example\"]\n",
        "[[upstream]]\nurls = [\"https://auth.example/?key=hunter2\"]\n",
        "[[domain]]\nheaders = { cname-api-key = \"hunter2\" }\n",
        "[upstream.headers]\ncname-api-key = \"hunter2\"\n",
        "[[upstream]]\n[upstream.headers]\ncname-api-key = \"hunter2\n",
        "[[upstream]]\nheaders = { cname-api-key = \"hunter2 }\n",
        "[[upstream]]\nheaders = { a = \"x\" }\nheaders = { cname-api-key = \"hunter2\" }\n",
        "[[header_profile]]\nheaders = { x-hunter2 = \"pem-url\" }\n",
        "[[domain]]\nprivate_key = \"-----BEGIN PRIVATE KEY-----hunter2\"\n",
        "[[domain]]\nprivate_key = [\"a.key\", \"-----BEGIN PRIVATE KEY-----hunter2\"]\n",
        "cname_api_key = \"hunter2\"\n",
        "[limits]\nfoo = \"hunter2\"\n",
        "[[domain]]\nkey = [\"hunter2\", { hunter2 = 1 }]\n",
        "[elsewhere]\nx = \"hunter2\"\n",
        "[[header_profile]]\nheaders = \"x-hunter2\"\n",
        "[limits]\nheaders = 1 # hunter2\n",
        "[[token_issuer]]\nintrospection = { url = \"https://a\", client_id = \"e\", secret = \"hunter2\" }\n",
        "[[token_issuer]]\nintrospection = { secret = { file = \"s\", value = \"hunter2\" } }\n",
        "[[token_issuer]]\nintrospection = { secret = { env = \"hunter2-x\" } }\n",
        "[[token_issuer]]\nintrospection = { url = \"https://e:hunter2@a\" }\n",
        "[[token_issuer]]\nintrospection = { url = \"https://a\", secret = \"hunter2 }\n",
        "[[token_issuer]]\nintrospection.secret = hunter2\n",
        "[[token_issuer]]\njwks = { url = \"https://a/jwks?key=hunter2\", file = \"f\" }\n",
        "[[domain]]\nissuer = \"https://a/?hunter2\"\n",
        // Near keys whose values are secrets or may contain some, and near none.
        "[admin]\ntokn = \"hunter2\"\n",
        "[[upstream]]\nheader = \"hunter2\"\n",
        "[[upstream]]\nheader = [\"x: hunter2\"]\n",
        "[[upstream]]\nurl = \"https://me:hunter2@auth.example\"\n",
        "[[upstream]]\nuls = [\"https://auth.example/?key=hunter2\"]\n",
        "[[upstream]]\nnane = { hunter2 = \"hunter2\" }\n",
        "[[upstream]]\nnane = [{ value = \"hunter2\" }]\n",
        "[[upstream]]\ncb = \"hunter2\"\n",
        "[[domain]]\nkey = \"hunter2\"\n",
        "[[domain]]\nprivate_keys = \"-----BEGIN PRIVATE KEY-----hunter2\"\n",
        "[[token_issuer]]\nintrospection = { url = \"https://a\", secrt = \"hunter2\" }\n",
    ] {
        assert!(!shown(text).contains("hunter2"), "{text}\n{}", shown(text));
    }
}

#[test]
fn secrets_of_applications_are_masked() {
    for text in [
        "[[application.credential]]\nsecret_sha256 = \"hunter2\"\n",
        "[[application.credential]]\nsecret_sha256 = hunter2\n",
        "[[application.credential]]\nsecret_sha256 = [\"hunter2\"]\n",
        "[[application.credential]]\nsecret_sha256: hunter2\n",
        "[[application.credential]]\nclient_secret = \"hunter2\"\n",
        "[[application.credential]]\nsecret_sha265 = \"hunter2\"\n",
        "[[application.credential]]\nsha256 = \"hunter2\"\n",
        "[[application.credential]]\nsecret = \"hunter2\"\n",
        "[[application.credential]]\njwk = \"hunter2\"\n",
        "[[application.credential]]\ntls_client_auth_subject_dn = { a = \"hunter2\" }\n",
        "[[application.credential]]\ntls_client_auth_san_uri = \"https://me:hunter2@a\"\n",
        "[[application.credential]]\nclient_secret = hunter2\n",
        "[[application.credential]]\npublic_key = '{\"kty\":\"EC\",\"d\":\"hunter2\"}'\n",
        "[[application.credential]]\npublic_key = { kty = \"EC\", d = \"hunter2\" }\n",
        "[[application.credential]]\npublic_key = {\"kty\":\"EC\",\"d\":\"hunter2\"}\n",
        "[[application.request_key]]\npublic_key = \"-----BEGIN PRIVATE KEY-----hunter2\"\n",
        "[application.upstream_credential]\nsecret = \"hunter2\"\n",
        "[application.upstream_credential]\nsecret = hunter2\n",
        "[[application]]\njwks_uri = { url = \"https://a/?hunter2\", file = \"f\" }\n",
        "[[application]]\njwks_uri = \"https://me:hunter2@a/\"\n",
    ] {
        let mut shown = text.to_owned();
        for span in registry(text) {
            mask(&mut shown, span);
        }
        assert!(!shown.contains("hunter2"), "{text}\n{shown}");
    }
}

/// In each table, a key with the name of a secret, which the table does not have.
#[test]
fn a_key_with_the_name_of_a_secret_is_masked() {
    let names = [
        "access_key access_token api-key api_key apikey auth authorization bearer client_secret cname-api-key code",
        "cookie credential credentials eab_hmac hash hmac hmac_key jwk jwks key keys",
        "pass passphrase passwd password pem pin private private_key psk pwd salt",
        "secret secret_hash secret_key secrets seed sha256 token tokens user userinfo x-api-key",
        "x-edge-key",
    ];
    let names: Vec<&str> = names.iter().flat_map(|line| line.split(' ')).collect();
    for kind in super::super::schema::TABLES {
        for name in names.iter().filter(|name| kind.key(name).is_none()) {
            for value in ["\"hunter2\"", "[\"hunter2\"]", "{ hunter2 = \"hunter2\" }"] {
                let mut text = format!("{name} = {value}\n");
                let mut spans = Vec::new();
                table(kind, DeTable::parse(&text).unwrap().get_ref(), &mut spans);
                for span in spans {
                    mask(&mut text, span);
                }
                assert!(!text.contains("hunter2"), "{} {text}", kind.heading);
            }
        }
    }
}

/// Lines of an `edge.toml` that is not TOML, each with a secret beside, in place of, or within a value.
#[test]
fn an_unparsable_text_shows_no_secret() {
    for line in [
        "name = \"a\", token = \"hunter2\"",
        "name = \"a\" token = \"hunter2\"",
        "name = a, token = hunter2",
        "name = \"a  token = hunter2",
        "name = \"a\" # hunter2",
        "name = \"a # hunter2",
        "name = a # hunter2",
        "# hunter2",
        "hunter2",
        "hunter2 = 1",
        "\"hunter2",
        "[hunter2",
        "[upstream.headers\nname = \"hunter2\"",
        "headers = {\n name = \"hunter2\"\n}",
        "headers = { k = hunter2 }",
        "headers: { k: hunter2 }",
        "headers.k = hunter2",
        "name = '''\nname = hunter2\n",
        "name = \"\"\"\nname = hunter2\n",
        "name = { token = \"hunter2\" }",
        "urls = [\"http://a\", { token = \"hunter2\" }",
        "urls = [\n \"http://a\"\n hunter2 = 1",
        "urls = [http://me:hunter2@a]",
        "urls = [\n \"http://a?hunter2\"",
        "urls = http://a/?hunter2",
        "unknown = [\n\"hunter2\"\nname = hunter2\n]",
        "name: a, token: \"hunter2\"",
        "\"name\": \"a\", \"token\": \"hunter2\"",
        "{ \"name\": \"a\", \"token\": \"hunter2\" }",
        "name = -----BEGIN PRIVATE KEY-----hunter2",
        // Strings that are not closed, or closed by the quote of another.
        "name = \"auth, api token = 'hunter2'",
        "name = \"auth  # old key 'hunter2'",
        "name = \"auth\t# api token hunter2",
        "name = \"auth\t# api token hunter2\"",
        "name = 'auth\", token: \"hunter2'",
        "name = \"auth, token = hunter2, \"",
        "name = \"auth // token hunter2\"",
        "name = \"auth\", 'hunter2'",
        "name = \"auth hunter2",
        // Lists that are not closed.
        "urls = [\"https://auth:8443\"\ncname-api-key: hunter2",
        "urls = [\"https://auth:8443\"\ncname-api-key:hunter2",
        "urls = [\"https://auth:8443\"\n\"token\": \"hunter2\"",
        "urls = [\"https://auth:8443\"\n\"token\" \"hunter2\"",
        "urls = [\"https://auth:8443\"\n\"token: hunter2\"",
        "urls = [\"https://auth:8443\"\ntoken hunter2",
        "urls = [\"https://auth:8443\"\nhunter2",
        "urls = [\"https://auth:8443\"\n[upstream.headers]\nname = \"hunter2\"",
        "urls = [\"https://auth:8443\"\n[[upstream.headers]]\n\"hunter2\"",
        "urls = [\"https://auth:8443\ntoken\n\"hunter2\"",
        "urls = [\"https://auth\" token: hunter2",
        "urls = [https://auth token, hunter2",
        "urls = [\"token\", \"hunter2",
        // Text after a value.
        "connections = 5 ; api token hunter2",
        "connections = 5; hunter2",
        "connections = 5 // token hunter2",
        "connections = 5, hunter2",
        "name: a token: hunter2",
        "name = hunter2 is the token",
        "name = token:hunter2",
        "name = token:hunter2:5",
        "urls = https://auth:8443token:hunter2",
        "name = auth\u{a0}hunter2",
        "name = “auth” “hunter2”",
        "name = “auth”“hunter2”",
        // Values of several lines in other formats.
        "headers:\n  name: hunter2\n",
        "headers:\n  upstream:\n    name: hunter2\n",
        "token: |\n  name = hunter2",
        "token = <<EOF\nname = hunter2",
        "token = \\\nname = hunter2",
        "token = (\nname = hunter2",
        "token = \"\"\"\n[upstream]\nname = \"hunter2\"\n\"\"\"",
        "[other]\ntoken = '''\n[upstream]\nname = \"hunter2\"\n'''",
    ] {
        let text = format!("broken = = 1\n[[upstream]]\n{line}\n");
        assert!(!shown(&text).contains("hunter2"), "{text}\n{}", shown(&text));
    }
}

#[test]
fn an_unparsable_text_shows_certain_values() {
    for line in [
        "name = auth-server",
        "name = \"auth-server",
        "\"name\": \"auth-server\",",
        "urls = [http://[::1]:3000, https://a]",
        "[listen]\nhttps = [0.0.0.0:8443, [::]:8443]",
        "name = auth-server;",
        "name = “auth-server”",
        "urls = [https://a",
        "urls = [\n  \"http://a\"\n  \"http://b\",\n]",
        "connections = 5\nresponse_timeout = 10s",
        "[trust]\nclient_ca = [{ file = \"a\", eku = any, file = \"b\" }]",
        "[domain\nca_hints = False",
        "trust:\n  stale_crl: refuse",
    ] {
        let text = format!("[[upstream]]\n{line}\n= =\n");
        assert_eq!(shown(&text), text);
    }
}

/// Random lines: a key or what may be taken for one, then values, separators and secrets.
fn line() -> impl Strategy<Value = String> {
    let head = prop::sample::select(vec![
        "",
        "",
        "  ",
        "\t",
        "name = ",
        "name: ",
        "  name: ",
        "\"name\": ",
        "'name' = ",
        "name",
        "urls = ",
        "urls = [",
        "urls: [",
        "urls = [\"https://auth\"",
        "urls = [\"https://auth\",",
        "connections = ",
        "connections = 5",
        "name = \"auth",
        "name = 'auth",
        "name = \"auth\"",
        "name = auth",
        "headers = ",
        "headers = {",
        "headers:",
        "token = ",
        "token:",
        "- ",
        "[[upstream]]",
        "[upstream.headers]",
        "upstream:",
        "[listen]",
        "admin = ",
        "[trust]",
        "client_ca = [{ file = ",
        "{",
    ]);
    let part = prop::sample::select(vec![
        "token hunter2",
        "token: hunter2",
        "token = hunter2",
        "token=hunter2",
        "token:hunter2",
        "token\thunter2",
        "token\", \"hunter2",
        "token': 'hunter2",
        "token",
        " token 'hunter2'",
        ", token = \"hunter2\"",
        " hunter2 is it",
        "auth",
        "https://auth:8443",
        "5",
        "=",
        " = ",
        ":",
        ": ",
        "\"",
        "'",
        "\"\"\"",
        "'''",
        "[",
        "]",
        "{",
        "}",
        ",",
        ", ",
        ";",
        "; ",
        "#",
        " # ",
        "\t# ",
        "//",
        " // ",
        "\t",
        " ",
        "\r",
        "\\",
        "“",
        "”",
        "-",
        "|",
        "<<",
    ]);
    (head, prop::collection::vec(part, 0..6)).prop_map(|(head, parts)| head.to_owned() + &parts.concat())
}

/// Whether a line shows a secret otherwise than within a string that is the whole of a value. A comment begins with `*` then.
fn leaks(line: &str) -> bool {
    line.match_indices("hunter2").any(|(at, secret)| {
        let (before, after) = (&line[..at], &line[at + secret.len()..]);
        let (Some(open), Some(close)) = (before.rfind(['"', '\'']), after.find(['"', '\''])) else {
            return true;
        };
        let is_one = before[open..].chars().next() == after[close..].chars().next();
        let before = before[..open].trim_end();
        let is_after = before.is_empty() || before.ends_with(['=', ':', '>', '[', ',']);
        let after = after[close + 1..].trim_start();
        !is_one || !is_after || !(after.is_empty() || after.starts_with([',', ']', ';', '*', '}']))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_random_text_shows_a_secret(lines in prop::collection::vec(line(), 1..5)) {
        let text = format!("[[upstream]]\n{}\n= =\n", lines.join("\n"));
        let shown = shown(&text);
        for line in shown.lines() {
            prop_assert!(!leaks(line), "{text}\n---\n{shown}");
        }
    }
}

#[test]
fn values_of_quotable_keys_stay_readable() {
    for text in [
        "[[upstream]]\nname = \"a\"\nheaders = { k = { file = \"secrets/k\" }, l = { env = \"L\" } }\n",
        "[limits]\nheader_bytes = 1\n[[domain]]\nheader_profile = \"auth\"\nname = = \"x\"\n",
        // Of unknown keys that are certainly meant as one of these.
        "[[domain]]\nupstram = \"as\"\nclient_auht = \"off\"\niss = \"https://a\"\n",
        "[[upstream]]\nurl = [\"https://a\"]\nforwarded-for = \"list\"\n",
        "[limits]\nheader_byte = 1\n",
    ] {
        assert_eq!(shown(text), text);
    }
    let text = "[[application.credential]]\ntls_client_auth_subject_dn = \"CN=a\"\nthumbprints = \"ab\"\n";
    assert!(registry(text).is_empty());
}
