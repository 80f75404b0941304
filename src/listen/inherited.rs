//! Listening sockets that another process opened: the service manager, or the process that this one replaces.

use std::net::{SocketAddr, TcpListener};

use serde::{Deserialize, Serialize};

use super::spec::ListenSpec;

/// What a listening socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Applications, over TLS.
    Https,
    /// Operators.
    Admin,
    /// Health checks.
    Health,
}

impl Purpose {
    /// The name of a socket with this purpose, and of its key in `[listen]`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Admin => "admin",
            Self::Health => "health",
        }
    }

    /// The purpose with this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Https, Self::Admin, Self::Health].into_iter().find(|purpose| purpose.name() == name)
    }
}

/// A listening socket of another process.
#[derive(Debug)]
pub struct Inherited {
    /// The socket.
    pub listener: TcpListener,
    /// What it is for; `None`: what is configured for its address.
    pub purpose: Option<Purpose>,
    /// The configured address that it serves; `None`: it replaces all addresses that are configured for its purpose.
    pub address: Option<SocketAddr>,
}

/// The sockets of one address.
#[derive(Debug, Default)]
pub struct Group {
    /// The configured address; see [`Inherited::address`].
    pub address: Option<SocketAddr>,
    /// Sockets that are open already; empty: the address is to be bound.
    pub sockets: Vec<TcpListener>,
}

/// Sockets by what they are for.
#[derive(Debug)]
pub struct Sockets {
    /// For applications.
    pub https: Vec<Group>,
    /// For operators and for health checks: a group for each address that is configured, with one socket if it is open already.
    pub operators: Vec<(Purpose, Group)>,
}

/// A socket was passed that has no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its address.
    pub address: Option<SocketAddr>,
    /// Why it has no use.
    pub why: StrayReason,
}

/// Why a socket has no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrayReason {
    /// Its address is not configured.
    NotConfigured,
    /// It is the second one for a purpose that needs one.
    Second(Purpose),
    /// It is named for a purpose without an address.
    Off(Purpose),
}

impl Stray {
    fn of(listener: &TcpListener, why: StrayReason) -> Self {
        Self { address: listener.local_addr().ok(), why }
    }
}

impl Sockets {
    /// Assigns sockets to the configured addresses. A socket of the replaced process whose address is not configured any longer is closed.
    pub fn assign(spec: &ListenSpec, inherited: Vec<Inherited>) -> Result<Self, Stray> {
        let group = |address| Group { address: Some(address), sockets: Vec::new() };
        let mut https: Vec<Group> = spec.https.iter().copied().map(group).collect();
        let mut named = Group::default();
        let operators = [(Purpose::Admin, spec.admin), (Purpose::Health, spec.health)];
        let mut operators: Vec<(Purpose, Group)> =
            operators.into_iter().filter_map(|(purpose, address)| Some((purpose, group(address?)))).collect();
        for socket in inherited {
            let is_at = |group: &Group| group.address.is_some() && group.address == socket.address;
            let place = match (socket.purpose, socket.address) {
                (Some(Purpose::Https), None) => Some(&mut named),
                (Some(purpose), None) => {
                    let Some((_, group)) = operators.iter_mut().find(|(other, _)| *other == purpose) else {
                        return Err(Stray::of(&socket.listener, StrayReason::Off(purpose)));
                    };
                    group.address = None;
                    Some(group)
                }
                (purpose, Some(_)) => {
                    let for_operators = operators.iter_mut().find(|(other, group)| {
                        purpose.is_none_or(|purpose| purpose == *other) && is_at(group)
                    });
                    let for_applications = https.iter_mut().find(|group| {
                        purpose.is_none_or(|purpose| purpose == Purpose::Https) && is_at(group)
                    });
                    for_operators.map(|(_, group)| group).or(for_applications)
                }
                (None, None) => None,
            };
            match place {
                Some(group) => group.sockets.push(socket.listener),
                // The process that passed it serves what is in its queue.
                None if socket.purpose.is_some() => {}
                None => return Err(Stray::of(&socket.listener, StrayReason::NotConfigured)),
            }
        }
        for (purpose, group) in &operators {
            if let [_, second, ..] = &*group.sockets {
                return Err(Stray::of(second, StrayReason::Second(*purpose)));
            }
        }
        if !named.sockets.is_empty() {
            https.retain(|group| !group.sockets.is_empty());
            https.push(named);
        }
        Ok(Self { https, operators })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(purpose: Option<Purpose>, address: Option<&str>) -> Inherited {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Inherited { listener, purpose, address: address.map(|address| address.parse().unwrap()) }
    }

    /// The number of sockets of each group for applications, and of those for operators.
    fn assigned(inherited: Vec<Inherited>) -> Result<(Vec<usize>, Vec<usize>), StrayReason> {
        let spec = ListenSpec {
            https: vec!["0.0.0.0:443".parse().unwrap(), "127.0.0.1:0".parse().unwrap()],
            admin: Some("127.0.0.1:0".parse().unwrap()),
            ..ListenSpec::default()
        };
        let count =
            |groups: &mut dyn Iterator<Item = &Group>| groups.map(|group| group.sockets.len()).collect();
        Sockets::assign(&spec, inherited)
            .map(|Sockets { https, operators }| {
                (count(&mut https.iter()), count(&mut operators.iter().map(|(_, group)| group)))
            })
            .map_err(|stray| stray.why)
    }

    #[test]
    fn sockets_are_assigned_by_address_or_purpose() {
        const HTTPS: Option<Purpose> = Some(Purpose::Https);
        const ADMIN: Option<Purpose> = Some(Purpose::Admin);
        let (public, free) = (Some("0.0.0.0:443"), Some("127.0.0.1:0"));
        for (inherited, expected) in [
            (vec![], Ok((vec![0, 0], vec![0]))),
            (vec![(None, public)], Ok((vec![1, 0], vec![0]))),
            (vec![(HTTPS, public), (HTTPS, public), (HTTPS, free), (ADMIN, free)], Ok((vec![2, 1], vec![1]))),
            // By its purpose a socket replaces what is configured.
            (vec![(HTTPS, None), (ADMIN, None)], Ok((vec![1], vec![1]))),
            (vec![(HTTPS, None), (None, public)], Ok((vec![1, 1], vec![0]))),
            // Of the replaced process, at an address that is not configured any longer.
            (
                vec![(HTTPS, Some("0.0.0.0:444")), (ADMIN, public), (Some(Purpose::Health), free)],
                Ok((vec![0, 0], vec![0])),
            ),
            (vec![(None, Some("0.0.0.0:444"))], Err(StrayReason::NotConfigured)),
            (vec![(ADMIN, None), (ADMIN, None)], Err(StrayReason::Second(Purpose::Admin))),
            (vec![(Some(Purpose::Health), None)], Err(StrayReason::Off(Purpose::Health))),
        ] {
            let sockets = inherited.iter().map(|(purpose, address)| socket(*purpose, *address)).collect();
            assert_eq!(assigned(sockets), expected, "{inherited:?}");
        }
    }
}
