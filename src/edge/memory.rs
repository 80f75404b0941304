//! What the edge remembers, as messages to the process that replaces it: ticket keys, last uses of credentials, used `jti` values.

use std::io;

use crate::{
    clock::{Clock, Timestamp},
    handover::{LastUse, Link, Message, Store, TicketKeys},
    listen::Stores,
    replay::{ReplayStore, StoreKeys},
    site::{Domain, SiteHandle},
};

/// What the edge remembers.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) stores: Stores,
    /// The site, whose domains have ticket keys, and whose credentials have last uses.
    pub(super) site: SiteHandle,
    pub(super) clock: Clock,
}

impl Memory {
    fn store(&self, store: Store) -> &ReplayStore {
        match store {
            Store::Assertions => &self.stores.replay,
            Store::Proofs => &self.stores.proofs,
        }
    }

    /// The start and the keys of each store.
    pub(super) fn store_keys(&self) -> [(i64, [u64; 2]); 2] {
        [Store::Assertions, Store::Proofs].map(|store| {
            let store = self.store(store);
            (store.started().unix(), store.keys().0)
        })
    }

    /// Empty stores that can adopt the values of those with these keys.
    pub(super) fn stores_with([assertions, proofs]: [(i64, [u64; 2]); 2]) -> Stores {
        let store =
            |(started, keys)| ReplayStore::with_keys(Timestamp::from_unix(started), StoreKeys(keys)).into();
        Stores { replay: store(assertions), proofs: store(proofs) }
    }

    /// Sends everything, and from then on lets the other process decide which `jti` was used.
    pub(super) fn hand_over(&self, link: &Link) -> io::Result<()> {
        link.send(&Message::Tickets(self.ticket_keys()))?;
        link.send(&self.uses())?;
        for store in [Store::Assertions, Store::Proofs] {
            self.store(store)
                .hand_over(link.store(store), |values| link.send(&Message::Values(store, values.to_vec())))?;
        }
        Ok(())
    }

    /// Decides here again. The other process must have ended before it served.
    pub(super) fn take_back(&self) {
        for store in [Store::Assertions, Store::Proofs] {
            self.store(store).take_back();
        }
    }

    fn ticket_keys(&self) -> Vec<TicketKeys> {
        let site = self.site.load();
        let of_domain = |domain: &Domain| {
            let random = domain.tls.random_secrets()?;
            Some(TicketKeys {
                domain: domain.name.clone(),
                client_auth: domain.client_auth.as_str().into(),
                secrets: random.secrets.iter().copied().collect(),
                since: random.since.unix(),
            })
        };
        site.domains.values().filter_map(|domain| of_domain(domain)).collect()
    }

    /// The last uses of all credentials.
    pub(super) fn uses(&self) -> Message {
        let site = self.site.load();
        let mut uses = Vec::new();
        for application in site.trust.registry.applications() {
            for (role, credential) in application.registrations() {
                if let Some(at) = credential.usage.last() {
                    uses.push(LastUse {
                        client_id: application.client_id.as_str().into(),
                        credential: credential.name.into(),
                        role: role.as_str().into(),
                        registered: credential.digest(),
                        at: at.unix(),
                        not_after: credential.usage.not_after().map(Timestamp::unix),
                    });
                }
            }
        }
        Message::Uses(uses)
    }

    /// Adopts what a message contains. Returns the answer, if there is one.
    pub(super) fn adopt(&self, message: Message) -> io::Result<Option<Message>> {
        match message {
            Message::Tickets(keys) => keys.iter().for_each(|keys| self.adopt_ticket_keys(keys)),
            Message::Uses(uses) => uses.iter().for_each(|last| self.adopt_use(last)),
            Message::Values(store, values) => {
                if !self.store(store).adopt(&values, self.clock.now()) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "malformed values"));
                }
            }
            Message::Record(store, used) => {
                return Ok(Some(Message::Recorded(self.store(store).record_use(&used))));
            }
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "an unexpected message")),
        }
        Ok(None)
    }

    fn adopt_ticket_keys(&self, keys: &TicketKeys) {
        let site = self.site.load();
        let domain = site.domains.get(&keys.domain);
        if let Some(domain) = domain.filter(|domain| domain.client_auth.as_str() == &*keys.client_auth) {
            domain.tls.adopt_secrets(Timestamp::from_unix(keys.since), &keys.secrets);
        }
    }

    fn adopt_use(&self, last: &LastUse) {
        let site = self.site.load();
        let Some(application) = site.trust.registry.application(&last.client_id) else { return };
        let mut registrations = application.registrations();
        let found = registrations.find(|(role, credential)| {
            role.as_str() == &*last.role
                && credential.name == &*last.credential
                && credential.digest() == last.registered
        });
        if let Some((_, credential)) = found {
            credential.usage.adopt(Timestamp::from_unix(last.at), last.not_after.map(Timestamp::from_unix));
        }
    }
}
