//! Equal subjects of two applications whose pinned CAs one path can hold: its certificate is good for both.

use std::sync::Arc;

use super::pins::Pins;
use crate::{
    config::{Problem, Span, settings},
    trust::{Application, DuplicateSubject, RegisteredSubject, Registry},
};

/// Equal subjects of two applications that only their pins keep apart, until it is known which pins one path can hold.
#[derive(Debug, Default)]
pub(super) struct KeptApart(Vec<Pair>);

#[derive(Debug)]
struct Pair {
    place: Span,
    equal: DuplicateSubject,
    pins: [Arc<[u8; 32]>; 2],
}

impl KeptApart {
    /// Notes the subjects of an application that are another's too, under another pin. `place` says where a credential is written.
    pub(super) fn note<'a>(
        &mut self,
        application: &Application,
        registry: &Registry,
        place: impl Fn(usize) -> &'a Span,
    ) {
        for (index, RegisteredSubject { subject, ca }) in application.subjects() {
            let Some(pin) = ca else { continue };
            for owner in registry.owners_of(subject) {
                for (_, other) in owner.subjects() {
                    if let RegisteredSubject { subject: others, ca: Some(others_pin) } = other
                        && pin != others_pin
                        && subject.is_same_as(others)
                    {
                        let equal = DuplicateSubject {
                            subject: subject.written().1,
                            first: owner.client_id.clone(),
                            credential: index,
                        };
                        let pins = [Arc::clone(pin), Arc::clone(others_pin)];
                        self.0.push(Pair { place: place(index).clone(), equal, pins });
                    }
                }
            }
        }
    }

    /// Warnings of those whose pins one path to a client CA can hold both of.
    pub(super) fn problems(self, pins: &Pins, trust: &settings::Trust) -> Vec<Problem> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let ancestry = pins.ancestry(trust);
        let meeting = self.0.into_iter().filter(|Pair { pins: [one, other], .. }| ancestry.meet(one, other));
        meeting
            .map(|Pair { place, equal, .. }| {
                let what = format!(
                    "{equal}, and one path can hold both pinned CAs: its certificate is good for both applications"
                );
                Problem::warning(&place, "application.credential", what).help(DuplicateSubject::HELP)
            })
            .collect()
    }
}
