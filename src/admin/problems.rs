//! The metric of the problems in `/status`.

use std::sync::{Arc, Weak};

use super::{
    State,
    health::{Kind, problems},
};
use crate::observe::metrics::{Collector, Families, PROBLEMS};

/// Counts the problems at each scrape.
#[derive(Debug)]
pub struct Problems(Weak<State>);

impl Problems {
    /// Counts those of this edge, whose registry then refers to its state.
    #[must_use]
    pub fn of(state: &Arc<State>) -> Self {
        Self(Arc::downgrade(state))
    }
}

impl Collector for Problems {
    fn collect(&self, families: &mut Families) {
        let Some(state) = self.0.upgrade() else { return };
        let found = problems(&state, &state.site.load(), state.clock.now());
        for kind in Kind::ALL {
            let counts = found.iter().filter(|(found, _)| found == kind).map(|(_, problem)| problem.count);
            families.set(&PROBLEMS, [kind.code(), kind.level().as_str()], counts.sum::<usize>());
        }
    }
}
