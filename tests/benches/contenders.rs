//! Which contenders are measured, and what their clients send.

use std::{fs, io, process::Command, thread, time::Duration};

use clap::{Parser, ValueEnum};
use rustls::{NamedGroup, server::Acceptor};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::LocalSet};
use tokio_rustls::LazyConfigAcceptor;

use crate::harness::{
    certificates::{Certificates, Keys},
    client::Client,
    contender::{Contender, Job},
    edge::Edge,
    options::Options,
    outcome::Outcome,
    paced::Paced,
    rows::Row,
    running::Running,
    steady::Steady,
    upstream::Upstream,
};

/// A proxy that does not do the job: `careless.py`.
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
        command.arg(job.origins.plain.to_string()).arg(if self.passes_on { "x-certificate" } else { "" });
        Ok(command)
    }

    fn certificate_header(&self) -> &'static str {
        "x-certificate"
    }
}

struct Place {
    certificates: Certificates,
    upstream: Upstream,
    _folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(folder.path(), Keys::P256).unwrap();
        Self { certificates, upstream: Upstream::start(), _folder: folder }
    }

    async fn start(&self, contender: &dyn Contender) -> Outcome<Running> {
        Running::start(contender, &self.certificates, &self.upstream, "0").await
    }
}

async fn check(contender: &dyn Contender) -> Outcome<()> {
    let place = Place::new();
    let running = place.start(contender).await?;
    running.check(contender, &place.certificates, &place.upstream).await
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
fn a_peer_that_serves_clients_without_certificate_is_not_measured() {
    let refused = locally(check(&Careless { passes_on: true })).unwrap_err();
    assert!(refused.contains("it serves clients without a certificate"), "{refused}");
}

#[test]
fn the_edge_is_measured() {
    assert_eq!(locally(check(&Edge::default())), Ok(()));
}

#[test]
fn all_clients_of_a_row_offer_the_same_group() {
    // The offer does not depend on the keys, and RSA keys take long to generate.
    let Place { certificates, .. } = &Place::new();
    for row in Row::value_variants() {
        let offered = locally(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = Client::new(address, certificates, Some(&certificates.client), row.kind());
            tokio::task::spawn_local(async move { drop(client.http1().await) });
            let (stream, _) = listener.accept().await.unwrap();
            let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.unwrap();
            start.client_hello().named_groups().unwrap().to_vec()
        });
        let expected = if *row == Row::FullPq { NamedGroup::X25519MLKEM768 } else { NamedGroup::X25519 };
        assert_eq!(offered, [expected], "{row:?}");
    }
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(sent.unwrap().success());
}

#[test]
fn paced_requests_do_not_wait_for_earlier_ones() {
    let _alone = crate::alone();
    let sample = locally(async {
        let place = Place::new();
        let running = place.start(&Edge::default()).await.unwrap();
        let client = Client::new(
            running.address,
            &place.certificates,
            Some(&place.certificates.client),
            Row::Paced.kind(),
        );
        let mut paced =
            Paced::open(&client, running.tree(), &Options::parse_from(["load"]).sizes()).await.unwrap();
        // No response is sent until long after the last request of the turn was due.
        let edge = running.tree().0;
        signal(edge, "STOP");
        let goes_on = thread::spawn(move || {
            #[allow(clippy::disallowed_methods, reason = "its own thread")]
            thread::sleep(Duration::from_secs(2));
            signal(edge, "CONT");
        });
        paced.turn(&Steady::new(), 0).await;
        goes_on.join().unwrap();
        paced.sample().unwrap()
    });
    // A tenth of a second at 2,000 per second. A client that waits for responses would have 32 late ones, one per connection.
    assert_eq!(sample.count, 200);
    assert!(sample.median.is_some_and(|microseconds| microseconds > 100_000.0), "{sample:?}");
}

#[test]
fn unselected_rows_are_not_measured() {
    let options = Options::parse_from(["load"]);
    let sizes = options.sizes();
    assert_eq!((sizes.connections, sizes.rate, sizes.idle), (32, 2000, 10_000));
    assert_eq!(options.rows(), Row::value_variants());
}
