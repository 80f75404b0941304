//! The log line of a reload names what changed.

use crate::support::{Ca, EdgeBuilder, Upstream, admin::reloaded, self_signed};

const DN: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

#[tokio::test]
async fn client_cas_and_crls_are_named() {
    let upstream = Upstream::start().await;
    let (first, second) = (Ca::new("First CA"), Ca::new("Second CA"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &first.pem())
        .file("ca.crl", first.crl(&[]))
        .trust_settings("crls = [\"ca.crl\"]")
        .ca_application("payments", DN)
        .start();
    let write = |name: &str, text: String| std::fs::write(edge.folder.path().join(name), text).unwrap();
    let changes = |generation| -> String {
        let line: serde_json::Value = serde_json::from_str(&reloaded(&edge, generation)).unwrap();
        line["changes"].as_str().unwrap().to_owned()
    };
    write("ca.crl", first.crl(&[7]));
    assert_eq!(changes(2), "changed CRL of \"CN=First CA\"");
    write("ca.pem", first.pem() + &second.pem());
    assert!(changes(3).starts_with("added client CA \"CN=Second CA\""), "{}", changes(3));
    write("ca.pem", second.pem());
    assert!(changes(4).starts_with("removed client CA \"CN=First CA\""), "{}", changes(4));
    edge.stop();
}

#[tokio::test]
async fn a_reload_logs_what_was_added_removed_and_changed() {
    const SECOND: &str = "second.example.test";
    let upstream = Upstream::start().await;
    let ca = Ca::new("Client CA");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("corp")
        .extra("[[header_profile]]\nname = \"corp\"\nheaders = { x-print = \"thumbprint-hex\" }")
        .trust("ca", &ca.pem())
        .file("ca.crl", ca.crl(&[]))
        .trust_settings("crls = []")
        .self_signed_application("billing", &[self_signed("a").thumbprint(), self_signed("b").thumbprint()])
        .start();
    let first = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    let generation = std::cell::Cell::new(1);
    let report = |file: &str, text: &str| -> String {
        generation.set(generation.get() + 1);
        edge.reload(file, text);
        let line: serde_json::Value = serde_json::from_str(&reloaded(&edge, generation.get())).unwrap();
        line["changes"].as_str().unwrap().to_owned()
    };

    let [a, b, c] = ["a", "b", "c"].map(|name| self_signed(name).thumbprint());
    for (client_id, credentials, changes) in [
        ("billing", &[("c0", &a), ("c1", &b)][..], "changed credential billing/c0, credential billing/c1"),
        ("billing", &[("c0", &a)], "removed credential billing/c1"),
        ("billing", &[("c0", &a), ("c1", &b)], "added credential billing/c1"),
        ("other", &[("c0", &a), ("c1", &b)], "added application other; removed application billing"),
        ("other", &[("new", &a), ("c1", &b)], "added credential other/new; removed credential other/c0"),
        ("other", &[("new", &c), ("c1", &b)], "changed credential other/new"),
    ] {
        let list = credentials.iter().fold(String::new(), |list, (name, print)| {
            format!("{list}[[application.credential]]\nname = \"{name}\"\nthumbprint = \"{print}\"\n")
        });
        let text = format!("[[application]]\nclient_id = \"{client_id}\"\n{list}");
        assert_eq!(report("applications.toml", &text), changes);
    }

    let with = |before: &str, after: &str| {
        let text = first.replace(before, after);
        assert_ne!(text, first, "{before}");
        text
    };
    let mut previous = String::new();
    edge.issuer.server(&[SECOND]).write(edge.folder.path(), SECOND);
    let domain = format!(
        "[[domain]]\nname = \"{SECOND}\"\ncertificate = \"{SECOND}.pem\"\nprivate_key = \"{SECOND}.key\"\n"
    );
    for (text, what) in [
        (with("crls = []", "crls = [\"ca.crl\"]"), "CRL of \"CN=Client CA\""),
        (first.clone() + &domain, "domain second.example.test"),
        (with("crls = []", "crls = []\nstale_crl = \"report\""), "CRL settings"),
        (with("crls = []", "crls = []\ncrl_depth = \"leaf\""), "CRL settings"),
        (with("[\"POST\"]", "[\"POST\", \"GET\"]"), "routes of domain mtls.example.test"),
        (with("authenticate = \"client\"", "authenticate = \"none\""), "routes of domain mtls.example.test"),
        (with("[[upstream]]", "[[upstream]]\nforwarded = true"), "upstream of domain mtls.example.test"),
        (
            with("\"corp\"\n[[domain.route]]", "\"auth0\"\n[[domain.route]]"),
            "header profile of domain mtls.example.test",
        ),
        (with("x-print", "x-other"), "header profile of domain mtls.example.test"),
        (with("thumbprint-hex", "thumbprint-base64url"), "header profile of domain mtls.example.test"),
        (
            with("header_profile = \"corp\"", "header_profile = \"corp\"\ncipher_suites = \"fapi\""),
            "TLS of domain mtls.example.test",
        ),
        (
            with(
                "header_profile = \"corp\"",
                "header_profile = \"corp\"\nkey_exchange_groups = [\"X25519\"]",
            ),
            "TLS of domain mtls.example.test",
        ),
        (
            with("header_profile = \"corp\"", "header_profile = \"corp\"\nsession_lifetime = \"5m\""),
            "TLS of domain mtls.example.test",
        ),
        (with("[limits]", "[limits]\nheaders = 20"), "limits"),
        (with("[listen]", "[listen]\ntrusted_proxies = [\"127.0.0.1\"]"), "trusted proxies"),
    ] {
        let is_new = what.starts_with("CRL of") || what.starts_with("domain");
        let (there, back) = if is_new { ("added", "removed") } else { ("changed", "changed") };
        assert_eq!(report("edge.toml", &text), format!("{there} {what}"));
        assert_eq!(report("edge.toml", &first), format!("{back} {what}"));
        previous = text;
    }
    // Both changes are named.
    let both = previous.replace("[listen]", "[listen]\nproxy_protocol = true");
    assert_eq!(report("edge.toml", &both), "changed PROXY protocol, trusted proxies");
    edge.stop();
}
