//! The extensions of a chain's certificates: policies, purposes, noRevAvail, unknown ones.

use rcgen::{
    CertificateParams, CrlDistributionPoint, CustomExtension, ExtendedKeyUsagePurpose, SerialNumber,
};

use crate::support::{Ca, Client, Credentials, EdgeBuilder, Upstream, passes, refused};

const DN: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&[tag, u8::try_from(content.len()).unwrap()][..], &content].concat()
}

/// anyPolicy (2.5.29.32.0) and two made-up policies.
const ANY: &[u8] = &[0x06, 4, 0x55, 0x1d, 0x20, 0];
const GOLD: &[u8] = &[0x06, 3, 0x2a, 3, 4];
const SILVER: &[u8] = &[0x06, 3, 0x2a, 3, 5];

fn extension(oid: &[u64], critical: bool, content: Vec<u8>) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, content);
    extension.set_criticality(critical);
    extension
}

fn policies(critical: bool, policies: &[&[u8]]) -> CustomExtension {
    let information: Vec<Vec<u8>> = policies.iter().map(|policy| der(0x30, &[policy])).collect();
    let information: Vec<&[u8]> = information.iter().map(Vec::as_slice).collect();
    extension(&[2, 5, 29, 32], critical, der(0x30, &information))
}

fn require_explicit(number: u8) -> CustomExtension {
    extension(&[2, 5, 29, 36], true, der(0x30, &[&[0x80, 1, number]]))
}

fn inhibit_any() -> CustomExtension {
    extension(&[2, 5, 29, 54], true, vec![2, 1, 0])
}

fn map_gold_to_silver() -> CustomExtension {
    extension(&[2, 5, 29, 33], true, der(0x30, &[&der(0x30, &[GOLD, SILVER])]))
}

fn no_revocation() -> CustomExtension {
    extension(&[2, 5, 29, 56], false, vec![5, 0])
}

fn with(extensions: Vec<CustomExtension>) -> impl Fn(&mut CertificateParams) {
    move |p| p.custom_extensions.clone_from(&extensions)
}

async fn judge(root: &Ca, cases: Vec<(&str, Credentials, Option<&str>)>) {
    let upstream = Upstream::start().await;
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("root", &root.pem())
        .ca_application("payments", DN)
        .start();
    for (what, credentials, refusal) in cases {
        let client = Client::with(&edge, &credentials);
        match refusal {
            None => {
                passes(&client, &upstream, "payments").await;
            }
            Some(reason) => {
                let logged = refused(&edge, &client, &upstream, "payments").await.generic_refusal_reason();
                assert!(logged.contains(reason), "{what}: {logged}");
            }
        }
    }
    edge.stop();
}

#[tokio::test]
async fn policies_pass_critical_or_not() {
    let root = Ca::new("Root CA");
    let mut cases = Vec::new();
    for critical in [false, true] {
        for ca in [&[ANY][..], &[GOLD], &[GOLD, SILVER]] {
            let sub = root.intermediate("Sub CA", with(vec![policies(critical, ca)]));
            cases.push(("no policy", sub.issue("payments", |_| {}), None));
            for leaf in [&[ANY][..], &[SILVER]] {
                let client = sub.issue("payments", with(vec![policies(critical, leaf)]));
                cases.push(("any policy will do", client, None));
            }
        }
    }
    let sub =
        root.intermediate("Sub CA", with(vec![policies(true, &[GOLD]), map_gold_to_silver(), inhibit_any()]));
    cases.push(("mapped and inhibited", sub.issue("payments", |_| {}), None));
    judge(&root, cases).await;
}

#[tokio::test]
async fn a_required_policy_is_required() {
    let root = Ca::new("Root CA");
    let requiring = |extensions: Vec<CustomExtension>| {
        let extensions = [vec![require_explicit(0)], extensions].concat();
        root.intermediate("Sub CA", with(extensions))
    };
    let gold = requiring(vec![policies(true, &[GOLD])]);
    let any = requiring(vec![policies(true, &[ANY])]);
    let inhibited = requiring(vec![policies(true, &[ANY]), inhibit_any()]);
    let mapping = requiring(vec![policies(true, &[GOLD]), map_gold_to_silver()]);
    let none = requiring(vec![]);
    let of = |ca: &Ca, named: &[&[u8]]| ca.issue("payments", with(vec![policies(false, named)]));
    let reason = "no certificate policy is valid for the path, and one is required by policyConstraints (2.5.29.36) of CA \"CN=Sub CA\"; ";
    let of_leaf = format!(
        "{reason}certificatePolicies (2.5.29.32) of the client's certificate has none that its CAs allow"
    );
    let no_leaf = format!("{reason}the client's certificate has no certificatePolicies (2.5.29.32)");
    let no_ca = format!("{reason}CA \"CN=Sub CA\" has no certificatePolicies (2.5.29.32)");
    judge(
        &root,
        vec![
            ("the same", of(&gold, &[GOLD]), None),
            ("the same among others", of(&gold, &[SILVER, GOLD]), None),
            ("any", of(&gold, &[ANY]), None),
            ("another", of(&gold, &[SILVER]), Some(&of_leaf)),
            ("none", gold.issue("payments", |_| {}), Some(&no_leaf)),
            ("any CA policy", of(&any, &[SILVER]), None),
            ("any is inhibited", of(&inhibited, &[ANY]), Some(&of_leaf)),
            ("mapped", of(&mapping, &[SILVER]), None),
            ("mapped away", of(&mapping, &[GOLD]), Some(&of_leaf)),
            ("the CA has none", of(&none, &[GOLD]), Some(&no_ca)),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_malformed_policy_extension_names_itself() {
    let root = Ca::new("Root CA");
    let twice = |critical| with(vec![policies(critical, &[GOLD, GOLD])]);
    let sub = root.intermediate("Sub CA", twice(true));
    let constraints = with(vec![extension(&[2, 5, 29, 36], false, vec![0x30, 1])]);
    judge(
        &root,
        vec![
            (
                "in the leaf",
                root.issue("payments", twice(true)),
                Some("the client's certificate: its extension certificatePolicies (2.5.29.32) is malformed"),
            ),
            (
                "in a CA",
                sub.issue("payments", |_| {}),
                Some("CA \"CN=Sub CA\": its extension certificatePolicies (2.5.29.32) is malformed"),
            ),
            (
                "what restricts",
                root.issue("payments", constraints),
                Some("policyConstraints (2.5.29.36) is malformed"),
            ),
            ("not critical", root.issue("payments", twice(false)), None),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_unknown_critical_extension_is_named_with_its_owner() {
    let root = Ca::new("Root CA");
    let own = |critical| with(vec![extension(&[1, 2, 3, 4], critical, vec![5, 0])]);
    let known = with(vec![extension(&[1, 3, 6, 1, 5, 5, 7, 1, 3], true, vec![0x30, 0])]);
    let sub = root.intermediate("Sub CA", own(true));
    let reason = "a certificate of the path has a critical extension that is not supported: ";
    let in_leaf = format!("{reason}1.2.3.4 in the client's certificate");
    let in_ca = format!("{reason}1.2.3.4 in CA \"CN=Sub CA\"");
    let statements = format!("{reason}qcStatements (1.3.6.1.5.5.7.1.3) in the client's certificate");
    judge(
        &root,
        vec![
            ("not critical", root.issue("payments", own(false)), None),
            ("in the leaf", root.issue("payments", own(true)), Some(&in_leaf)),
            ("with a name", root.issue("payments", known), Some(&statements)),
            ("in a CA", sub.issue("payments", |_| {}), Some(&in_ca)),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_extension_that_occurs_twice_is_refused() {
    let root = Ca::new("Root CA");
    let twice = vec![extension(&[1, 2, 3, 4], false, vec![5, 0]); 2];
    let sub = root.intermediate("Sub CA", with(twice.clone()));
    judge(
        &root,
        vec![
            (
                "in the leaf",
                root.issue("payments", with(twice)),
                Some("the client's certificate: its extension 1.2.3.4 occurs twice"),
            ),
            (
                "in a CA",
                sub.issue("payments", |_| {}),
                Some("CA \"CN=Sub CA\": its extension 1.2.3.4 occurs twice"),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_operator_decides_per_ca_which_purposes_are_for_clients() {
    use ExtendedKeyUsagePurpose::{ClientAuth, EmailProtection, ServerAuth};
    let upstream = Upstream::start().await;
    let (corp, public, own) = (Ca::new("Corp CA"), Ca::new("PSD2 CA"), Ca::new("Own CA"));
    let builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0").ca_application("payments", DN);
    let builder =
        builder.file("corp.pem", corp.pem()).file("psd2.pem", public.pem()).file("own.pem", own.pem());
    let edge = builder
        .client_ca("\"corp.pem\"")
        .client_ca("{ file = \"psd2.pem\", eku = \"client-or-server\" }")
        .client_ca("{ file = \"own.pem\", eku = \"any\" }")
        .start();
    let issue = |ca: &Ca, purposes: &[ExtendedKeyUsagePurpose]| {
        ca.issue("payments", |p| p.extended_key_usages = purposes.to_vec())
    };
    let sub = public.intermediate("Mail CA", |p| p.extended_key_usages = vec![EmailProtection]);
    for (credentials, refusal) in [
        (issue(&corp, &[ClientAuth]), None),
        (issue(&corp, &[]), None),
        (issue(&corp, &[ServerAuth]), Some("does not include clientAuth (in the client's certificate)")),
        (issue(&corp, &[ExtendedKeyUsagePurpose::Any]), Some("does not include clientAuth")),
        (issue(&public, &[ServerAuth]), None),
        (issue(&public, &[ClientAuth]), None),
        (
            issue(&public, &[EmailProtection]),
            Some("includes neither clientAuth nor serverAuth (in the client's certificate)"),
        ),
        (
            issue(&sub, &[ServerAuth]),
            Some("includes neither clientAuth nor serverAuth (in CA \"CN=Mail CA\")"),
        ),
        (issue(&own, &[EmailProtection]), None),
    ] {
        let client = Client::with(&edge, &credentials);
        match refusal {
            None => {
                passes(&client, &upstream, "payments").await;
            }
            Some(reason) => {
                let logged = refused(&edge, &client, &upstream, "payments").await.generic_refusal_reason();
                assert!(logged.contains(reason), "{logged}");
            }
        }
    }
    // A change applies to the next request, and is logged.
    let client = Client::with(&edge, &issue(&public, &[ServerAuth]));
    let mut connection = client.connect().await;
    assert_eq!(connection.token("payments").await.status, 200);
    let text = std::fs::read_to_string(edge.folder.path().join("edge.toml")).unwrap();
    edge.reload("edge.toml", &text.replace("client-or-server", "client"));
    connection.token("payments").await.oauth_error(401, "invalid_client");
    edge.wait_for_log("changed eku of client CA \\\"CN=PSD2 CA\\\"");
    edge.stop();
}

#[tokio::test]
async fn no_rev_avail_needs_no_crl() {
    let upstream = Upstream::start().await;
    let root = Ca::new("Root CA");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("root", &root.pem())
        .file("stale.crl", root.crl_between(&[2], -7200, -3600))
        .trust_settings("crls = [\"stale.crl\"]")
        .ca_application("payments", DN)
        .start();
    let serial = |ca: &Ca, number: u64, extensions: Vec<CustomExtension>, points: bool| {
        ca.issue("payments", |p| {
            p.serial_number = Some(SerialNumber::from(number));
            p.custom_extensions = extensions;
            if points {
                p.crl_distribution_points =
                    vec![CrlDistributionPoint { uris: vec!["http://a.example/1".to_owned()] }];
            }
        })
    };
    let stale = "a CRL of the path is stale";
    let sub = root.intermediate("Sub CA", with(vec![no_revocation()]));
    for (what, credentials, refusal) in [
        ("under a stale list", serial(&root, 1, vec![no_revocation()], false), None),
        ("without the extension", serial(&root, 1, vec![], false), Some(stale)),
        ("revoked all the same", serial(&root, 2, vec![no_revocation()], false), Some("is revoked")),
        ("with a place of lists", serial(&root, 1, vec![no_revocation()], true), Some(stale)),
        (
            "in a CA",
            serial(&sub, 1, vec![], false),
            Some("the extension noRevAvail (2.5.29.56) is in the certificate of CA \"CN=Sub CA\""),
        ),
    ] {
        let client = Client::with(&edge, &credentials);
        match refusal {
            None => {
                passes(&client, &upstream, "payments").await;
            }
            Some(reason) => {
                let refused = refused(&edge, &client, &upstream, "payments").await;
                let logged = if reason == stale { refused.reason } else { refused.generic_refusal_reason() };
                assert!(logged.contains(reason), "{what}: {logged}");
            }
        }
    }
    edge.stop();
}
