//! The memory of buffered request bodies: who may hold how much of it, so that nobody takes that of others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use super::Context;
use crate::{
    forward::{BufferedBytes, Share},
    net::Network,
    trust::ClientId,
};

/// The memory in bytes that the bodies of one connection may use until a request on it is authenticated: a hundred ordinary token
/// requests at once.
const UNAUTHENTICATED_BODIES: u64 = 256 * 1024;
/// All who have not authenticated may hold this part of the memory together, and each who has the other one.
const UNAUTHENTICATED_PART: u64 = 2;
/// See [`UNAUTHENTICATED_PART`].
const HOLDERS_PART: u64 = 4;

/// Whose bodies are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Application(ClientId),
    /// The clients in a network that no application identifies: their access tokens let them in.
    Network(Network),
}

/// The memory of buffered bodies, over all workers.
#[derive(Debug, Default)]
pub struct BodyMemory {
    total: Arc<BufferedBytes>,
    /// What each holder uses, while connections of it are open.
    holders: Mutex<HashMap<Holder, Weak<BufferedBytes>>>,
}

impl BodyMemory {
    /// The bytes that are used.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.total.now()
    }

    /// An empty share for a body on a connection of a client that has authenticated, or whose certificate is registered.
    pub(super) fn for_client(&self, context: &Context) -> Share {
        let limit = context.site.limits.buffered_bytes;
        let bodies = context.connection.bodies(|| self.of(holder(context)));
        Share::of(&self.total, limit).within(bodies, limit / HOLDERS_PART)
    }

    /// An empty share for a body of a client that has not authenticated yet.
    pub(super) fn for_stranger(&self, context: &Context) -> Share {
        let limit = context.site.limits.buffered_bytes / UNAUTHENTICATED_PART;
        Share::of(&self.total, limit)
            .within(context.connection.unauthenticated_bodies(), UNAUTHENTICATED_BODIES)
    }

    fn of(&self, holder: Holder) -> Arc<BufferedBytes> {
        // Nothing can panic between two changes that belong together.
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bodies) = holders.get(&holder).and_then(Weak::upgrade) {
            return bodies;
        }
        if holders.len() == holders.capacity() {
            holders.retain(|_, bodies| bodies.strong_count() > 0);
        }
        let bodies = Arc::default();
        holders.insert(holder, Arc::downgrade(&bodies));
        bodies
    }
}

/// Whose a connection is: the application that has authenticated on it first, or else one that has registered its certificate.
fn holder(context: &Context) -> Holder {
    let connection = &context.connection;
    let registered = || connection.identity.as_ref()?.candidate(&context.site.trust);
    connection
        .application()
        .cloned()
        .or_else(registered)
        .map_or_else(|| Holder::Network(Network::of(connection.address.ip)), Holder::Application)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_has_one_part_until_its_connections_are_closed() {
        let memory = BodyMemory::default();
        let holder = |id: usize| Holder::Application(ClientId::new(id.to_string()));
        let (one, again) = (memory.of(holder(1)), memory.of(holder(1)));
        assert!(Arc::ptr_eq(&one, &again));
        assert!(!Arc::ptr_eq(&one, &memory.of(holder(2))));
        for id in 3..10_000 {
            memory.of(holder(id));
        }
        assert!(memory.holders.lock().unwrap().len() < 100);
        assert!(Arc::ptr_eq(&one, &memory.of(holder(1))));
    }
}
