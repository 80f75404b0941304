//! Who is let into a comparison, and what its clients offer.

use std::{fs, io, process::Command};

use clap::ValueEnum;
use rustls::{NamedGroup, server::Acceptor};
use tokio::{net::TcpListener, task::LocalSet};
use tokio_rustls::LazyConfigAcceptor;

use crate::harness::{
    certificates::{Certificates, Keys},
    client::{Client, Outcome},
    contender::{Contender, Job},
    edge::Edge,
    rows::Row,
    running::Running,
    upstream::Upstream,
};

/// A proxy that is not fit for the job: `careless.py`.
struct Careless {
    /// Whether it passes certificates on.
    passes_on: bool,
}

impl Contender for Careless {
    fn name(&self) -> &'static str {
        "careless"
    }

    fn version(&self) -> io::Result<String> {
        Ok("1".to_owned())
    }

    fn command(&self, job: &Job<'_>) -> io::Result<Command> {
        let script = job.folder.join("careless.py");
        fs::write(&script, include_str!("careless.py"))?;
        let mut command = Command::new("python3");
        command.arg(script).arg(job.listen.port().to_string());
        command.args([job.certificate, job.private_key, job.client_ca]);
        command.arg(job.upstream.to_string()).arg(if self.passes_on { "x-certificate" } else { "" });
        Ok(command)
    }

    fn certificate_header(&self) -> &'static str {
        "x-certificate"
    }
}

async fn check(contender: &dyn Contender) -> Outcome<()> {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::new(folder.path(), Keys::P256).unwrap();
    let upstream = Upstream::start().unwrap();
    let running = Running::start(contender, &certificates, &upstream, "0").await?;
    running.check(contender, &certificates, &upstream).await
}

fn locally<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, future)
}

#[test]
fn a_peer_that_does_not_pass_the_certificate_on_is_not_measured() {
    let refused = locally(check(&Careless { passes_on: false })).unwrap_err();
    assert!(refused.contains("the certificate does not arrive in x-certificate"), "{refused}");
}

#[test]
fn a_peer_that_lets_in_who_has_no_certificate_is_not_measured() {
    let refused = locally(check(&Careless { passes_on: true })).unwrap_err();
    assert!(refused.contains("it lets in who has no certificate"), "{refused}");
}

#[test]
fn the_edge_is_measured() {
    assert_eq!(locally(check(&Edge::default())), Ok(()));
}

#[test]
fn all_clients_of_a_row_offer_one_and_the_same_key_exchange_group() {
    let folder = tempfile::tempdir().unwrap();
    for row in Row::value_variants() {
        let keys = folder.path().join(format!("{row:?}"));
        // What is asked for does not depend on the keys, and those of RSA take long to make.
        let certificates = Certificates::new(&keys, Keys::P256).unwrap();
        let offered = locally(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = Client::new(address, &certificates, Some(&certificates.client), row.kind());
            tokio::task::spawn_local(async move { drop(client.http1().await) });
            let (stream, _) = listener.accept().await.unwrap();
            let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.unwrap();
            start.client_hello().named_groups().unwrap().to_vec()
        });
        let expected = if *row == Row::FullPq { NamedGroup::X25519MLKEM768 } else { NamedGroup::X25519 };
        assert_eq!(offered, [expected], "{row:?}");
    }
}
