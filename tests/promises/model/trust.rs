//! The reference model: the registered and trusted items in maps and sets, and the response that follows from them.

use std::collections::{BTreeMap, BTreeSet};

use super::certificates::{Certificate, INTERMEDIATE, ISSUERS, Issuer, List, Name};

/// An application that can be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Application {
    Alpha,
    Beta,
    Gamma,
}

pub const APPLICATIONS: [Application; 3] = [Application::Alpha, Application::Beta, Application::Gamma];

impl Application {
    pub fn client_id(self) -> &'static str {
        match self {
            Self::Alpha => "alpha",
            Self::Beta => "beta",
            Self::Gamma => "gamma",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    Thumbprint(Certificate),
    /// A thumbprint, configured by the certificate's file.
    File(Certificate),
    Dn(Name, Option<Issuer>),
    Dns(Name, Option<Issuer>),
}

impl Credential {
    /// The certificate that is registered by thumbprint (method `self_signed_tls_client_auth`).
    pub fn registered(self) -> Option<Certificate> {
        match self {
            Self::Thumbprint(certificate) | Self::File(certificate) => Some(certificate),
            Self::Dn(..) | Self::Dns(..) => None,
        }
    }
}

/// The authentication that a route requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticate {
    Client,
    Certificate,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    Token,
    Other,
}

impl Route {
    pub fn path(self) -> &'static str {
        match self {
            Self::Token => "/oauth/token",
            Self::Other => "/other",
        }
    }
}

/// The client that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Application(Application),
    Unknown,
    Nobody,
}

/// A change by the operator.
#[derive(Clone, Debug)]
pub enum Edit {
    Add(Application, Credential),
    Replace(Application, usize, Credential),
    Remove(Application, usize),
    RemoveApplication(Application),
    /// Registers an application again, with any method.
    Register(Application, Vec<Credential>),
    Move(Certificate, Application),
    Authority(Issuer, bool),
    Revoke(Issuer, u64, bool),
    Stale(Issuer, bool),
    JudgeByStaleLists(bool),
    RequireCertificate(bool),
    Authenticate(Route, Authenticate),
    UnknownKey,
}

/// The expected response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    NoHandshake,
    /// `verdict` is none if no client is authenticated.
    Served {
        verdict: Option<&'static str>,
    },
    Refused {
        status: u16,
        error: &'static str,
        closes: bool,
    },
}

const fn invalid_client(closes: bool) -> Expected {
    Expected::Refused { status: 401, error: "invalid_client", closes }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Trust {
    pub applications: BTreeMap<Application, Vec<Credential>>,
    /// Root CAs only.
    pub authorities: BTreeSet<Issuer>,
    pub lists: BTreeMap<Issuer, List>,
    pub judge_by_stale_lists: bool,
    pub require_certificate: bool,
    pub routes: BTreeMap<Route, Authenticate>,
    pub unknown_key: bool,
}

impl Trust {
    /// The initial trust of every sequence.
    pub fn first() -> Self {
        Self {
            applications: BTreeMap::from([
                (Application::Alpha, vec![Credential::Thumbprint(Certificate::SelfSigned)]),
                (Application::Beta, vec![Credential::Dn(Name::Payments, None)]),
            ]),
            authorities: BTreeSet::from([Issuer::Corp, Issuer::Twin]),
            lists: ISSUERS.into_iter().map(|issuer| (issuer, List::default())).collect(),
            judge_by_stale_lists: false,
            require_certificate: false,
            routes: BTreeMap::from([
                (Route::Token, Authenticate::Client),
                (Route::Other, Authenticate::Certificate),
            ]),
            unknown_key: false,
        }
    }

    /// The trust after a change, whether valid or not.
    pub fn edited(&self, edit: &Edit) -> Self {
        let mut after = self.clone();
        let list = |of: &mut Self, issuer| of.lists.remove(&issuer).unwrap_or_default();
        match edit {
            Edit::Add(application, credential) => {
                after.applications.entry(*application).or_default().push(*credential);
            }
            Edit::Replace(application, index, credential) => {
                let own = after.applications.entry(*application).or_default();
                match own.get_mut(*index) {
                    Some(one) => *one = *credential,
                    None => own.push(*credential),
                }
            }
            Edit::Remove(application, index) => after.drop_credentials(*application, |at, _| at == *index),
            Edit::RemoveApplication(application) => drop(after.applications.remove(application)),
            Edit::Register(application, credentials) => {
                after.applications.insert(*application, credentials.clone());
            }
            Edit::Move(certificate, to) => {
                for application in self.applications.keys() {
                    after.drop_credentials(*application, |_, one| one.registered() == Some(*certificate));
                }
                after.applications.entry(*to).or_default().push(Credential::Thumbprint(*certificate));
            }
            Edit::Authority(root, true) => drop(after.authorities.insert(*root)),
            Edit::Authority(root, false) => drop(after.authorities.remove(root)),
            Edit::Revoke(issuer, serial, revoked) => {
                let mut list = list(&mut after, *issuer);
                if *revoked {
                    list.revoked.insert(*serial)
                } else {
                    list.revoked.remove(serial)
                };
                after.lists.insert(*issuer, list);
            }
            Edit::Stale(issuer, stale) => {
                let list = List { stale: *stale, ..list(&mut after, *issuer) };
                after.lists.insert(*issuer, list);
            }
            Edit::JudgeByStaleLists(yes) => after.judge_by_stale_lists = *yes,
            Edit::RequireCertificate(yes) => after.require_certificate = *yes,
            Edit::Authenticate(route, authenticate) => drop(after.routes.insert(*route, *authenticate)),
            Edit::UnknownKey => after.unknown_key = true,
        }
        after
    }

    /// An application without credentials is invalid.
    fn drop_credentials(&mut self, application: Application, which: impl Fn(usize, &Credential) -> bool) {
        let Some(own) = self.applications.remove(&application) else { return };
        let left: Vec<Credential> =
            own.iter().enumerate().filter(|(at, one)| !which(*at, one)).map(|(_, one)| *one).collect();
        if !left.is_empty() {
            self.applications.insert(application, left);
        }
    }

    /// Whether an edge must accept it.
    pub fn is_valid(&self) -> bool {
        let mut registered = BTreeSet::new();
        !self.unknown_key
            && !self.share_a_subject()
            && self.applications.values().all(|own| {
                let by_certificate = own[0].registered().is_some();
                own.len() <= 2
                    && own.iter().all(|one| one.registered().is_some() == by_certificate)
                    && own.iter().filter_map(|one| one.registered()).all(|one| registered.insert(one))
            })
    }

    /// Whether two applications have the same subject under a common CA.
    fn share_a_subject(&self) -> bool {
        let subject = |one: &Credential| match one {
            Credential::Dn(name, pin) => Some((true, *name, *pin)),
            Credential::Dns(name, pin) => Some((false, *name, *pin)),
            Credential::Thumbprint(_) | Credential::File(_) => None,
        };
        let all: Vec<_> = self
            .applications
            .iter()
            .flat_map(|(id, own)| own.iter().filter_map(move |one| Some((id, subject(one)?))))
            .collect();
        all.iter().any(|(id, (is_dn, name, pin))| {
            all.iter().any(|(other_id, (other_is_dn, other, other_pin))| {
                let pins_meet = pin.is_none() || other_pin.is_none() || pin == other_pin;
                id != other_id && is_dn == other_is_dn && name == other && pins_meet
            })
        })
    }

    /// Whether a chain to a client CA verifies.
    fn verifies(&self, certificate: Certificate) -> bool {
        let Some(issuer) = certificate.issuer() else { return false };
        let revoked = |issuer: Issuer, serial: u64| self.lists[&issuer].revoked.contains(&serial);
        !certificate.expired()
            && issuer.path().iter().any(|ca| self.authorities.contains(ca))
            && issuer.path().iter().all(|ca| self.judge_by_stale_lists || !self.lists[ca].stale)
            && !revoked(issuer, certificate.serial())
            && !(issuer == Issuer::Intermediate && revoked(Issuer::Corp, INTERMEDIATE))
    }

    /// The verdict by which a certificate authenticates an application; none if it does not.
    fn passes(&self, application: Application, certificate: Certificate) -> Option<&'static str> {
        let bears = |name: Name, pin: Option<Issuer>| {
            let path = certificate.issuer().map_or(&[][..], Issuer::path);
            certificate.name() == name
                && self.verifies(certificate)
                && pin.is_none_or(|pin| path.contains(&pin))
        };
        let own = self.applications.get(&application)?;
        own.iter().filter(|_| !certificate.expired()).find_map(|credential| match credential {
            Credential::Thumbprint(one) | Credential::File(one) => {
                (*one == certificate).then_some(match certificate.issuer() {
                    None => "FAILED:self signed certificate",
                    Some(_) => "FAILED:unable to get local issuer certificate",
                })
            }
            Credential::Dn(name, pin) | Credential::Dns(name, pin) => bears(*name, *pin).then_some("SUCCESS"),
        })
    }

    /// The application that a certificate belongs to. One that has registered its thumbprint takes precedence.
    pub fn owner(&self, certificate: Certificate) -> Option<(Application, &'static str)> {
        let owners = || {
            let all = self.applications.keys();
            all.filter_map(|one| self.passes(*one, certificate).map(|verdict| (*one, verdict)))
        };
        owners().find(|(_, verdict)| *verdict != "SUCCESS").or_else(|| owners().next())
    }

    /// The response to a request; `open` if the connection is already open.
    pub fn answer(
        &self,
        certificate: Option<Certificate>,
        named: Named,
        route: Route,
        open: bool,
    ) -> Expected {
        if self.require_certificate && certificate.is_none() {
            return if open { invalid_client(true) } else { Expected::NoHandshake };
        }
        let verdict = match (self.routes[&route], certificate, named) {
            (Authenticate::None, ..) => return Expected::Served { verdict: None },
            // Such a connection can be used for other routes.
            (_, None, _) => return invalid_client(false),
            (Authenticate::Certificate, Some(certificate), _) => self.owner(certificate).map(|owner| owner.1),
            (Authenticate::Client, _, Named::Nobody) => {
                return Expected::Refused { status: 400, error: "invalid_request", closes: false };
            }
            (Authenticate::Client, _, Named::Unknown) => None,
            (Authenticate::Client, Some(certificate), Named::Application(one)) => {
                self.passes(one, certificate)
            }
        };
        verdict.map_or(invalid_client(true), |verdict| Expected::Served { verdict: Some(verdict) })
    }
}
