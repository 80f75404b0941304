//! `inspect` of client assertions and request objects.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

use mtls_edge::clock::{Clock, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::jws::{SigningKey, hs256, unsigned};

use crate::support::{
    DOMAIN, EdgeBuilder,
    command::{edge, text},
    program,
};

const ISSUER: &str = "https://auth.example.test/";

/// An assertion's claims with these changes, made in the present second.
fn claims(changes: &Value) -> Value {
    let now = Clock::System.now().unix();
    let mut claims =
        json!({ "iss": "reports", "sub": "reports", "aud": ISSUER, "iat": now, "exp": now + 60, "jti": "1" });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// What `inspect` prints for a token in a file.
fn shown(token: &str, arguments: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{token}\n")).unwrap();
    let output = edge(&[&["inspect", file.to_str().unwrap()], arguments].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).to_owned()
}

fn written(seconds: i64) -> String {
    Timestamp::from_unix(seconds).to_string()
}

#[test]
fn inspect_shows_header_and_claims_with_their_times() {
    let key = SigningKey::ed25519();
    let claims = claims(&json!({}));
    let token = key.token(&json!({ "alg": "EdDSA", "kid": "2026" }), &claims);
    let printed = shown(&token, &[]);
    for line in [
        "  alg                   \"EdDSA\"",
        "  kid                   \"2026\"",
        "  iss                   \"reports\"",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    let exp = claims["exp"].as_i64().unwrap();
    assert!(printed.contains(&format!("{exp}   {}, in ", written(exp))), "{printed}");
    assert!(printed.contains(&format!("accepted now until {} (in ", written(exp))), "{printed}");
    assert!(printed.contains("give --config"), "{printed}");
    let signature = token.rsplit('.').next().unwrap();
    assert!(!printed.contains(signature), "{printed}");
}

#[test]
fn inspect_reads_a_token_from_standard_input() {
    let token = SigningKey::ed25519().token(&json!({ "alg": "EdDSA" }), &claims(&json!({})));
    let mut program = program();
    program.args(["inspect", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = program.spawn().unwrap();
    running.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
    let Output { status, stdout, .. } = running.wait_with_output().unwrap();
    assert!(status.success() && text(&stdout).contains("accepted now"), "{}", text(&stdout));
}

#[test]
fn inspect_names_the_rule_that_fails_and_when() {
    let key = SigningKey::ed25519();
    let now = Clock::System.now().unix();
    let far = 89 * 86_400 + 3 * 3600 + 1800;
    let signed = |changes: Value| key.token(&json!({ "alg": "EdDSA" }), &claims(&changes));
    for (token, rule, change) in [
        (
            signed(json!({ "exp": now - 30, "iat": now - 90 })),
            "expired ",
            format!("was accepted from {} until {}", written(now - 100), written(now - 30)),
        ),
        (
            signed(json!({ "iat": now + 100, "exp": now + 160 })),
            "iat is ",
            format!("accepted from {} (in ", written(now + 90)),
        ),
        (
            signed(json!({ "exp": now + 1000, "iat": null })),
            "exp is ",
            format!("accepted from {} (in ", written(now + 690)),
        ),
        // Two units of a distance are enough.
        (
            signed(json!({ "exp": now + 310 + far, "iat": null })),
            "exp is ",
            format!(
                "accepted from {} (in 89 days 3 h) until {} (in 89 days 3 h)\n",
                written(now + far),
                written(now + 310 + far)
            ),
        ),
        (signed(json!({ "jti": null })), "jti is missing", "waiting does not help".to_owned()),
        (
            signed(json!({ "aud": [ISSUER, "https://other.example.test/"] })),
            "aud \"https://other.example.test/\"",
            "waiting does not help".to_owned(),
        ),
        (
            hs256(b"key", &claims(&json!({}))),
            "alg \"HS256\" is not accepted",
            "waiting does not help".to_owned(),
        ),
        (unsigned(&claims(&json!({}))), "alg \"none\" is not accepted", "waiting does not help".to_owned()),
    ] {
        let printed = shown(&token, &[]);
        assert!(printed.contains("REFUSED now: ") && printed.contains(rule), "{rule}: {printed}");
        assert!(printed.contains(&change), "{change}: {printed}");
        assert!(printed.contains("\"reports\""), "its claims are shown all the same: {printed}");
    }
}

#[test]
fn inspect_escapes_what_a_token_hides() {
    let key = SigningKey::ed25519();
    let token = key.token(&json!({ "alg": "EdDSA" }), &claims(&json!({ "x\u{202e}": "\u{1b}[2J\u{e0041}" })));
    let printed = shown(&token, &[]);
    for hidden in ['\u{202e}', '\u{1b}', '\u{e0041}'] {
        assert!(!printed.contains(hidden), "{printed:?}");
    }
    assert!(printed.contains("\\u{202e}") && printed.contains("\\u{e0041}"), "{printed}");
}

/// A configuration with an application "reports", of which this key is registered for both purposes as PEM.
fn configuration(folder: &Path, key: &SigningKey, request_key: &SigningKey) {
    let builder = EdgeBuilder::new("http://127.0.0.1:9")
        .domain(DOMAIN, &format!("client_auth = \"optional\"\nissuer = \"{ISSUER}\"\n[[domain.route]]\nsigned_request = \"verify\""))
        .file("reports.pem", key.public_pem())
        .file("jar.pem", request_key.public_pem())
        .application(
            "reports",
            "private_key_jwt",
            &[
                "public_key = \"reports.pem\"\nalg = \"EdDSA\"\n[[application.request_key]]\nname = \"jar\"\npublic_key = \"jar.pem\"\nalg = \"ES256\""
                    .to_owned(),
            ],
        );
    assert!(builder.output("check").status.success(), "{}", text(&builder.output("check").stderr));
    for entry in fs::read_dir(builder.path()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn inspect_judges_an_assertion_by_a_configuration() {
    let folder = TempDir::new().unwrap();
    let (key, request_key) = (SigningKey::ed25519(), SigningKey::p256());
    configuration(folder.path(), &key, &request_key);
    let config = folder.path().join("edge.toml");
    let judged = |token: &str| shown(token, &["--config", config.to_str().unwrap()]);
    let header = json!({ "alg": "EdDSA" });
    let claims = claims(&json!({}));
    let printed = judged(&key.token(&header, &claims));
    let expected = format!(
        "{DOMAIN}: accepted now by the credential \"c0\" until {}",
        written(claims["exp"].as_i64().unwrap())
    );
    assert!(printed.contains(&expected), "{printed}");
    let printed = judged(&SigningKey::ed25519().token(&header, &claims));
    assert!(
        printed.contains("REFUSED now: ") && printed.contains("the signature does not match"),
        "{printed}"
    );
    let printed = judged(&key.token(&header, &self::claims(&json!({ "aud": "https://auth.example.test" }))));
    assert!(
        printed.contains("aud \"https://auth.example.test\" is neither the domain's issuer"),
        "{printed}"
    );
    let output = edge(&["inspect", "--config", "nowhere.toml", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    // As another client's.
    let file = folder.path().join("token");
    fs::write(&file, key.token(&header, &claims)).unwrap();
    let arguments =
        ["inspect", file.to_str().unwrap(), "--config", config.to_str().unwrap(), "--client-id", "ledger"];
    let printed = edge(&arguments);
    assert!(
        text(&printed.stdout).contains("iss is \"reports\", not the client_id"),
        "{}",
        text(&printed.stdout)
    );
}

#[test]
fn inspect_judges_a_request_object_by_a_configuration() {
    let folder = TempDir::new().unwrap();
    let (key, request_key) = (SigningKey::ed25519(), SigningKey::p256());
    configuration(folder.path(), &key, &request_key);
    let config = folder.path().join("edge.toml");
    let judged = |token: &str| shown(token, &["--config", config.to_str().unwrap()]);
    let header = json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt" });
    let object = |changes: Value| {
        let mut all = json!({ "sub": null, "client_id": "reports", "response_type": "code" });
        for (name, value) in changes.as_object().unwrap() {
            all[name] = value.clone();
        }
        claims(&all)
    };
    let printed = judged(&request_key.token(&header, &object(json!({}))));
    assert!(printed.contains("judged as               request object"), "{printed}");
    assert!(printed.contains("accepted now by the request key \"jar\" until "), "{printed}");
    let printed = judged(&request_key.token(&header, &object(json!({ "request_uri": "urn:x" }))));
    assert!(printed.contains("must not contain request_uri"), "{printed}");
    // The key for assertions is not one for request objects.
    let printed =
        judged(&key.token(&json!({ "alg": "EdDSA", "typ": "oauth-authz-req+jwt" }), &object(json!({}))));
    assert!(
        printed.contains("REFUSED now: ") && printed.contains("alg EdDSA is not the algorithm"),
        "{printed}"
    );
    let printed = shown(&request_key.token(&header, &object(json!({}))), &[]);
    assert!(printed.contains("only its form and its times were judged"), "{printed}");
}
