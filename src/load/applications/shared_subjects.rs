//! Reports equal subjects of two applications with different pinned CAs, if one certification path can contain both CAs: its
//! certificate would match both applications.

use std::sync::Arc;

use super::pins::Pins;
use crate::{
    config::{Problem, Span, settings},
    trust::{Application, DuplicateSubject, RegisteredSubject, Registry},
};

/// Equal subjects of two applications that differ only in their pinned CAs. They are collected until all pins are known.
#[derive(Debug, Default)]
pub(super) struct SharedSubjects(Vec<Pair>);

#[derive(Debug)]
struct Pair {
    place: Span,
    duplicate: DuplicateSubject,
    pins: [Arc<[u8; 32]>; 2],
}

impl SharedSubjects {
    /// Records the subjects of an application that another one has registered with a different pin. `place` returns where a credential
    /// is configured.
    pub(super) fn record<'a>(
        &mut self,
        application: &Application,
        registry: &Registry,
        place: impl Fn(usize) -> &'a Span,
    ) {
        for (index, RegisteredSubject { subject, ca }) in application.subjects() {
            let Some(pin) = ca else { continue };
            for owner in registry.owners_of(subject) {
                for (_, other) in owner.subjects() {
                    if let RegisteredSubject { subject: other_subject, ca: Some(other_pin) } = other
                        && pin != other_pin
                        && subject.is_same_as(other_subject)
                    {
                        let duplicate = DuplicateSubject {
                            subject: subject.written().1,
                            first: owner.client_id.clone(),
                            credential: index,
                        };
                        let pins = [Arc::clone(pin), Arc::clone(other_pin)];
                        self.0.push(Pair { place: place(index).clone(), duplicate, pins });
                    }
                }
            }
        }
    }

    /// A warning for each pair whose two pins can be on one path to a client CA.
    pub(super) fn problems(self, pins: &Pins, trust: &settings::Trust) -> Vec<Problem> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let ancestry = pins.ancestry(trust);
        let ambiguous =
            self.0.into_iter().filter(|Pair { pins: [one, other], .. }| ancestry.share_a_path(one, other));
        ambiguous
            .map(|Pair { place, duplicate, .. }| {
                let what = format!(
                    "{duplicate}, and one certification path can contain both pinned CAs: its certificate would match both applications"
                );
                Problem::warning(&place, "application.credential", what).help(DuplicateSubject::HELP)
            })
            .collect()
    }
}
