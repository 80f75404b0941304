//! Which chains are accepted: intermediates, pins, CAs with the same name, validity, purpose, revocation.

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose, SerialNumber};
use rustls::version::{TLS12, TLS13};

use crate::support::{
    Ca, Client, EdgeBuilder, Upstream,
    certificates::time_from_now,
    passes, refused,
    verdict::{EXPIRED, NOT_REGISTERED, NOT_YET_VALID},
};

const DN: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

fn chain_refused(reason: &str) -> String {
    format!("\"payments\" needs a chain to a client CA: {reason}")
}

#[tokio::test]
async fn a_chain_through_intermediates_verifies() {
    let upstream = Upstream::start().await;
    let root = Ca::new("Root CA");
    let upper = root.intermediate("Upper CA", |_| {});
    let lower = upper.intermediate("Lower CA", |_| {});
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("root", &root.pem())
        .ca_application("payments", DN)
        .start();
    let deep = lower.issue("payments", |_| {});
    let reversed = deep.clone().with_chain(&[upper.der(), lower.der()]);
    let with_root = deep.clone().with_chain(&[lower.der(), upper.der(), root.der()]);
    for credentials in [upper.issue("payments", |_| {}), deep.clone(), reversed, with_root] {
        for version in [&TLS12, &TLS13] {
            let client = Client::build(&edge, &[version], Some(&credentials));
            let seen = passes(&client, &upstream, "payments").await;
            assert_eq!(seen.header("client-certificate-ca-verified"), "SUCCESS");
        }
    }
    // The edge fetches no intermediate that the client left out.
    for (rest, issuer) in
        [(vec![], "CN=Lower CA"), (vec![upper.der()], "CN=Lower CA"), (vec![lower.der()], "CN=Lower CA")]
    {
        let client = Client::with(&edge, &deep.clone().with_chain(&rest));
        let refused = refused(&edge, &client, &upstream, "payments").await;
        let reason = format!(
            "no client CA is found for the issuer \"{issuer}\" with the intermediates that were presented"
        );
        assert_eq!(refused.generic_refusal_reason(), chain_refused(&reason));
    }
    edge.stop();
}

#[tokio::test]
async fn another_ca_with_the_same_dn_is_refused() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Corp CA");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .ca_application("payments", DN)
        .start();
    let (unknown, namesake) = (Ca::new("Other CA"), Ca::new("Corp CA"));
    let of_unknown = unknown.issue("payments", |_| {});
    let presented = of_unknown.clone().with_chain(&[unknown.der()]);
    let below = unknown.intermediate("Corp CA", |_| {}).issue("payments", |_| {});
    let no_ca = |issuer: &str| {
        format!(
            "no client CA is found for the issuer \"{issuer}\" with the intermediates that were presented"
        )
    };
    let other_key = "a signature on the path of issuer \"CN=Corp CA\" does not verify: a known CA has the name, but another key";
    let of_namesake = namesake.issue("payments", |_| {});
    for (what, credentials, reason) in [
        ("another CA", of_unknown, no_ca("CN=Other CA")),
        ("another CA, presented", presented, no_ca("CN=Other CA")),
        ("a CA of the same name", of_namesake.clone(), other_key.to_owned()),
        ("the same, presented", of_namesake.with_chain(&[namesake.der()]), other_key.to_owned()),
        ("an intermediate of the same name", below, other_key.to_owned()),
    ] {
        let refused = refused(&edge, &Client::with(&edge, &credentials), &upstream, "payments").await;
        assert_eq!(refused.generic_refusal_reason(), chain_refused(&reason), "{what}");
    }
    edge.stop();
}

#[tokio::test]
async fn a_pin_excludes_another_trusted_ca_with_the_same_dn() {
    let upstream = Upstream::start().await;
    let (corp, partner) = (Ca::new("Corp CA"), Ca::new("Partner CA"));
    // A second trusted CA may have the same name as the first.
    let namesake = Ca::new("Corp CA");
    let department = corp.intermediate("Department CA", |_| {});
    let pinned = format!("{DN}\nca = \"corp.pem\"");
    let build = || {
        EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("corp", &corp.pem())
            .trust("partner", &partner.pem())
            .trust("namesake", &namesake.pem())
            .file("department.pem", department.pem())
    };
    let edge = build()
        .ca_application("payments", &pinned)
        .ca_application("department", &format!("{DN}\nca = \"department.pem\""))
        .ca_application("san", "san_dns = \"payments.example.com\"\nca = \"corp.pem\"")
        .start();
    let unpinned = build().ca_application("anybody", DN).start();
    let issue = |ca: &Ca| {
        let dns = "payments.example.com".try_into().unwrap();
        ca.issue("payments", |p| p.subject_alt_names = vec![rcgen::SanType::DnsName(dns)])
    };
    let (own, below) = (issue(&corp), issue(&department));
    let others = [issue(&partner), issue(&namesake)];
    let pins = |id: &str| format!("the verified path does not contain the CA pinned for \"{id}\"");
    for id in ["payments", "san"] {
        for credentials in [&own, &below] {
            passes(&Client::with(&edge, credentials), &upstream, id).await;
        }
        for credentials in &others {
            let refused = refused(&edge, &Client::with(&edge, credentials), &upstream, id).await;
            assert_eq!(refused.generic_refusal_reason(), pins(id));
        }
    }
    for credentials in others.iter().chain([&own, &below]) {
        passes(&Client::with(&unpinned, credentials), &upstream, "anybody").await;
    }
    // With an intermediate pinned, a certificate that the root itself issued does not match.
    passes(&Client::with(&edge, &below), &upstream, "department").await;
    let refused = refused(&edge, &Client::with(&edge, &own), &upstream, "department").await;
    assert_eq!(refused.generic_refusal_reason(), pins("department"));
    edge.stop();
}

#[tokio::test]
async fn a_certificate_for_another_purpose_or_time_is_refused() {
    let upstream = Upstream::start().await;
    let root = Ca::new("Root CA");
    let mail_only = root.intermediate("Mail CA", |p| {
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    });
    let (ended_on, begins_on) = (time_from_now(-60), time_from_now(3600));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("root", &root.pem())
        .ca_application("payments", DN)
        .start();

    for (credentials, reason, description) in [
        (root.issue("payments", |p| p.not_after = ended_on), "the client certificate has expired", EXPIRED),
        (
            root.issue("payments", |p| p.not_before = begins_on),
            "the client certificate is not yet valid",
            NOT_YET_VALID,
        ),
    ] {
        let refused = refused(&edge, &Client::with(&edge, &credentials), &upstream, "payments").await;
        assert_eq!((refused.reason.as_str(), refused.description.as_str()), (reason, description));
    }

    let purposes = |purposes: &[ExtendedKeyUsagePurpose]| {
        root.issue("payments", |p| p.extended_key_usages = purposes.to_vec())
    };
    let not_for_clients =
        |whose: &str| format!("extendedKeyUsage is present and does not include clientAuth (in {whose})");
    for (credentials, reason) in [
        (purposes(&[ExtendedKeyUsagePurpose::ServerAuth]), not_for_clients("the client's certificate")),
        (mail_only.issue("payments", |_| {}), not_for_clients("CA \"CN=Mail CA\"")),
        (
            root.issue("payments", |p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment]),
            "the certificate's keyUsage includes neither digitalSignature nor keyAgreement".to_owned(),
        ),
    ] {
        let refused = refused(&edge, &Client::with(&edge, &credentials), &upstream, "payments").await;
        assert_eq!(refused.generic_refusal_reason(), chain_refused(&reason));
    }

    // Both purposes, or no extendedKeyUsage, are accepted.
    for credentials in
        [purposes(&[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]), purposes(&[])]
    {
        passes(&Client::with(&edge, &credentials), &upstream, "payments").await;
    }
    edge.stop();
}

#[tokio::test]
async fn an_expired_ca_is_named_to_its_own_clients_only() {
    let upstream = Upstream::start().await;
    let (ended_on, begins_on) = (time_from_now(-60), time_from_now(3600));
    let root = Ca::new("Root CA");
    let ended = root.intermediate("Ended CA", |p| p.not_after = ended_on);
    let to_come = root.intermediate("Coming CA", |p| p.not_before = begins_on);
    let [ended_root, partner] =
        ["Ended Root CA", "Partner CA"].map(|name| Ca::with(name, |p| p.not_after = ended_on));
    let build = |pin: &str| {
        EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("root", &root.pem())
            .trust("ended-root", &ended_root.pem())
            .trust("partner", &partner.pem())
            .ca_application("payments", &format!("{DN}{pin}"))
            .start()
    };
    let (edge, pinned) = (build(""), build("\nca = \"ended-root.pem\""));
    let time = |time: time::OffsetDateTime| {
        let format = time::format_description::well_known::Rfc3339;
        time.replace_nanosecond(0).unwrap().format(&format).unwrap()
    };
    let client_ca =
        |name: &str| format!("the CA \"CN={name}\" may not issue: it expired on {}", time(ended_on));
    let replaced = "the CA that has issued the client certificate has expired or is not valid yet: ask the operator of this server which CA replaces it";
    let send_another = "an intermediate CA certificate that was sent with the client certificate has expired or is not valid yet: send a current one";
    for (edge, ca, reason, description) in [
        (&edge, &ended_root, client_ca("Ended Root CA"), replaced),
        (&pinned, &ended_root, client_ca("Ended Root CA"), replaced),
        (
            &edge,
            &ended,
            format!("an intermediate CA certificate expired on {}", time(ended_on)),
            send_another,
        ),
        (
            &edge,
            &to_come,
            format!("an intermediate CA certificate is not valid before {}", time(begins_on)),
            send_another,
        ),
        // Another CA has issued these: that the name is registered is not theirs to know.
        (&pinned, &partner, client_ca("Partner CA"), NOT_REGISTERED),
        (
            &pinned,
            &ended,
            format!("an intermediate CA certificate expired on {}", time(ended_on)),
            NOT_REGISTERED,
        ),
    ] {
        let client = Client::with(edge, &ca.issue("payments", |_| {}));
        let refused = refused(edge, &client, &upstream, "payments").await;
        assert_eq!(refused.reason, chain_refused(&reason));
        assert_eq!(
            (refused.description.as_str(), &refused.log["code"]),
            (description, &"chain".into()),
            "{reason}"
        );
    }
    // Nor is it to those who have another name, or no certificate of the CA.
    let other_key = "a signature on the path of issuer \"CN=Ended Root CA\" does not verify: a known CA has the name, but another key";
    let forged = Ca::with("Ended Root CA", |p| p.not_after = ended_on).issue("payments", |_| {});
    let refusal = refused(&edge, &Client::with(&edge, &forged), &upstream, "payments").await;
    assert_eq!(refusal.generic_refusal_reason(), chain_refused(other_key));
    let other = ended_root.issue("orders", |_| {});
    let refusal = refused(&edge, &Client::with(&edge, &other), &upstream, "payments").await;
    assert!(refusal.generic_refusal_reason().contains("subject DN is not the one registered"));
    edge.stop();
}

#[tokio::test]
async fn a_stale_crl_is_named_to_its_own_clients_only() {
    let upstream = Upstream::start().await;
    let [corp, partner] = ["Corp CA", "Partner CA"].map(Ca::new);
    let build = |pins: &[&str]| {
        let credentials: Vec<String> = pins.iter().map(|pin| format!("{DN}{pin}")).collect();
        EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("corp", &corp.pem())
            .trust("partner", &partner.pem())
            .trust("next", &Ca::new("Next CA").pem())
            .file("corp.crl", corp.crl_between(&[7], -7200, -3600))
            .file("partner.crl", partner.crl_between(&[], -7200, -3600))
            .trust_settings("crls = [\"corp.crl\", \"partner.crl\"]")
            .application("payments", "tls_client_auth", &credentials)
            .start()
    };
    // The second one is as in a rotation to another CA, whichever is first.
    let (edge, pinned) = (build(&[""]), build(&["\nca = \"next.pem\"", "\nca = \"corp.pem\""]));
    let not_checked = "this server cannot check at present whether the client certificate is revoked: nothing is wrong with the certificate or the request, so change neither; report it to the operator of this server, and try again later";
    for (edge, ca, description) in [
        (&edge, &corp, not_checked),
        (&pinned, &corp, not_checked),
        // Another CA has issued it: that the name is registered is not for its holder to know.
        (&pinned, &partner, NOT_REGISTERED),
    ] {
        let client = Client::with(edge, &ca.issue("payments", |_| {}));
        let refused = refused(edge, &client, &upstream, "payments").await;
        assert!(
            refused.reason.starts_with(&chain_refused("a CRL of the path is stale")),
            "{}",
            refused.reason
        );
        assert_eq!((refused.description.as_str(), &refused.log["code"]), (description, &"crl".into()));
    }
    // Nor is it for those who have another name, or a certificate of somebody else's CA of that name.
    for other in [corp.issue("orders", |_| {}), Ca::new("Corp CA").issue("payments", |_| {})] {
        refused(&edge, &Client::with(&edge, &other), &upstream, "payments").await.generic_refusal_reason();
    }
    edge.stop();
    pinned.stop();
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_logged_with_its_issuer() {
    let upstream = Upstream::start().await;
    let [corp, partner, unknown] = ["Corp CA", "Partner CA", "Unknown CA"].map(Ca::new);
    let thumbprint = corp.issue("billing", |_| {}).thumbprint();
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("corp", &corp.pem())
        .trust("partner", &partner.pem())
        .ca_application("payments", &format!("{DN}\nca = \"corp.pem\""))
        .self_signed_application("billing", &[thumbprint])
        .start();
    for (ca, issuer, id, code) in [
        (&unknown, "CN=Unknown CA", "payments", "chain"),
        (&partner, "CN=Partner CA", "payments", "issuer_mismatch"),
        (&unknown, "CN=Unknown CA", "billing", "thumbprint_mismatch"),
    ] {
        let client = Client::with(&edge, &ca.issue(id, |_| {}));
        let refused = refused(&edge, &client, &upstream, id).await;
        assert_eq!((&refused.log["code"], &refused.log["issuer"]), (&code.into(), &issuer.into()));
        refused.generic_refusal_reason();
    }
    let accepted = Client::with(&edge, &corp.issue("payments", |_| {})).token("payments").await;
    assert_eq!((accepted.status.as_u16(), edge.log_of(&accepted).get("issuer")), (200, None));
    edge.stop();
}

#[tokio::test]
async fn a_revoked_certificate_is_refused() {
    let upstream = Upstream::start().await;
    let root = Ca::new("Root CA");
    let revoked_ca = root.intermediate("Revoked CA", |p| p.serial_number = Some(SerialNumber::from(7u64)));
    let good_ca = root.intermediate("Good CA", |p| p.serial_number = Some(SerialNumber::from(8u64)));
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("root", &root.pem())
        .file("root.crl", root.crl(&[2, 7]))
        .file("good.crl", good_ca.crl(&[3]))
        .trust_settings("crls = [\"root.crl\", \"good.crl\"]")
        .ca_application("payments", DN)
        .start();
    let issue =
        |ca: &Ca, number: u64| ca.issue("payments", |p| p.serial_number = Some(SerialNumber::from(number)));
    for credentials in [issue(&root, 1), issue(&root, 3), issue(&good_ca, 2)] {
        passes(&Client::with(&edge, &credentials), &upstream, "payments").await;
    }
    for (what, credentials) in [
        ("the leaf", issue(&root, 2)),
        ("its CA", issue(&revoked_ca, 1)),
        ("the leaf, by an intermediate's list", issue(&good_ca, 3)),
    ] {
        for version in [&TLS12, &TLS13] {
            let client = Client::build(&edge, &[version], Some(&credentials));
            let refused = refused(&edge, &client, &upstream, "payments").await;
            let reason = "the certificate or a CA on its path is revoked";
            assert_eq!(refused.generic_refusal_reason(), chain_refused(reason), "{what}");
        }
    }
    edge.stop();
}
