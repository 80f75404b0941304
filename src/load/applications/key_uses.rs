//! Reports public keys that are registered twice: for two applications, or for authentication and for request objects.

use std::collections::HashMap;

use crate::{
    config::{Problem, Span},
    trust::{Application, ClientId, RegisteredRef, Role},
};

/// Where each public key is registered first, by its JWK thumbprint (RFC 7638).
#[derive(Debug, Default)]
pub(super) struct KeyUses(HashMap<[u8; 32], Use>);

#[derive(Debug)]
struct Use {
    client_id: ClientId,
    role: Role,
    place: Span,
}

impl KeyUses {
    /// Records the keys of an application, and returns the problems of those that are registered already. `place` returns where a credential is
    /// configured, by its role and its index within that role.
    pub(super) fn record<'a>(
        &mut self,
        application: &Application,
        place: impl Fn(Role, usize) -> &'a Span,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut indices = [0_usize; 2];
        for (role, credential) in application.registrations() {
            let RegisteredRef::Key(registered) = credential.registered else { continue };
            let [first, second] = &mut indices;
            let index = if role == Role::RequestKey { second } else { first };
            let place = place(role, *index);
            *index += 1;
            let thumbprint = *registered.key.thumbprint().as_bytes();
            if let Some(first) = self.0.get(&thumbprint) {
                problems.push(first.problem(&application.client_id, role, place));
                continue;
            }
            let client_id = application.client_id.clone();
            self.0.insert(thumbprint, Use { client_id, role, place: place.clone() });
        }
        problems
    }
}

impl Use {
    /// The problem of a second use. A key by which two applications authenticate is an error.
    fn problem(&self, client_id: &ClientId, role: Role, place: &Span) -> Problem {
        let key = format!("application.{}.public_key", role.key());
        let line = self.place.line();
        if self.client_id == *client_id {
            let what = format!(
                "the public key is also registered as {} on line {line}: one private key signs assertions and request objects",
                self.role.key()
            );
            return Problem::warning(place, key, what).help("sign request objects with a key of their own");
        }
        let what =
            format!("the public key is registered for {:?} already (line {line})", self.client_id.as_str());
        let help = "register each key once: an application's key must be its own";
        if self.role == Role::Authentication && role == Role::Authentication {
            Problem::error(place, key, what).help(help)
        } else {
            Problem::warning(place, key, what).help(help)
        }
    }
}
