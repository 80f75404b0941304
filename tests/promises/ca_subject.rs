//! RFC 8705 section 2.1: a chain to a client CA, and the registered subject.

use rcgen::{DistinguishedName, DnType, SanType};
use tempfile::TempDir;

use crate::support::{
    Ca, Client, Credentials, Edge, EdgeBuilder, Upstream, passes, refused, self_signed, tool::openssl,
};

/// A name as a TOML string; TOML has all escapes of JSON.
fn toml(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// An edge on which the application [`ID`] is registered with this name.
fn edge_with_name(upstream: &Upstream, ca_pem: &str, name: &str) -> Edge {
    let usual = EdgeBuilder::new(upstream.url()).usual_domain("auth0").trust("ca", ca_pem);
    usual.ca_application(ID, &format!("subject_dn = {name}")).start()
}

/// A subject can be registered once, so each form of it is tested with an edge of its own.
const ID: &str = "dn";

#[tokio::test]
async fn a_subject_dn_matches_in_each_written_form() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Corp CA");
    let names = [
        // RFC 4514.
        toml("CN=payments,O=Example Bank,C=DE"),
        toml("cn=PAYMENTS,o=example  bank,c=de"),
        toml("commonName=payments,organizationName=Example Bank,countryName=DE"),
        toml("2.5.4.3=payments,OID.2.5.4.10=Example\\20Bank,2.5.4.6=#13024445"),
        // OpenSSL's format, with spaces.
        toml("C = DE, O = Example Bank, CN = payments"),
        toml("C = DE, O = \"Example Bank\", CN = payments"),
        // OpenSSL's old format.
        toml("/C=DE/O=Example Bank/CN=payments"),
        // One RDN per line, as in Auth0: with escapes, and as a multi-line TOML string.
        "\"C=DE\\nO=Example Bank\\nCN=payments\"".to_owned(),
        "\"\"\"\nC=DE\nO=Example Bank\nCN=payments\n\"\"\"".to_owned(),
        "'''\nC = DE\nO = Example Bank\nCN = payments'''".to_owned(),
    ];
    let (right, other) = (ca.issue("payments", |_| {}), ca.issue("invoices", |_| {}));
    for name in &names {
        let edge = edge_with_name(&upstream, &ca.pem(), name);
        let seen = passes(&Client::with(&edge, &right), &upstream, ID).await;
        assert_eq!(seen.header("client-certificate-ca-verified"), "SUCCESS");
        let refused = refused(&edge, &Client::with(&edge, &other), &upstream, ID).await;
        let reason = refused.generic_refusal_reason();
        let start = format!("subject DN is not the one registered for \"{ID}\": RDN 3 of 3: expected \"");
        assert!(reason.starts_with(&start), "{name}: {reason}");
        assert!(reason.ends_with("\", found \"CN=invoices\""), "{name}: {reason}");
        edge.stop();
    }
}

/// Issues a certificate for `/SUBJECT` with an openssl CA in the folder, which is made by the first call.
fn openssl_leaf(folder: &std::path::Path, name: &str, subject: &str) -> Credentials {
    let key = |name: &str| {
        let ec = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"];
        openssl(folder, &[&ec[..], &[&format!("{name}.key")]].concat());
    };
    if !folder.join("ca.pem").exists() {
        key("ca");
        let name = ["-subj", "/C=DE/O=Trust Service/CN=Open Banking CA", "-days", "30", "-out", "ca.pem"];
        openssl(folder, &[&["req", "-x509", "-key", "ca.key"][..], &name].concat());
        std::fs::write(folder.join("leaf.cnf"), "extendedKeyUsage=clientAuth\n").unwrap();
    }
    key(name);
    let (key, csr, pem) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.pem"));
    openssl(folder, &["req", "-new", "-utf8", "-key", &key, "-subj", subject, "-out", &csr]);
    let ca = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "leaf.cnf"];
    openssl(folder, &[&["x509", "-req", "-in", &csr, "-out", &pem][..], &ca].concat());
    Credentials::read(&folder.join(pem), &folder.join(key))
}

/// The subject as openssl prints it, without the label.
fn printed(folder: &std::path::Path, name: &str, form: &str) -> String {
    let pem = format!("{name}.pem");
    let line = openssl(folder, &["x509", "-in", &pem, "-noout", "-subject", "-nameopt", form]);
    line.trim_end_matches('\n').strip_prefix("subject=").unwrap().to_owned()
}

/// A subject as in open banking and eIDAS certificates.
const TPP: &str = "/DC=com/DC=example/C=DE/O=Example Bank/businessCategory=Private Organization/jurisdictionC=DE\
                   /organizationIdentifier=PSDDE-BAFIN-123456/serialNumber=HRB 1234/UID=tpp-7/CN=payments\
                   /emailAddress=ops@example.com";

#[tokio::test]
async fn a_dn_of_open_banking_and_eidas_matches_by_names_and_by_oids() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let right = openssl_leaf(path, "right", TPP);
    let other = openssl_leaf(path, "other", &TPP.replace("BAFIN-123456", "BAFIN-654321"));
    let forms = [
        "RFC2253",
        "oneline",
        "compat",
        "multiline",
        "sname,sep_multiline",
        "lname,sep_multiline",
        "lname,sep_comma_plus,dn_rev",
        "RFC2253,oid",
        "RFC2253,oid,dump_all,dump_der",
        "oid,sep_comma_plus_space,space_eq",
        "oid,sep_multiline",
    ];
    let mut names: Vec<String> = forms.iter().map(|form| toml(&printed(path, "right", form))).collect();
    // The names of the attribute types in standards and in other products.
    names.push(toml(
        "E=ops@example.com,CN=payments,userId=tpp-7,serialNumber=HRB 1234,OID.2.5.4.97=PSDDE-BAFIN-123456,\
         jurisdictionCountryName=DE,businessCategory=Private Organization,O=Example Bank,C=DE,\
         domainComponent=example,domainComponent=com",
    ));
    names.push(toml(
        "1.2.840.113549.1.9.1=ops@example.com,CN=payments,0.9.2342.19200300.100.1.1=tpp-7,2.5.4.5=HRB 1234,\
         organizationIdentifier=PSDDE-BAFIN-123456,1.3.6.1.4.1.311.60.2.1.3=DE,2.5.4.15=Private Organization,\
         O=Example Bank,C=DE,DC=example,DC=com",
    ));
    let upstream = Upstream::start().await;
    let ca = std::fs::read_to_string(path.join("ca.pem")).unwrap();
    for name in &names {
        let edge = edge_with_name(&upstream, &ca, name);
        passes(&Client::with(&edge, &right), &upstream, ID).await;
        let refused = refused(&edge, &Client::with(&edge, &other), &upstream, ID).await;
        let reason = refused.generic_refusal_reason();
        assert!(
            reason.starts_with("subject DN is not the one registered for")
                && reason.contains("\": RDN 7 of 11: expected "),
            "{name}: {reason}"
        );
        assert!(reason.ends_with("found \"organizationIdentifier=PSDDE-BAFIN-654321\""), "{name}: {reason}");
        edge.stop();
    }
}

#[tokio::test]
async fn a_dn_with_utf8_matches_as_openssl_prints_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    let subject = "/C=DE/O=Müller, Söhne \\+ Co. \"KG\"/OU=a+UID=b/CN=pay=ments; x";
    let right = openssl_leaf(path, "right", subject);
    let other = openssl_leaf(path, "other", &subject.replace("Söhne", "Sohne"));
    let forms = ["RFC2253", "RFC2253,utf8,-esc_msb", "oneline,-esc_msb", "oneline,utf8"];
    let names: Vec<String> = forms.iter().map(|form| toml(&printed(path, "right", form))).collect();
    let upstream = Upstream::start().await;
    let ca = std::fs::read_to_string(path.join("ca.pem")).unwrap();
    let difference = r#"RDN 2 of 4: expected "O=Müller\\, Söhne \\+ Co. \\\"KG\\\"", found "O=Müller\\, Sohne \\+ Co. \\\"KG\\\"""#;
    for name in &names {
        let edge = edge_with_name(&upstream, &ca, name);
        passes(&Client::with(&edge, &right), &upstream, ID).await;
        let refused = refused(&edge, &Client::with(&edge, &other), &upstream, ID).await;
        let reason = refused.generic_refusal_reason();
        assert_eq!(
            reason,
            format!("subject DN is not the one registered for \"{ID}\": {difference}"),
            "{name}"
        );
        edge.stop();
    }
}

#[tokio::test]
async fn each_kind_of_subject_alternative_name_matches() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Corp CA");
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let uri = |name: &str| SanType::URI(name.try_into().unwrap());
    let email = |name: &str| SanType::Rfc822Name(name.try_into().unwrap());
    let ip = |address: &str| SanType::IpAddress(address.parse().unwrap());
    let kinds = [
        (
            "san_dns = \"payments.example.com\"",
            vec![dns("payments.example.com"), dns("Payments.EXAMPLE.com")],
            vec![
                dns("payments.example.com.evil.test"),
                dns("evil.payments.example.com"),
                dns("*.example.com"),
                uri("https://payments.example.com"),
                email("x@payments.example.com"),
            ],
        ),
        (
            "san_uri = \"urn:example:payments\"",
            vec![uri("urn:example:payments"), uri("URN:example:payments")],
            vec![uri("urn:example:Payments"), uri("urn:example:payments:x"), dns("payments")],
        ),
        (
            "san_uri = \"spiffe://example.com/payments\"",
            vec![uri("spiffe://Example.com/payments")],
            vec![uri("spiffe://example.com/Payments"), uri("spiffe://example.com/payments/")],
        ),
        ("san_ip = \"192.0.2.10\"", vec![ip("192.0.2.10")], vec![ip("192.0.2.1"), dns("192.0.2.10")]),
        (
            "san_ip = \"2001:DB8:0:0::10\"",
            vec![ip("2001:db8::10")],
            vec![ip("2001:db8::1"), ip("192.0.2.10")],
        ),
        (
            "san_email = \"payments@example.com\"",
            vec![email("payments@example.com"), email("payments@EXAMPLE.com")],
            vec![email("Payments@example.com"), email("payments@example.com.evil.test"), dns("example.com")],
        ),
    ];
    let usual = EdgeBuilder::new(upstream.url()).usual_domain("auth0").trust("ca", &ca.pem());
    let with = |builder: EdgeBuilder, (number, kind): (usize, &(&str, Vec<_>, Vec<_>))| {
        builder.ca_application(&format!("san-{number}"), kind.0)
    };
    let edge = kinds.iter().enumerate().fold(usual, with).start();
    for (number, (written, right, wrong)) in kinds.into_iter().enumerate() {
        let id = format!("san-{number}");
        // The name may be one of several.
        for san in right {
            let credentials = ca.issue("x", |p| p.subject_alt_names = vec![dns("first.test"), san]);
            let seen = passes(&Client::with(&edge, &credentials), &upstream, &id).await;
            assert_eq!(seen.header("client-certificate-ca-verified"), "SUCCESS");
        }
        let reason = format!("certificate does not have the subject registered for \"{id}\"");
        // No name, the value as CN only, and names that only look alike.
        let value = written.split('"').nth(1).unwrap();
        let mut wrong: Vec<_> =
            wrong.into_iter().map(|san| ca.issue("x", |p| p.subject_alt_names = vec![san])).collect();
        wrong.push(ca.issue(value, |_| {}));
        for credentials in wrong {
            let refused = refused(&edge, &Client::with(&edge, &credentials), &upstream, &id).await;
            assert_eq!(refused.generic_refusal_reason(), reason, "{written}");
        }
    }
    edge.stop();
}

fn dn(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

#[tokio::test]
async fn a_similar_dn_is_refused_by_its_first_difference() {
    use DnType::{CommonName, CountryName, OrganizationName, OrganizationalUnitName};
    let upstream = Upstream::start().await;
    let ca = Ca::new("Corp CA");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
        .start();
    let (c, o, cn) = ((CountryName, "DE"), (OrganizationName, "Example Bank"), (CommonName, "payments"));
    passes(
        &Client::with(
            &edge,
            &ca.issue("x", |p| p.distinguished_name = dn(&[c.clone(), o.clone(), cn.clone()])),
        ),
        &upstream,
        "payments",
    )
    .await;
    let ou = (OrganizationalUnitName, "x");
    let cases = [
        // A name with the same beginning.
        (
            vec![c.clone(), o.clone(), (CommonName, "payments-evil")],
            r#"RDN 3 of 3: expected "CN=payments", found "CN=payments-evil""#,
        ),
        (
            vec![c.clone(), o.clone(), (CommonName, "payment")],
            r#"RDN 3 of 3: expected "CN=payments", found "CN=payment""#,
        ),
        (vec![c.clone(), o.clone(), cn.clone(), ou.clone()], r#"RDN 4 of 4: expected nothing, found "OU=x""#),
        (vec![c.clone(), o.clone()], r#"RDN 3 of 3: expected "CN=payments", found nothing"#),
        (
            vec![c.clone(), (OrganizationName, "Example Bank Ltd"), cn.clone()],
            r#"RDN 2 of 3: expected "O=Example Bank", found "O=Example Bank Ltd""#,
        ),
        // A value that contains the registered name.
        (
            vec![c.clone(), o.clone(), (CommonName, "payments,O=Example Bank,C=DE")],
            r#"RDN 3 of 3: expected "CN=payments", found "CN=payments\\,O=Example Bank\\,C=DE""#,
        ),
        (
            vec![(CommonName, "payments,O=Example Bank,C=DE")],
            r#"RDN 1 of 3: expected "C=DE", found "CN=payments\\,O=Example Bank\\,C=DE""#,
        ),
        // A different order.
        (vec![cn.clone(), o.clone(), c.clone()], r#"RDN 1 of 3: expected "C=DE", found "CN=payments""#),
        (
            vec![c.clone(), cn.clone(), o.clone()],
            r#"RDN 2 of 3: expected "O=Example Bank", found "CN=payments""#,
        ),
        // An additional RDN at the front, another type, no subject.
        (vec![ou, c.clone(), o.clone(), cn.clone()], r#"RDN 1 of 4: expected "C=DE", found "OU=x""#),
        (
            vec![c, o, (OrganizationalUnitName, "payments")],
            r#"RDN 3 of 3: expected "CN=payments", found "OU=payments""#,
        ),
        (Vec::new(), r#"RDN 1 of 3: expected "C=DE", found nothing"#),
    ];
    for (name, difference) in cases {
        let credentials = ca.issue("x", |p| p.distinguished_name = dn(&name));
        let refused = refused(&edge, &Client::with(&edge, &credentials), &upstream, "payments").await;
        let reason = refused.generic_refusal_reason();
        assert_eq!(reason, format!("subject DN is not the one registered for \"payments\": {difference}"));
    }
    edge.stop();
}

#[tokio::test]
async fn a_self_signed_certificate_with_the_right_dn_is_refused() {
    let upstream = Upstream::start().await;
    let ca = Ca::new("Corp CA");
    let edge = EdgeBuilder::new(upstream.url())
        .usual_domain("auth0")
        .trust("ca", &ca.pem())
        .ca_application("payments", "subject_dn = \"CN=payments,O=Example Bank,C=DE\"")
        .ca_application("corp", "subject_dn = \"CN=Corp CA\"")
        .start();
    let reason = |id: &str| {
        format!("\"{id}\" needs a chain to a client CA: self signed certificate (X.509 version 3)")
    };
    let own = self_signed("payments");
    // Alone, and followed by the CA certificate.
    for credentials in [own.clone(), own.with_chain(&[ca.der()])] {
        let refused = refused(&edge, &Client::with(&edge, &credentials), &upstream, "payments").await;
        assert_eq!(refused.generic_refusal_reason(), reason("payments"));
    }
    // A self-signed certificate whose issuer is the client CA's name, because its own name is the same.
    let impostor = crate::support::certificates::self_signed_with("x", |p| {
        p.distinguished_name = dn(&[(DnType::CommonName, "Corp CA")]);
    });
    let refused = refused(&edge, &Client::with(&edge, &impostor), &upstream, "corp").await;
    assert_eq!(refused.generic_refusal_reason(), reason("corp"));
    edge.stop();
}
