//! Model test: under random changes of trust and random requests, an edge responds as a simple model predicts.
//!
//! `PROPTEST_CASES=500` makes the run long.

mod certificates;
mod files;
mod running;
mod steps;
mod trust;

use std::cell::Cell;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use running::{Running, Seen};
use steps::{Step, steps};

/// The sequences of an ordinary run, and the most steps of each.
const CASES: u32 = 12;
const STEPS: usize = 90;

#[test]
fn every_request_is_judged_by_the_trust_in_force() {
    let long = std::env::var_os("PROPTEST_CASES").is_some();
    let usual = Config::default();
    let cases = if long { usual.cases } else { CASES };
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 400, max_shrink_time: 60_000, ..usual };
    let (all, agreed, shrinking) = (Cell::new(Seen::default()), Cell::new(0), Cell::new(false));
    let result = TestRunner::new(config).run(&steps(STEPS), |steps| {
        // Enough threads that clients and the upstream continue while the edge's process is started.
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Panics are shrunk, too.
        let was_shrinking = shrinking.replace(true);
        all.set(all.get() + runtime.block_on(agree(&steps))?);
        shrinking.set(was_shrinking);
        agreed.set(agreed.get() + u32::from(!was_shrinking));
        Ok(())
    });
    let all = all.get();
    match result {
        Ok(()) => println!("{cases} sequences: {all:?}"),
        Err(TestError::Fail(why, steps)) => panic!(
            "after {} sequences an edge differs from the model:\n{}{why}",
            agreed.get(),
            listed(&steps)
        ),
        Err(aborted) => panic!("{aborted}"),
    }
    // The distribution of steps makes each of these happen in every run.
    for happened in [all.served, all.refused, all.resumed, all.kept, all.reloads, all.refused_reloads] {
        assert!(happened > 0, "{all:?}");
    }
}

/// Executes the steps with a new edge.
async fn agree(steps: &[Step]) -> Result<Seen, TestCaseError> {
    let mut running = Running::start().await;
    for (number, step) in steps.iter().enumerate() {
        if let Err(mismatch) = running.step(step).await {
            let (number, log) = (number + 1, running.edge.log());
            return Err(TestCaseError::fail(format!("at step {number}: {mismatch}\nthe edge's log:\n{log}")));
        }
    }
    Ok(running.seen)
}

fn listed(steps: &[Step]) -> String {
    steps.iter().enumerate().fold(String::new(), |text, (at, step)| format!("{text}{:3}. {step:?}\n", at + 1))
}

impl std::ops::Add for Seen {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            served: self.served + other.served,
            refused: self.refused + other.refused,
            resumed: self.resumed + other.resumed,
            kept: self.kept + other.kept,
            reloads: self.reloads + other.reloads,
            refused_reloads: self.refused_reloads + other.refused_reloads,
        }
    }
}
