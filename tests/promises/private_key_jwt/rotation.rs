//! Keys change with no refused request, and a removed key stops working at once.

use serde_json::json;
use testkit::jws::SigningKey;

use super::{DOMAIN_SETTINGS, Setup, request};
use crate::support::{DOMAIN, EdgeBuilder, tool::openssl};

const APPLICATION: &str = "[[application]]\nclient_id = \"reports\"\nauth_method = \"private_key_jwt\"\n";

fn credential(name: &str) -> String {
    format!(
        "[[application.credential]]\nname = \"{name}\"\npublic_key = \"{name}.pem\"\nalg = \"ES256\"\nkid = \"{name}\"\n"
    )
}

#[tokio::test]
async fn either_of_two_keys_authenticates_with_and_without_kid() {
    let (one, two) = (SigningKey::p256(), SigningKey::p256());
    let setup =
        Setup::with(&[(&one, "alg = \"ES256\"\nkid = \"1\""), (&two, "alg = \"ES256\"\nkid = \"2\"")]).await;
    for (key, kid) in [(&one, "1"), (&two, "2")] {
        for header in [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "kid": kid })] {
            setup.passes(&key.token(&header, &setup.claims(&json!({})))).await;
        }
    }
    let swapped = one.token(&json!({ "alg": "ES256", "kid": "2" }), &setup.claims(&json!({})));
    assert!(setup.refuses(&swapped).await.1.ends_with("the signature does not match"));
}

#[tokio::test]
async fn keys_rotate_on_an_open_connection() {
    let (old, new) = (SigningKey::p256(), SigningKey::p256());
    let setup =
        Setup::start(|edge| edge.file("old.pem", old.public_pem()).file("new.pem", new.public_pem())).await;
    let write = |credentials: &[&str]| {
        let credentials: Vec<String> = credentials.iter().map(|name| credential(name)).collect();
        setup.edge.reload("applications.toml", &format!("{APPLICATION}{}", credentials.concat()));
    };
    let mut connection = setup.connect().await;
    for (registered, old_status, new_status) in [
        (&["old"][..], 200, 401),
        (&["old", "new"], 200, 200),
        (&["new"], 401, 200),
        (&["new", "old"], 200, 200),
    ] {
        write(registered);
        for (key, status) in [(&old, old_status), (&new, new_status)] {
            let answer = connection.send(request(&setup.assertion(key, "ES256"))).await;
            assert_eq!(answer.status, status, "{registered:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_replaced_in_its_file_stops_working() {
    let (old, new) = (SigningKey::p256(), SigningKey::p256());
    let setup = Setup::with(&[(&old, "alg = \"ES256\"")]).await;
    let mut connection = setup.connect().await;
    assert_eq!(connection.send(request(&setup.assertion(&old, "ES256"))).await.status, 200);
    setup.edge.reload("reports-0.pem", &new.public_pem());
    connection.send(request(&setup.assertion(&old, "ES256"))).await.oauth_error(401, "invalid_client");
    assert_eq!(connection.send(request(&setup.assertion(&new, "ES256"))).await.status, 200);
}

#[test]
fn check_refuses_weak_private_and_unfitting_keys() {
    let made = tempfile::tempdir().unwrap();
    openssl(made.path(), &["genrsa", "-out", "weak.key", "1024"]);
    let weak = openssl(made.path(), &["rsa", "-in", "weak.key", "-pubout"]);
    let ec = SigningKey::p256();
    for (content, lines, what, help) in [
        (weak, "", "the RSA key has 1024 bits: 2048 to 8192 are accepted", "rsa_keygen_bits:3072"),
        (ec.private_pem(), "alg = \"ES256\"", "found a private key, expected a public key", "openssl pkey"),
        (ec.public_pem(), "", "an EC key on P-256 cannot verify RS256", "write alg = \"ES256\""),
    ] {
        let edge = EdgeBuilder::new("http://127.0.0.1:1").domain(DOMAIN, DOMAIN_SETTINGS);
        let credential = format!("public_key = \"a.pem\"\n{lines}");
        let output =
            edge.file("a.pem", content).application("a", "private_key_jwt", &[credential]).output("check");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(what) && text.contains(help), "{text}");
    }
}
