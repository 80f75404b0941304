//! The threads that serve peers have fewer rights than those that read the configuration and start the next program.

use std::fs;

use crate::support::{Client, EdgeBuilder, Upstream, tool::not_tried, with_client};

/// The name of each thread of a process, and whether it has given up to gain rights, as a confined thread must.
fn threads(process: u32) -> Vec<(String, bool)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let fact = |task: &fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        Some((name.trim().to_owned(), status.contains("\nNoNewPrivs:\t1\n")))
    };
    tasks.filter_map(|task| fact(&task.unwrap())).collect()
}

#[tokio::test]
async fn threads_that_serve_peers_are_confined_and_no_others() {
    let own = fs::read_to_string("/proc/self/status").unwrap();
    if own.contains("\nNoNewPrivs:\t1\n") {
        not_tried("confinement: everything that this machine starts has given up to gain rights");
        return;
    }
    let upstream = Upstream::start().await;
    let traces = "[traces]\nendpoint = \"http://127.0.0.1:1\"";
    let builder = EdgeBuilder::new(upstream.url()).listen("health = \"127.0.0.1:0\"").extra(traces);
    let (edge, client) = with_client(builder);
    assert_eq!(Client::with(&edge, &client).token("billing").await.status, 200);
    let threads = threads(edge.id());
    let workers = threads.iter().filter(|(name, _)| name.starts_with("worker-")).count();
    assert!(workers > 0 && threads.len() > workers + 3, "{threads:?}");
    let others = ["admin", "health", "traces"];
    for other in others {
        assert!(threads.iter().any(|(name, _)| name == other), "{other}: {threads:?}");
    }
    for (name, is_confined) in &threads {
        let serves_peers = name.starts_with("worker-") || others.contains(&name.as_str());
        assert_eq!(*is_confined, serves_peers, "{name}: {threads:?}");
    }
}
