//! A request sees all of the old trust or all of the new.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::support::{Client, Credentials, EdgeBuilder, Upstream, self_signed};

const SWAPS: usize = 40;

/// A volume as Kubernetes lays it, of two files that belong together: who is registered, and a secret for the upstream.
fn mount(folder: &Path, number: usize, registered: &Credentials, secret: &str) {
    let version = folder.join(format!("..{number}"));
    fs::create_dir_all(&version).unwrap();
    let registry = format!(
        "[[application]]\nclient_id = \"billing\"\n[[application.credential]]\nname = \"c\"\nthumbprint = \"{}\"\n",
        registered.thumbprint()
    );
    fs::write(version.join("applications.toml"), registry).unwrap();
    fs::write(version.join("secret"), secret).unwrap();
    symlink(&version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

/// Asks over one connection until it is refused, then over the next. How often it was served.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_sees_half_of_a_change() {
    let upstream = Upstream::start().await;
    let (one, two) = (self_signed("one"), self_signed("two"));
    let builder = EdgeBuilder::new(upstream.url())
        .usual_domain("corp")
        .extra("[[header_profile]]\nname = \"corp\"\nheaders = { x-print = \"thumbprint-hex\" }")
        .upstream("headers = { x-key = { file = \"volume/secret\" } }")
        .applications_file("volume/applications.toml")
        .quiet();
    let volume = builder.path().join("volume");
    fs::create_dir(&volume).unwrap();
    mount(&volume, 0, &one, "secret of one");
    for file in ["applications.toml", "secret"] {
        symlink(Path::new("..data").join(file), volume.join(file)).unwrap();
    }
    let edge = builder.start();
    let (over, served) =
        (Arc::new(AtomicBool::new(false)), [&one, &two].map(|_| Arc::new(AtomicUsize::new(0))));
    let mut clients = tokio::task::JoinSet::new();
    for (credentials, served) in [&one, &two].into_iter().zip(&served) {
        for client in [Client::with(&edge, credentials), Client::with(&edge, credentials).http2()] {
            clients.spawn(hammer(client, Arc::clone(&over), Arc::clone(served)));
        }
    }
    for swap in 1..=SWAPS {
        let (registered, secret) =
            if swap % 2 == 0 { (&one, "secret of one") } else { (&two, "secret of two") };
        mount(&volume, swap, registered, secret);
        edge.wait_for_log(&format!("\"reloaded\",\"generation\":{},", swap + 1));
    }
    over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    for (served, credentials, secret) in
        [(&served[0], &one, "secret of one"), (&served[1], &two, "secret of two")]
    {
        let print = credentials.thumbprint();
        let seen: Vec<_> =
            upstream.seen().into_iter().filter(|seen| seen.header("x-print") == print).collect();
        assert!(seen.len() > SWAPS, "too few to tell: {}", seen.len());
        assert_eq!(seen.len(), served.load(Ordering::Relaxed));
        for seen in seen {
            assert_eq!(
                seen.header("x-key"),
                secret,
                "a request was judged by one trust and sent with another"
            );
        }
    }
    edge.stop();
}
