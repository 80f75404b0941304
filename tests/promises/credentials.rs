//! An application can have two credentials at once, so that it can rotate without interruption; three are an error.

use crate::support::{
    Ca, Client, EdgeBuilder, Upstream,
    command::{start_problems, text},
    passes, refused, self_signed,
};

#[tokio::test]
async fn both_thumbprints_of_an_application_work() {
    let upstream = Upstream::start().await;
    let (old, new, neither) = (self_signed("billing"), self_signed("billing"), self_signed("billing"));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .file("new.pem", new.chain_pem())
        .application(
            "billing",
            "self_signed_tls_client_auth",
            &[format!("thumbprint = \"{}\"", old.thumbprint()), "certificate = \"new.pem\"".to_owned()],
        )
        .start();
    for (credentials, name) in [(&old, "c0"), (&new, "c1"), (&old, "c0")] {
        let client = Client::with(&edge, credentials);
        passes(&client, &upstream, "billing").await;
        let answer = client.http2().token("billing").await;
        assert_eq!(answer.status, 200);
        assert_eq!(edge.log_of(&answer)["credential"], name);
    }
    let refused = refused(&edge, &Client::with(&edge, &neither), &upstream, "billing").await;
    assert_eq!(refused.generic_refusal_reason(), "certificate thumbprint is not registered for \"billing\"");
    edge.stop();
}

#[tokio::test]
async fn both_subjects_of_an_application_work() {
    let upstream = Upstream::start().await;
    let (corp, partner) = (Ca::new("Corp CA"), Ca::new("Partner CA"));
    let by_name = corp.issue("payments", |_| {});
    let by_san = partner.issue("other", |p| {
        p.subject_alt_names = vec![rcgen::SanType::DnsName("payments.example.com".try_into().unwrap())];
    });
    let neither = corp.issue("invoices", |_| {});
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("corp", &corp.pem())
        .trust("partner", &partner.pem())
        .application(
            "payments",
            "tls_client_auth",
            &[
                "subject_dn = \"CN=payments,O=Example Bank,C=DE\"\nca = \"corp.pem\"".to_owned(),
                "san_dns = \"payments.example.com\"\nca = \"partner.pem\"".to_owned(),
            ],
        )
        .start();
    for (credentials, name) in [(&by_name, "c0"), (&by_san, "c1")] {
        let client = Client::with(&edge, credentials);
        let seen = passes(&client, &upstream, "payments").await;
        assert_eq!(seen.header("client-certificate-ca-verified"), "SUCCESS");
        let answer = client.token("payments").await;
        assert_eq!(edge.log_of(&answer)["credential"], name);
    }
    let refused = refused(&edge, &Client::with(&edge, &neither), &upstream, "payments").await;
    assert_eq!(
        refused.generic_refusal_reason(),
        "subject DN is not the one registered for \"payments\": RDN 3 of 3: expected \"CN=payments\", found \"CN=invoices\""
    );
    edge.stop();
}

#[test]
fn three_credentials_are_an_error_of_check_and_run() {
    let prints: Vec<String> = (0..3).map(|_| self_signed("billing").thumbprint()).collect();
    let subjects = ["a", "b", "c"].map(|name| format!("subject_dn = \"CN={name}\""));
    let ca = Ca::new("Corp CA");
    let usual = || EdgeBuilder::new("http://127.0.0.1:9").usual_domain("auth0").trust("ca", &ca.pem());
    let edges = [
        usual().self_signed_application("billing", &prints),
        usual().application("billing", "tls_client_auth", &subjects),
    ];
    for edge in edges {
        let checked = edge.output("check");
        assert_eq!(checked.status.code(), Some(1));
        assert_eq!((text(&checked.stdout), text(&checked.stderr)), ("", THREE));
        let started = edge.output("run");
        assert_eq!(started.status.code(), Some(1));
        let problems = start_problems(&started);
        let (key_and_message, help) = problems.trim_end().split_once("\nhelp: ").unwrap();
        assert!(!help.contains('\n') && THREE.contains(&format!("error: {key_and_message}\n")), "{problems}");
        assert!(THREE.contains(&format!("= help: {help}\n")), "{problems}");
    }
}

const THREE: &str =
    "error: application.credential: found 3 credentials, expected at most two: one in use and its successor
  --> applications.toml:10:1
   |
10 | [[application.credential]]
   | ^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: remove the credential that is no longer in use

1 error, 0 warnings
";
