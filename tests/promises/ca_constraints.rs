//! RFC 5280 sections 4.2.1.9 and 4.2.1.10: what a CA may issue.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, GeneralSubtree, IsCa, KeyUsagePurpose,
    NameConstraints, SanType,
};

use crate::support::{Ca, Client, Credentials, EdgeBuilder, Upstream, passes, refused};

const DN: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

/// What is tried with a certificate, and the log's reason where it must be refused.
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

/// Trusts these CAs and tries each case as an application whose DN is right.
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
                assert_eq!(refused.in_general_words(), expected, "{what}");
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
    let not_set = "an issuer on the path is not a CA (basicConstraints cA is not set)";
    let cases = vec![
        passing("a proper root", plain(&root)),
        passing("a proper intermediate", plain(&root.intermediate("Sub CA", |_| {}))),
        refusing("an intermediate with cA false", plain(&root.intermediate("No CA", not_ca)), not_set),
        refusing(
            "an intermediate without basicConstraints",
            plain(&root.intermediate("Silent", silent)),
            not_set,
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
            not_set,
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
            "the path is longer than the pathLenConstraint of a CA on it allows",
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
    let outside = "a name of the certificate is outside the name constraints of its CAs";
    let mut cases = Vec::new();
    for ca in &permitting {
        cases.push(passing("inside", named(ca, &["payments.example.com"])));
        cases.push(passing("the very name", named(ca, &["example.com"])));
        cases.push(passing("no DNS name", plain(ca)));
        cases.push(refusing("outside", named(ca, &["payments.example.org"]), outside));
        cases.push(refusing("one of two outside", named(ca, &["a.example.com", "evil.test"]), outside));
        cases.push(refusing("alike at its end", named(ca, &["evilexample.com"]), outside));
        cases.push(refusing("alike at its start", named(ca, &["example.com.evil.test"]), outside));
    }
    for ca in &excluding {
        cases.push(passing("not excluded", named(ca, &["payments.example.org"])));
        cases.push(refusing("excluded", named(ca, &["payments.example.com"]), outside));
    }
    for ca in &networks {
        cases.push(passing("inside the network", at(ca, "192.0.2.10")));
        cases.push(refusing("outside the network", at(ca, "198.51.100.10"), outside));
    }
    judge(&[&root, &permitting[1], &excluding[1], &networks[1]], cases).await;
}

#[tokio::test]
async fn a_name_constraint_that_nobody_judges_is_refused_by_its_kind() {
    let directory = || {
        let mut name = DistinguishedName::new();
        name.push(DnType::CountryName, "DE");
        name.push(DnType::OrganizationName, "Example Bank");
        GeneralSubtree::DirectoryName(name)
    };
    let mail = || GeneralSubtree::Rfc822Name("example.com".to_owned());
    let root = Ca::new("Root CA");
    let sub = |kind: &str, change: Box<dyn FnOnce(&mut CertificateParams)>| root.intermediate(kind, change);
    let intermediates = [
        ("directoryName", sub("Directory CA", Box::new(permit(directory())))),
        ("directoryName", sub("No Directory CA", Box::new(exclude(directory())))),
        ("rfc822Name", sub("Mail CA", Box::new(permit(mail())))),
        ("rfc822Name", sub("No Mail CA", Box::new(exclude(mail())))),
    ];
    let roots = [
        ("directoryName", Ca::with("Directory Root", permit(directory()))),
        ("rfc822Name", Ca::with("Mail Root", permit(mail()))),
    ];
    let names = ["Directory CA", "No Directory CA", "Mail CA", "No Mail CA", "Directory Root", "Mail Root"];
    let mut cases = vec![passing("without constraint", plain(&root))];
    for ((kind, ca), name) in intermediates.iter().chain(&roots).zip(names) {
        // Even those that would be inside: nobody has looked.
        let inside = ca.issue("payments", |p| {
            p.subject_alt_names = vec![SanType::Rfc822Name("a@example.com".try_into().unwrap())];
        });
        let reason =
            format!("{kind} name constraint in CA \"CN={name}\": not judged by this edge, so refused");
        cases.push(refusing("a plain leaf", plain(ca), &reason));
        cases.push(refusing("a leaf with a mail address", inside, &reason));
    }
    judge(&[&root, &roots[0].1, &roots[1].1], cases).await;
}
