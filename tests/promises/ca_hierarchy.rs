//! A client CA that was issued by another client CA, such as an issuing CA configured with its root.

use rcgen::{
    BasicConstraints, CertificateParams, GeneralSubtree, IsCa, NameConstraints, SanType, SerialNumber,
};

use crate::support::{
    Ca, Client, Credentials, Edge, EdgeBuilder, Upstream, certificates::time_from_now, passes, refused,
};

const DN: &str = "subject_dn = \"CN=payments,O=Example Bank,C=DE\"";

/// A root, and a CA of serial 7 that it has issued; both are client CAs.
struct Hierarchy {
    root: Ca,
    issuing: Ca,
    upstream: Upstream,
}

impl Hierarchy {
    async fn new(
        root: impl FnOnce(&mut CertificateParams),
        issuing: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let root = Ca::with("Root CA", root);
        let issuing = root.intermediate("Issuing CA", |p| {
            p.serial_number = Some(SerialNumber::from(7_u64));
            issuing(p);
        });
        Self { root, issuing, upstream: Upstream::start().await }
    }

    fn edge(&self, crls: &[String]) -> Edges {
        let build = || {
            EdgeBuilder::new(self.upstream.url())
                .usual_domain("auth0")
                .trust("root", &self.root.pem())
                .trust("issuing", &self.issuing.pem())
                .file("lists.pem", crls.concat())
                .trust_settings(if crls.is_empty() { "" } else { "crls = [\"lists.pem\"]" })
        };
        let pinned = build()
            .ca_application("of-root", &format!("{DN}\nca = \"root.pem\""))
            .ca_application("of-issuing", &format!("{DN}\nca = \"issuing.pem\""))
            .start();
        Edges { pinned, unpinned: build().ca_application("payments", DN).start() }
    }

    /// The client's certificate alone, with its issuer, and with the root.
    fn presented(&self, credentials: &Credentials) -> [Credentials; 3] {
        let (root, issuing) = (self.root.der(), self.issuing.der());
        [
            credentials.clone().with_chain(&[]),
            credentials.clone().with_chain(std::slice::from_ref(&issuing)),
            credentials.clone().with_chain(&[issuing, root]),
        ]
    }

    fn client(&self) -> [Credentials; 3] {
        self.presented(&self.issuing.issue("payments", |_| {}))
    }

    async fn pass(&self, edge: &Edges, clients: &[Credentials], ids: &[&str]) {
        for credentials in clients {
            for id in ids {
                passes(&Client::with(edge.of(id), credentials), &self.upstream, id).await;
            }
        }
    }

    async fn refused(&self, edge: &Edges, clients: &[Credentials], ids: &[&str], reason: &str) {
        for credentials in clients {
            for id in ids {
                let edge = edge.of(id);
                let refused = refused(edge, &Client::with(edge, credentials), &self.upstream, id).await;
                let logged = refused.generic_refusal_reason();
                assert!(logged.contains(reason), "{id}: {logged}");
            }
        }
    }
}

/// Two applications may have the same subject only if they are pinned to different CAs.
struct Edges {
    pinned: Edge,
    unpinned: Edge,
}

impl Edges {
    fn of(&self, id: &str) -> &Edge {
        if id == "payments" { &self.unpinned } else { &self.pinned }
    }

    fn reload(&self, file: &str, text: &str) {
        self.pinned.reload(file, text);
        self.unpinned.reload(file, text);
    }

    fn stop(self) {
        self.pinned.stop();
        self.unpinned.stop();
    }
}

const ALL: [&str; 3] = ["payments", "of-root", "of-issuing"];

#[tokio::test]
async fn the_root_revokes_a_client_ca_that_it_has_issued() {
    let these = Hierarchy::new(|_| {}, |_| {}).await;
    let edge = these.edge(&[these.root.crl(&[]), these.issuing.crl(&[])]);
    these.pass(&edge, &these.client(), &ALL).await;
    edge.reload("lists.pem", &(these.root.crl(&[7]) + &these.issuing.crl(&[])));
    these.refused(&edge, &these.client(), &ALL, "the certificate or a CA on its path is revoked").await;
    // Certificates that the root itself has issued are still accepted.
    these.pass(&edge, &[these.root.issue("payments", |_| {})], &["payments", "of-root"]).await;
    edge.stop();
}

#[tokio::test]
async fn a_pin_to_the_root_is_satisfied_through_a_client_ca() {
    let these = Hierarchy::new(|_| {}, |_| {}).await;
    let edge = these.edge(&[]);
    these.pass(&edge, &these.client(), &ALL).await;
    let of_root = [these.root.issue("payments", |_| {})];
    these.pass(&edge, &of_root, &["payments", "of-root"]).await;
    these
        .refused(&edge, &of_root, &["of-issuing"], "the verified path does not contain the CA pinned for")
        .await;
    edge.stop();
}

#[tokio::test]
async fn the_roots_path_length_holds_for_a_client_ca() {
    let at_most =
        |length| move |p: &mut CertificateParams| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(length));
    let these = Hierarchy::new(at_most(0), |_| {}).await;
    let edge = these.edge(&[]);
    let reason = "the path is longer than the pathLenConstraint of CN=Root CA allows";
    these.refused(&edge, &these.client(), &ALL, reason).await;
    edge.stop();

    let these = Hierarchy::new(at_most(1), |_| {}).await;
    let edge = these.edge(&[]);
    these.pass(&edge, &these.client(), &ALL).await;
    let deeper = these.issuing.intermediate("Deep CA", |_| {}).issue("payments", |_| {});
    these.refused(&edge, &[deeper], &ALL, reason).await;
    edge.stop();
}

#[tokio::test]
async fn the_roots_name_constraints_hold_for_a_client_ca() {
    let permit = |p: &mut CertificateParams| {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("example.com".to_owned())];
        p.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    };
    let these = Hierarchy::new(permit, |_| {}).await;
    let edge = these.edge(&[]);
    let named = |name: &str| {
        these.issuing.issue("payments", |p| {
            p.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        })
    };
    these.pass(&edge, &these.presented(&named("a.example.com")), &ALL).await;
    let reason =
        "dNSName \"a.example.org\" of the client's certificate, by the nameConstraints of \"CN=Root CA\"";
    these.refused(&edge, &these.presented(&named("a.example.org")), &ALL, reason).await;
    edge.stop();
}

#[tokio::test]
async fn an_expired_root_constrains_and_revokes_but_satisfies_no_pin() {
    let these = Hierarchy::new(|p| p.not_after = time_from_now(-60), |_| {}).await;
    let edge = these.edge(&[these.root.crl(&[]), these.issuing.crl(&[])]);
    these.pass(&edge, &these.client(), &["payments", "of-issuing"]).await;
    these
        .refused(&edge, &these.client(), &["of-root"], "the verified path does not contain the CA pinned for")
        .await;
    edge.reload("lists.pem", &(these.root.crl(&[7]) + &these.issuing.crl(&[])));
    these.refused(&edge, &these.client(), &ALL, "the certificate or a CA on its path is revoked").await;
    edge.stop();
}

#[tokio::test]
async fn a_renewed_root_works_beside_the_expired_one() {
    let these = Hierarchy::new(|p| p.not_after = time_from_now(-60), |_| {}).await;
    let renewed = these.root.twin(|p| p.not_after = time_from_now(86_400));
    let edge = EdgeBuilder::new(these.upstream.url())
        .usual_domain("auth0")
        .trust("bundle", &(these.root.pem() + &renewed.pem() + &these.issuing.pem()))
        .file("root.pem", these.root.pem())
        .ca_application("of-root", &format!("{DN}\nca = \"root.pem\""))
        .start();
    for credentials in these.client() {
        passes(&Client::with(&edge, &credentials), &these.upstream, "of-root").await;
    }
    edge.stop();
}

#[tokio::test]
async fn client_cas_that_sign_each_other_work() {
    let upstream = Upstream::start().await;
    let (one, other) = (Ca::new("One CA"), Ca::new("Other CA"));
    let crossed = [one.twin_below(&other, |_| {}), other.twin_below(&one, |_| {})];
    let bundle: String = crossed.iter().map(crate::support::certificates::pem).collect();
    for bundle in [bundle.clone(), bundle + &one.pem() + &other.pem()] {
        let edge = EdgeBuilder::new(upstream.url())
            .usual_domain("auth0")
            .trust("bundle", &bundle)
            .file("one.pem", one.pem())
            .file("other.pem", other.pem())
            .ca_application("one", &format!("{DN}\nca = \"one.pem\""))
            .ca_application("other", &format!("{DN}\nca = \"other.pem\""))
            .start();
        for ca in [&one, &other] {
            for id in ["one", "other"] {
                passes(&Client::with(&edge, &ca.issue("payments", |_| {})), &upstream, id).await;
            }
        }
        edge.stop();
    }
}
