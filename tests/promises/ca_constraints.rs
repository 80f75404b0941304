//! RFC 5280 sections 4.2.1.9 and 4.2.1.10: what a CA may issue.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, GeneralSubtree, IsCa, KeyUsagePurpose,
    NameConstraints, SanType,
};

use crate::support::{Ca, Client, Credentials, EdgeBuilder, Upstream, passes, refused};

const DN: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

/// A case: a name, a certificate, and the reason in the log if it must be refused.
struct Case {
    what: &'static str,
    credentials: Credentials,
    refusal: Option<String>,
}

fn passing(what: &'static str, credentials: Credentials) -> Case {
    Case { what, credentials, refusal: None }
}

fn refusing(what: &'static str, credentials: Credentials, refusal: &str) -> Case {
    Case { what, credentials, refusal: Some(refusal.to_owned()) }
}

/// Trusts these CAs, and tries each case as an application whose DN matches.
async fn judge(cas: &[&Ca], cases: Vec<Case>) {
    let upstream = Upstream::start().await;
    let mut builder = EdgeBuilder::new(upstream.url()).usual_domain("auth0").ca_application("payments", DN);
    for (number, ca) in cas.iter().enumerate() {
        builder = builder.trust(&format!("ca-{number}"), &ca.pem());
    }
    let edge = builder.start();
    for Case { what, credentials, refusal } in cases {
        let client = Client::with(&edge, &credentials);
        match refusal {
            None => {
                let seen = passes(&client, &upstream, "payments").await;
                assert_eq!(seen.header("client-certificate-ca-verified"), "SUCCESS", "{what}");
            }
            Some(reason) => {
                let refused = refused(&edge, &client, &upstream, "payments").await;
                let expected = format!("\"payments\" needs a chain to a client CA: {reason}");
                assert_eq!(refused.generic_refusal_reason(), expected, "{what}");
            }
        }
    }
    edge.stop();
}

fn plain(ca: &Ca) -> Credentials {
    ca.issue("payments", |_| {})
}

#[tokio::test]
async fn an_issuer_that_may_not_issue_is_refused() {
    let not_ca = |p: &mut CertificateParams| p.is_ca = IsCa::ExplicitNoCa;
    let silent = |p: &mut CertificateParams| p.is_ca = IsCa::NoCa;
    let no_cert_sign = |p: &mut CertificateParams| {
        p.key_usages = vec![KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    };
    let root = Ca::new("Root CA");
    let roots = [
        Ca::with("No CA Root", not_ca),
        Ca::with("Silent Root", silent),
        Ca::with("No Sign Root", no_cert_sign),
    ];
    let not_set = |name: &str| {
        format!("an issuer on the path is not a CA (basicConstraints cA is not set): \"{name}\"")
    };
    let cases = vec![
        passing("a proper root", plain(&root)),
        passing("a proper intermediate", plain(&root.intermediate("Sub CA", |_| {}))),
        refusing(
            "an intermediate with cA false",
            plain(&root.intermediate("No CA", not_ca)),
            &not_set("CN=No CA"),
        ),
        refusing(
            "an intermediate without basicConstraints",
            plain(&root.intermediate("Silent", silent)),
            &not_set("CN=Silent"),
        ),
        refusing(
            "an intermediate without keyCertSign",
            plain(&root.intermediate("No Sign CA", no_cert_sign)),
            "the CA \"CN=No Sign CA\" may not issue: its keyUsage does not include keyCertSign",
        ),
        refusing(
            "a root with cA false",
            plain(&roots[0]),
            "the CA \"CN=No CA Root\" may not issue: it is not a CA certificate (basicConstraints cA is not set)",
        ),
        refusing(
            "a root without basicConstraints",
            plain(&roots[1]),
            "the CA \"CN=Silent Root\" may not issue: it is not a CA certificate (basicConstraints cA is not set)",
        ),
        refusing(
            "a root without keyCertSign",
            plain(&roots[2]),
            "the CA \"CN=No Sign Root\" may not issue: its keyUsage does not include keyCertSign",
        ),
        refusing(
            "a client's certificate as issuer",
            plain(&root.intermediate("payments", |p| {
                p.is_ca = IsCa::ExplicitNoCa;
                p.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            })),
            &not_set("CN=payments"),
        ),
    ];
    judge(&[&root, &roots[0], &roots[1], &roots[2]], cases).await;
}

#[tokio::test]
async fn a_path_length_is_kept_by_intermediate_and_root() {
    let at_most =
        |length| move |p: &mut CertificateParams| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
    let (root, short, one) =
        (Ca::new("Root CA"), Ca::with("Short Root", at_most(0)), Ca::with("One Root", at_most(1)));
    let upper = root.intermediate("Upper CA", at_most(0));
    let below_one = one.intermediate("Sub CA", |_| {});
    let cases = vec![
        passing("right below the root", plain(&short)),
        passing("right below the intermediate", plain(&upper)),
        passing("one CA below a root that allows one", plain(&below_one)),
        refusing(
            "one CA too many below the root",
            plain(&short.intermediate("Sub CA", |_| {})),
            "the path is longer than the pathLenConstraint of CN=Short Root allows",
        ),
        refusing(
            "two below a root that allows one",
            plain(&below_one.intermediate("Sub Sub CA", |_| {})),
            "the path is longer than the pathLenConstraint of CN=One Root allows",
        ),
        refusing(
            "one CA too many below the intermediate",
            plain(&upper.intermediate("Lower CA", |_| {})),
            "the path is longer than the pathLenConstraint of CN=Upper CA allows",
        ),
    ];
    judge(&[&root, &short, &one], cases).await;
}

fn permit(subtree: GeneralSubtree) -> impl FnOnce(&mut CertificateParams) {
    let constraints = NameConstraints { permitted_subtrees: vec![subtree], excluded_subtrees: Vec::new() };
    |p| p.name_constraints = Some(constraints)
}

fn exclude(subtree: GeneralSubtree) -> impl FnOnce(&mut CertificateParams) {
    let constraints = NameConstraints { permitted_subtrees: Vec::new(), excluded_subtrees: vec![subtree] };
    |p| p.name_constraints = Some(constraints)
}

fn named(ca: &Ca, names: &[&str]) -> Credentials {
    let name = |name: &&str| SanType::DnsName((*name).try_into().unwrap());
    ca.issue("payments", |p| p.subject_alt_names = names.iter().map(name).collect())
}

fn at(ca: &Ca, address: &str) -> Credentials {
    ca.issue("payments", |p| p.subject_alt_names = vec![SanType::IpAddress(address.parse().unwrap())])
}

#[tokio::test]
async fn dns_and_ip_name_constraints_are_judged() {
    let dns = || GeneralSubtree::DnsName("example.com".to_owned());
    let net = || GeneralSubtree::IpAddress(rcgen::CidrSubnet::from_v4_prefix([192, 0, 2, 0], 24));
    let root = Ca::new("Root CA");
    let permitting = [root.intermediate("DNS CA", permit(dns())), Ca::with("DNS Root", permit(dns()))];
    let excluding = [root.intermediate("No DNS CA", exclude(dns())), Ca::with("No DNS Root", exclude(dns()))];
    let networks = [root.intermediate("IP CA", permit(net())), Ca::with("IP Root", permit(net()))];
    let outside = |name: &str, ca: &str| {
        format!(
            "a name of the certificate is outside the name constraints of its CAs: {name} of the client's certificate, by the nameConstraints of \"CN={ca}\""
        )
    };
    let mut cases = Vec::new();
    for (ca, own) in permitting.iter().zip(["DNS CA", "DNS Root"]) {
        let outside = |name: &str| outside(&format!("dNSName \"{name}\""), own);
        cases.push(passing("inside", named(ca, &["payments.example.com"])));
        cases.push(passing("the very name", named(ca, &["example.com"])));
        cases.push(passing("no DNS name", plain(ca)));
        let name = "payments.example.org";
        cases.push(refusing("outside", named(ca, &[name]), &outside(name)));
        let name = "evil.test";
        cases.push(refusing("one of two outside", named(ca, &["a.example.com", name]), &outside(name)));
        for (what, name) in
            [("alike at its end", "evilexample.com"), ("alike at its start", "example.com.evil.test")]
        {
            cases.push(refusing(what, named(ca, &[name]), &outside(name)));
        }
    }
    for (ca, own) in excluding.iter().zip(["No DNS CA", "No DNS Root"]) {
        let name = "payments.example.com";
        cases.push(passing("not excluded", named(ca, &["payments.example.org"])));
        cases.push(refusing("excluded", named(ca, &[name]), &outside(&format!("dNSName \"{name}\""), own)));
    }
    for (ca, own) in networks.iter().zip(["IP CA", "IP Root"]) {
        let address = "198.51.100.10";
        cases.push(passing("inside the network", at(ca, "192.0.2.10")));
        cases.push(refusing(
            "outside the network",
            at(ca, address),
            &outside(&format!("iPAddress {address}"), own),
        ));
    }
    judge(&[&root, &permitting[1], &excluding[1], &networks[1]], cases).await;
}

/// subjectAltNames of each kind that rcgen supports.
fn names(ca: &Ca, subject: &[(DnType, &str)], names: &[SanType]) -> Credentials {
    ca.issue("payments", |p| {
        for (kind, value) in subject {
            p.distinguished_name.push(kind.clone(), *value);
        }
        p.subject_alt_names = names.to_vec();
    })
}

#[tokio::test]
async fn directory_mailbox_and_uri_constraints_are_judged() {
    let bank = |organization: &str| {
        let mut name = DistinguishedName::new();
        // In another string type and case than in the certificates.
        name.push(DnType::CountryName, rcgen::DnValue::PrintableString("de".try_into().unwrap()));
        name.push(
            DnType::OrganizationName,
            rcgen::DnValue::PrintableString(organization.try_into().unwrap()),
        );
        GeneralSubtree::DirectoryName(name)
    };
    let mail = |text: &str| SanType::Rfc822Name(text.try_into().unwrap());
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let outside = |name: &str, ca: &str| {
        format!(
            "a name of the certificate is outside the name constraints of its CAs: {name} of the client's certificate, by the nameConstraints of \"CN={ca}\""
        )
    };
    let root = Ca::new("Root CA");
    let own = root.intermediate("Own Bank CA", permit(bank("EXAMPLE  bank")));
    let other = root.intermediate("Other Bank CA", permit(bank("Other Bank")));
    let without = root.intermediate("No Bank CA", exclude(bank("example bank")));
    let at_host = root.intermediate("Mail CA", permit(GeneralSubtree::Rfc822Name("example.com".to_owned())));
    let no_mail =
        root.intermediate("No Mail CA", exclude(GeneralSubtree::Rfc822Name(".example.com".to_owned())));
    let constrained_uris = |name: &str, tag: u8, host: &str| {
        root.intermediate(name, |p| {
            let uri = [&[0x86, u8::try_from(host.len()).unwrap()][..], host.as_bytes()].concat();
            let wrap = |tag: u8, content: &[u8]| {
                [&[tag, u8::try_from(content.len()).unwrap()][..], content].concat()
            };
            let content = wrap(0x30, &wrap(tag, &wrap(0x30, &uri)));
            let mut extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 30], content);
            extension.set_criticality(true);
            p.custom_extensions = vec![extension];
        })
    };
    let of_host = constrained_uris("URI CA", 0xa0, "bank.example");
    let no_host = constrained_uris("No URI CA", 0xa1, ".bank.example");
    let subject = "directoryName \"CN=payments,O=Example Bank,C=DE\"";
    let cases = vec![
        passing("a subject inside", plain(&own)),
        refusing("a subject outside", plain(&other), &outside(subject, "Other Bank CA")),
        refusing("an excluded subject", plain(&without), &outside(subject, "No Bank CA")),
        passing("no mailbox", plain(&at_host)),
        passing("a mailbox inside", names(&at_host, &[], &[mail("a@Example.com")])),
        refusing(
            "one of two mailboxes outside",
            names(&at_host, &[], &[mail("a@example.com"), mail("a@www.example.com")]),
            &outside("rfc822Name \"a@www.example.com\"", "Mail CA"),
        ),
        passing("not excluded", names(&no_mail, &[], &[mail("a@example.com")])),
        refusing(
            "an excluded mailbox",
            names(&no_mail, &[], &[mail("a@mx.example.com")]),
            &outside("rfc822Name \"a@mx.example.com\"", "No Mail CA"),
        ),
        passing("a URI of the host", names(&of_host, &[], &[uri("https://bank.example/client")])),
        refusing(
            "a URI of another host",
            names(&of_host, &[], &[uri("https://evil.test/@bank.example")]),
            &outside("uniformResourceIdentifier \"https://evil.test/@bank.example\"", "URI CA"),
        ),
        refusing(
            "a URI without a host",
            names(&of_host, &[], &[uri("urn:bank.example")]),
            "uniformResourceIdentifier \"urn:bank.example\" of the client's certificate cannot be compared with the nameConstraints of \"CN=URI CA\"",
        ),
        refusing(
            "an excluded URI",
            names(&no_host, &[], &[uri("https://www.bank.example/")]),
            &outside("uniformResourceIdentifier \"https://www.bank.example/\"", "No URI CA"),
        ),
    ];
    judge(&[&root], cases).await;
}

#[tokio::test]
async fn a_mailbox_in_the_subject_is_constrained_too() {
    let email = DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]);
    let root = Ca::with("Mail Root", permit(GeneralSubtree::Rfc822Name("example.com".to_owned())));
    let upstream = Upstream::start().await;
    let dn =
        |address: &str| format!("subject_dn = \"emailAddress={address},CN=payments,O=Example Bank,C=DE\"");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("root", &root.pem())
        .ca_application("inside", &dn("a@example.com"))
        .ca_application("outside", &dn("a@evil.test"))
        .start();
    let issued = |address: &str| names(&root, &[(email.clone(), address)], &[]);
    passes(&Client::with(&edge, &issued("a@example.com")), &upstream, "inside").await;
    let refused = refused(&edge, &Client::with(&edge, &issued("a@evil.test")), &upstream, "outside").await;
    let reason = refused.generic_refusal_reason();
    assert!(reason.contains("rfc822Name \"a@evil.test\" of the client's certificate"), "{reason}");
    edge.stop();
}

#[tokio::test]
async fn an_unsupported_constrained_name_kind_is_refused() {
    // otherName permitted within 1.2.3: only a certificate with an otherName is refused.
    let other_name = [0xa0, 8, 0x06, 2, 0x2a, 3, 0xa0, 2, 0x05, 0];
    let wrap = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()][..], content].concat();
    let content = wrap(0x30, &wrap(0xa0, &wrap(0x30, &other_name)));
    let root = Ca::with("Other Root", |p| {
        p.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 30], content)];
    });
    let named = SanType::OtherName((vec![1, 2, 3], "payments".to_owned().into()));
    let cases = vec![
        passing("no name of the kind", plain(&root)),
        refusing(
            "a name of the kind",
            names(&root, &[], &[named]),
            "the otherName of the client's certificate cannot be compared with the nameConstraints of \"CN=Other Root\"",
        ),
    ];
    judge(&[&root], cases).await;
}
