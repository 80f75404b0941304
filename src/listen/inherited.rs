//! Listening sockets that another process opened: the service manager, or the process that this one replaces.

use std::net::{SocketAddr, TcpListener};

use super::spec::ListenSpec;

/// What a listening socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Applications, over TLS.
    Https,
    /// Operators.
    Admin,
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
    /// For operators: one socket, if it is open already.
    pub admin: Group,
}

/// A socket was passed that has no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its address.
    pub address: Option<SocketAddr>,
    /// Whether it is the second one for operators; otherwise its address is not configured.
    pub is_second: bool,
}

impl Stray {
    fn of(listener: &TcpListener, is_second: bool) -> Self {
        Self { address: listener.local_addr().ok(), is_second }
    }
}

impl Sockets {
    /// Assigns sockets to the configured addresses. A socket of the replaced process whose address is not configured any longer is closed.
    pub fn assign(spec: &ListenSpec, admin: SocketAddr, inherited: Vec<Inherited>) -> Result<Self, Stray> {
        let group = |address| Group { address: Some(address), sockets: Vec::new() };
        let mut https: Vec<Group> = spec.https.iter().copied().map(group).collect();
        let mut named = Group::default();
        let mut operators = group(admin);
        for socket in inherited {
            let is_at = |group: &Group| group.address.is_some() && group.address == socket.address;
            let for_applications = https.iter_mut().find(|group| is_at(group));
            let place = match (socket.purpose, socket.address) {
                (Some(Purpose::Https), None) => Some(&mut named),
                (Some(Purpose::Admin), None) => {
                    operators.address = None;
                    Some(&mut operators)
                }
                (None | Some(Purpose::Admin), _) if is_at(&operators) => Some(&mut operators),
                (None | Some(Purpose::Https), _) => for_applications,
                (Some(Purpose::Admin), _) => None,
            };
            match place {
                Some(group) => group.sockets.push(socket.listener),
                // The process that passed it serves what is in its queue.
                None if socket.purpose.is_some() => {}
                None => return Err(Stray::of(&socket.listener, false)),
            }
        }
        if let [_, second, ..] = &*operators.sockets {
            return Err(Stray::of(second, true));
        }
        if !named.sockets.is_empty() {
            https.retain(|group| !group.sockets.is_empty());
            https.push(named);
        }
        Ok(Self { https, admin: operators })
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
    fn assigned(inherited: Vec<Inherited>) -> Result<(Vec<usize>, usize), bool> {
        let spec = ListenSpec {
            https: vec!["0.0.0.0:443".parse().unwrap(), "127.0.0.1:0".parse().unwrap()],
            ..ListenSpec::default()
        };
        let sockets = Sockets::assign(&spec, "127.0.0.1:0".parse().unwrap(), inherited);
        sockets
            .map(|Sockets { https, admin }| {
                (https.iter().map(|group| group.sockets.len()).collect(), admin.sockets.len())
            })
            .map_err(|stray| stray.is_second)
    }

    #[test]
    fn sockets_are_assigned_by_address_or_purpose() {
        const HTTPS: Option<Purpose> = Some(Purpose::Https);
        const ADMIN: Option<Purpose> = Some(Purpose::Admin);
        let (public, free) = (Some("0.0.0.0:443"), Some("127.0.0.1:0"));
        for (inherited, expected) in [
            (vec![], Ok((vec![0, 0], 0))),
            (vec![(None, public)], Ok((vec![1, 0], 0))),
            (vec![(HTTPS, public), (HTTPS, public), (HTTPS, free), (ADMIN, free)], Ok((vec![2, 1], 1))),
            // By its purpose a socket replaces what is configured.
            (vec![(HTTPS, None), (ADMIN, None)], Ok((vec![1], 1))),
            (vec![(HTTPS, None), (None, public)], Ok((vec![1, 1], 0))),
            // Of the replaced process, at an address that is not configured any longer.
            (vec![(HTTPS, Some("0.0.0.0:444")), (ADMIN, public)], Ok((vec![0, 0], 0))),
            (vec![(None, Some("0.0.0.0:444"))], Err(false)),
            (vec![(ADMIN, None), (ADMIN, None)], Err(true)),
        ] {
            let sockets = inherited.iter().map(|(purpose, address)| socket(*purpose, *address)).collect();
            assert_eq!(assigned(sockets), expected, "{inherited:?}");
        }
    }
}
