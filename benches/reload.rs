//! Time from the write of a file until its content is active: `cargo bench --bench reload`. Prints figures, and asserts none.
//!
//! It runs the real program, and observes it through its log.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "support/edge.rs"]
mod edge;

use edge::{Folder, applications, start, time_to_reload};

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--test") { 1 } else { 20 };
    let folder = Folder::new("127.0.0.1:9");
    for count in [10, 10_000] {
        folder.register(&applications(count, 0));
        let edge = start(&folder);
        let mut times: Vec<_> = (1..=rounds)
            .map(|round| {
                let text = applications(count, round);
                time_to_reload(&edge, || folder.register(&text))
            })
            .collect();
        times.sort_unstable();
        println!(
            "reload of {count:>6} applications, write to active: p50 {:>4} ms, longest {:>4} ms, of {rounds}",
            times[times.len() / 2].as_millis(),
            times[times.len() - 1].as_millis()
        );
    }
}
