//! How many introspections of one issuer may be in flight or wait: shares of networks and connections, and a reserve for known clients.

use std::{cell::RefCell, collections::HashMap, fmt, rc::Rc, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{net::Network, request::Connection};

/// The most requests in flight to one issuer, and how many of them strangers may cause.
const IN_FLIGHT: [usize; 2] = [16, 8];
/// The most tokens that are asked about at the same time, in flight or waiting for it, and how many of them may be those of strangers.
const ASKED: [usize; 2] = [512, 256];

/// Whether a client has used a valid token or authenticated before, or its certificate is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::request) enum Standing {
    Known,
    Stranger,
}

/// Who causes an introspection.
#[derive(Clone, Debug)]
pub(in crate::request) struct Asker {
    pub(in crate::request) connection: Rc<Connection>,
    /// None for connections of a trusted proxy, which have many clients.
    pub(in crate::request) network: Option<Network>,
    pub(in crate::request) standing: Standing,
}

/// Why a token is not asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Connection,
    Network,
    Strangers,
    All,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many introspections at once")?;
        f.write_str(match self {
            Self::Connection => " for this connection",
            Self::Network => " for the client's network",
            Self::Strangers => " for clients that have not used a valid token yet",
            Self::All => "",
        })
    }
}

/// What has a share of the places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Party {
    /// By its address, which is in use as long as the share.
    Connection(usize),
    Network(Network),
}

impl Party {
    /// The most tokens asked about, and the most in flight. A client that calls for many users has a token for each of them.
    const fn limits(self, standing: Standing) -> (usize, usize) {
        match (self, standing) {
            (Self::Connection(_), Standing::Known) => (128, 8),
            (Self::Connection(_), Standing::Stranger) => (32, 4),
            (Self::Network(_), Standing::Known) => (256, 12),
            (Self::Network(_), Standing::Stranger) => (64, 4),
        }
    }

    const fn refused(self) -> Refused {
        match self {
            Self::Connection(_) => Refused::Connection,
            Self::Network(_) => Refused::Network,
        }
    }
}

/// The share of a party that has any introspection.
#[derive(Debug)]
struct Share {
    asked: usize,
    in_flight: Arc<Semaphore>,
}

/// The places of one issuer, of one worker.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    of_strangers: Arc<Semaphore>,
    shares: RefCell<Shares>,
}

#[derive(Debug, Default)]
struct Shares {
    /// All, and those of strangers.
    asked: [usize; 2],
    by_party: HashMap<(Party, Standing), Share>,
}

impl Default for Places {
    fn default() -> Self {
        let [all, of_strangers] = IN_FLIGHT.map(|places| Arc::new(Semaphore::new(places)));
        Self { all, of_strangers, shares: RefCell::default() }
    }
}

/// A token that is asked about, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Rc<Places>,
    asker: Asker,
}

impl Asker {
    fn parties(&self) -> impl Iterator<Item = Party> + use<> {
        let connection = Party::Connection(Rc::as_ptr(&self.connection) as usize);
        [Some(connection), self.network.map(Party::Network)].into_iter().flatten()
    }

    /// Which counts it belongs to.
    const fn counted(&self) -> [usize; 2] {
        match self.standing {
            Standing::Known => [1, 0],
            Standing::Stranger => [1, 1],
        }
    }
}

impl Places {
    /// Takes a place to ask about one token.
    ///
    /// # Errors
    ///
    /// Whose share is used up.
    pub(super) fn take(self: &Rc<Self>, asker: Asker) -> Result<Place, Refused> {
        let Shares { asked, by_party } = &mut *self.shares.borrow_mut();
        let standing = asker.standing;
        let is_used_up = |party: &Party| {
            let share = by_party.get(&(*party, standing));
            share.is_some_and(|share| share.asked >= party.limits(standing).0)
        };
        if let Some(party) = asker.parties().find(is_used_up) {
            return Err(party.refused());
        }
        let [of_all, of_strangers] = asked;
        let counted = asker.counted();
        if counted == [1, 1] && *of_strangers >= ASKED[1] {
            return Err(Refused::Strangers);
        }
        if *of_all >= ASKED[0] {
            return Err(Refused::All);
        }
        *of_all += counted[0];
        *of_strangers += counted[1];
        for party in asker.parties() {
            let share = by_party.entry((party, standing)).or_insert_with(|| Share {
                asked: 0,
                in_flight: Arc::new(Semaphore::new(party.limits(standing).1)),
            });
            share.asked += 1;
        }
        Ok(Place { places: Rc::clone(self), asker })
    }
}

impl Place {
    /// Waits until its request may be sent; it is in flight until the result is dropped. The shares come first, so that a party which has
    /// used up its own waits for itself only.
    pub(super) async fn in_flight(&self) -> Vec<OwnedSemaphorePermit> {
        let mut semaphores: Vec<_> = {
            let shares = self.places.shares.borrow();
            let parties = self.asker.parties();
            let of = |party| shares.by_party.get(&(party, self.asker.standing));
            parties.filter_map(of).map(|share| Arc::clone(&share.in_flight)).collect()
        };
        if self.asker.standing == Standing::Stranger {
            semaphores.push(Arc::clone(&self.places.of_strangers));
        }
        semaphores.push(Arc::clone(&self.places.all));
        let mut permits = Vec::with_capacity(semaphores.len());
        for semaphore in semaphores {
            permits.extend(semaphore.acquire_owned().await);
        }
        permits
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Shares { asked, by_party } = &mut *self.places.shares.borrow_mut();
        for (count, one) in asked.iter_mut().zip(self.asker.counted()) {
            *count = count.saturating_sub(one);
        }
        for party in self.asker.parties() {
            let key = (party, self.asker.standing);
            if let Some(share) = by_party.get_mut(&key) {
                share.asked -= 1;
                if share.asked == 0 {
                    by_party.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::{
        observe::metrics::{KeyExchange, TlsSession},
        request::{ClientAddress, Negotiated},
    };

    fn asker(ip: [u8; 4], standing: Standing) -> Asker {
        let ip = IpAddr::from(ip);
        let address = ClientAddress { ip, trusted_proxy: false, local_port: 443 };
        let session = TlsSession { is_tls13: true, group: KeyExchange::X25519, is_resumed: false };
        let negotiated = Negotiated { session, cipher: "TLS_AES_128_GCM_SHA256" };
        let connection = Rc::new(Connection::new(address, "a.example".into(), None, negotiated));
        Asker { connection, network: Some(Network::of(ip)), standing }
    }

    fn fill(places: &Rc<Places>, asker: &Asker) -> (Vec<Place>, Refused) {
        let mut taken = Vec::new();
        loop {
            match places.take(asker.clone()) {
                Ok(place) => taken.push(place),
                Err(refused) => return (taken, refused),
            }
        }
    }

    #[test]
    fn each_connection_and_network_has_a_share() {
        let places = Rc::new(Places::default());
        let one = asker([192, 0, 2, 1], Standing::Stranger);
        let (first, refused) = fill(&places, &one);
        assert_eq!((first.len(), refused), (32, Refused::Connection));
        let (second, refused) = fill(&places, &asker([192, 0, 2, 1], Standing::Stranger));
        assert_eq!((second.len(), refused), (32, Refused::Connection));
        let (third, refused) = fill(&places, &asker([192, 0, 2, 1], Standing::Stranger));
        assert_eq!((third.len(), refused), (0, Refused::Network));
        assert!(places.take(asker([192, 0, 2, 2], Standing::Stranger)).is_ok());
        assert!(places.take(asker([192, 0, 2, 1], Standing::Known)).is_ok(), "it is not among the strangers");
        drop((first, second));
        assert!(places.take(one).is_ok());
        let shares = places.shares.borrow();
        assert!(shares.by_party.is_empty() && shares.asked == [0, 0], "{shares:?}");
    }

    #[test]
    fn strangers_leave_half_to_known_clients() {
        let places = Rc::new(Places::default());
        let all_of = |standing| {
            let networks = (0..=255).map(move |last| asker([192, 0, 2, last], standing));
            networks.map(|asker| fill(&places, &asker)).collect::<Vec<_>>()
        };
        let strangers = all_of(Standing::Stranger);
        assert_eq!(strangers.iter().map(|(taken, _)| taken.len()).sum::<usize>(), 256);
        assert!(matches!(strangers.last(), Some((_, Refused::Strangers))));
        let known = all_of(Standing::Known);
        assert_eq!(known.iter().map(|(taken, _)| taken.len()).sum::<usize>(), 256);
        assert!(matches!(known.last(), Some((_, Refused::All))));
    }

    #[test]
    fn strangers_in_flight_leave_half_to_known_clients() {
        use futures_util::FutureExt;
        let places = Rc::new(Places::default());
        let mut sent = Vec::new();
        for (standing, expected) in [(Standing::Stranger, 8), (Standing::Known, 8)] {
            for last in 0..4 {
                for place in fill(&places, &asker([192, 0, 2, last], standing)).0 {
                    if let Some(permits) = place.in_flight().now_or_never() {
                        sent.push((place, permits));
                    }
                }
            }
            let of_standing = sent.iter().filter(|(place, _)| place.asker.standing == standing);
            assert_eq!(of_standing.count(), expected, "{standing:?}");
        }
    }
}
