//! Decides which origin a request is sent to.

use std::{cell::Cell, rc::Rc, sync::atomic::Ordering::Relaxed};

use tokio::time::Instant;

use super::{Balance, TargetSpec, origin::OriginPool};

/// The turn of one worker.
#[derive(Debug, Default)]
pub(super) struct Balancer {
    next: Cell<usize>,
}

impl Balancer {
    /// The index of the origin to try next; none if all were tried. Origins that requests avoid come last, but for the one request that probes
    /// one of them.
    pub(super) fn choose(
        &self,
        spec: &TargetSpec,
        origins: &[Rc<OriginPool>],
        tried: &[usize],
    ) -> Option<usize> {
        let count = origins.len();
        if count < 2 {
            return (count > tried.len()).then_some(0);
        }
        let turn = self.next.get();
        self.next.set(turn.wrapping_add(1));
        let is_left = |(index, _): &(usize, &Rc<OriginPool>)| !tried.contains(index);
        let usable = |(_, origin): &(usize, &Rc<OriginPool>)| !origin.health.is_avoided();
        let all = || origins.iter().enumerate().filter(is_left);
        let usable_count = all().filter(usable).count();
        if usable_count < count && tried.is_empty() {
            let now = Instant::now();
            let probed = all().find(|(_, origin)| origin.health.claim_probe(now, &spec.limits));
            if let Some((probed, _)) = probed {
                return Some(probed);
            }
        }
        // If all are avoided, all are used.
        let is_candidate =
            |one: &(usize, &Rc<OriginPool>)| is_left(one) && (usable_count == 0 || usable(one));
        let candidates = || origins.iter().enumerate().filter(is_candidate);
        let chosen = match spec.policy.balance {
            // Rotated, so that origins with equally many take turns.
            Balance::LeastRequest => {
                let rotated = origins.iter().enumerate().cycle().skip(turn % count).take(count);
                let in_flight =
                    |(_, origin): &(usize, &Rc<OriginPool>)| origin.health.in_flight.load(Relaxed);
                rotated.filter(is_candidate).min_by_key(in_flight)
            }
            // Counted among the candidates: the successor of an avoided origin must not get its share, too.
            Balance::RoundRobin => candidates().nth(turn % candidates().count().max(1)),
        };
        chosen.map(|(index, _)| index)
    }
}
