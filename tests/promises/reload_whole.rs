//! A request sees all of the old trust or all of the new.

use std::{
    fmt::Write,
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{Client, Credentials, Edge, EdgeBuilder, PATIENCE, Upstream, self_signed};

/// Changes, one after the other.
const SWAPS: usize = 40;
/// Changes during which another one is written.
const INTERRUPTED: usize = 14;

/// A volume as Kubernetes mounts it, with two files that belong together: the registry, and a secret for the upstream.
fn mount(folder: &Path, number: usize, registered: &Credentials, secret: &str, others: usize) {
    let version = folder.join(format!("..{number}"));
    fs::create_dir_all(&version).unwrap();
    let mut registry = format!(
        "[[application]]\nclient_id = \"billing\"\n[[application.credential]]\nname = \"c\"\nthumbprint = \"{}\"\n",
        registered.thumbprint()
    );
    // The first of the other applications marks the version.
    for other in (number * 1_000_000..).take(others) {
        let _ = write!(
            registry,
            "[[application]]\nclient_id = \"app-{other}\"\n[[application.credential]]\nname = \"c\"\nthumbprint = \"{other:064x}\"\n"
        );
    }
    fs::write(version.join("applications.toml"), registry).unwrap();
    fs::write(version.join("secret"), secret).unwrap();
    symlink(&version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

/// Sends requests on one connection until it is refused, then on a new one. Returns how many were served.
async fn hammer(client: Client, over: Arc<AtomicBool>, served: Arc<AtomicUsize>) {
    let mut connection = client.connect().await;
    while !over.load(Ordering::Relaxed) {
        match connection.token("billing").await.status.as_u16() {
            200 => drop(served.fetch_add(1, Ordering::Relaxed)),
            401 => connection = client.connect().await,
            other => panic!("{other}"),
        }
    }
}

const SECRETS: [&str; 2] = ["secret of one", "secret of two"];

/// Two credentials that are registered in turn, each with a secret of its own, and clients of both that send requests continuously.
struct Turns {
    upstream: Upstream,
    credentials: [Credentials; 2],
    edge: Edge,
    others: usize,
    over: Arc<AtomicBool>,
    served: [Arc<AtomicUsize>; 2],
    clients: tokio::task::JoinSet<()>,
}

impl Turns {
    /// Starts with this many other applications.
    async fn start(others: usize) -> Self {
        let upstream = Upstream::start().await;
        let credentials = [self_signed("one"), self_signed("two")];
        let builder = EdgeBuilder::new(upstream.url())
            .usual_domain("corp")
            .extra("[[header_profile]]\nname = \"corp\"\nheaders = { x-print = \"thumbprint-hex\" }")
            .upstream("headers = { x-key = { file = \"volume/secret\" } }")
            .applications_file("volume/applications.toml")
            .quiet();
        let volume = builder.path().join("volume");
        fs::create_dir(&volume).unwrap();
        mount(&volume, 0, &credentials[0], SECRETS[0], others);
        for file in ["applications.toml", "secret"] {
            symlink(Path::new("..data").join(file), volume.join(file)).unwrap();
        }
        let edge = builder.start();
        let over = Arc::new(AtomicBool::new(false));
        let served = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let mut clients = tokio::task::JoinSet::new();
        for (credentials, served) in credentials.iter().zip(&served) {
            for client in [Client::with(&edge, credentials), Client::with(&edge, credentials).http2()] {
                clients.spawn(hammer(client, Arc::clone(&over), Arc::clone(served)));
            }
        }
        Self { upstream, credentials, edge, others, over, served, clients }
    }

    /// Replaces the active version by this one.
    fn mount(&self, number: usize) {
        let turn = number % 2;
        let volume = self.edge.folder.path().join("volume");
        mount(&volume, number, &self.credentials[turn], SECRETS[turn], self.others);
    }

    /// Waits until the clients of one credential have been served.
    async fn serve(&self, credential: usize) {
        let served = async {
            while self.served[credential].load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, served).await.expect("it is served");
    }

    /// Asserts that each served request was sent with the secret of its own version, and that each client was served at least this
    /// often.
    async fn end(mut self, least: usize) {
        self.over.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        for ((served, credentials), secret) in self.served.iter().zip(&self.credentials).zip(SECRETS) {
            let print = credentials.thumbprint();
            let seen: Vec<_> =
                self.upstream.seen().into_iter().filter(|seen| seen.header("x-print") == print).collect();
            assert!(seen.len() > least, "too few to decide: {}", seen.len());
            assert_eq!(seen.len(), served.load(Ordering::Relaxed));
            for seen in seen {
                let found = seen.header("x-key");
                assert_eq!(found, secret, "a request was judged by one trust and sent with another");
            }
        }
        self.edge.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_sees_half_of_a_change() {
    let turns = Turns::start(0).await;
    for swap in 1..=SWAPS {
        turns.mount(swap);
        turns.edge.wait_for_log(&format!("\"reloaded\",\"generation\":{},", swap + 1));
    }
    turns.end(SWAPS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overlapping_changes_apply_one_after_the_other() {
    // Enough that reading them takes a while.
    let turns = Turns::start(1000).await;
    turns.serve(0).await;
    turns.mount(1);
    turns.serve(1).await;
    for round in 1..=INTERRUPTED {
        turns.mount(2 * round);
        tokio::time::sleep(Duration::from_millis(30 + 14 * u64::try_from(round).unwrap())).await;
        let last = 2 * round + 1;
        turns.mount(last);
        turns.edge.wait_for_log(&format!("application app-{last}000000"));
    }
    turns.end(0).await;
}
