//! The steps of the model test, and their proptest strategies.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    certificates::{CERTIFICATES, Certificate, INTERMEDIATE, ISSUERS, Issuer, Name},
    trust::{APPLICATIONS, Application, Authenticate, Credential, Edit, Named, Route},
};

#[derive(Clone, Debug)]
pub enum Step {
    /// Changes that are written at once. Without any, the edge gets a SIGHUP.
    Edit(Vec<Edit>),
    Ask(Request),
}

#[derive(Clone, Debug)]
pub struct Request {
    pub over: Over,
    pub certificate: Option<Certificate>,
    pub named: Whom,
    pub route: Route,
}

/// The connection of a request.
#[derive(Clone, Copy, Debug)]
pub enum Over {
    New {
        http2: bool,
    },
    /// An open connection with any certificate, or a new one if none is open.
    Kept(usize),
    /// A new connection of a client that resumes a session if it has one.
    Resumed {
        tls12: bool,
        http2: bool,
    },
}

/// The client that a request names.
#[derive(Clone, Copy, Debug)]
pub enum Whom {
    /// The application that the certificate belongs to, or belonged to last.
    Own,
    This(Named),
}

pub fn steps(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let edits = prop_oneof![6 => vec(edit(), 1), 2 => vec(edit(), 2..4), 1 => Just(Vec::new())];
    let step = prop_oneof![3 => edits.prop_map(Step::Edit), 7 => request().prop_map(Step::Ask)];
    // At least one step, since a failing sequence cannot be shrunk below the minimum.
    vec(step, 1..=most)
}

fn application() -> impl Strategy<Value = Application> {
    select(&APPLICATIONS[..])
}

fn certificate() -> impl Strategy<Value = Certificate> {
    select(&CERTIFICATES[..])
}

fn registered() -> impl Strategy<Value = Credential> {
    (certificate(), any::<bool>()).prop_map(|(certificate, file)| {
        if file { Credential::File(certificate) } else { Credential::Thumbprint(certificate) }
    })
}

fn by_ca() -> impl Strategy<Value = Credential> {
    let name = prop_oneof![3 => Just(Name::Payments), 1 => Just(Name::Invoices)];
    let pin = option::of(select(&ISSUERS[..]));
    (name, pin, any::<bool>())
        .prop_map(|(name, pin, dns)| if dns { Credential::Dns(name, pin) } else { Credential::Dn(name, pin) })
}

fn credential() -> impl Strategy<Value = Credential> {
    prop_oneof![registered(), by_ca()]
}

fn serial() -> impl Strategy<Value = u64> {
    prop_oneof![select(&CERTIFICATES[..]).prop_map(Certificate::serial), Just(INTERMEDIATE)]
}

fn edit() -> impl Strategy<Value = Edit> {
    let several = prop_oneof![vec(registered(), 1..=2), vec(by_ca(), 1..=2)];
    let asks = select(&[Authenticate::Client, Authenticate::Certificate, Authenticate::None][..]);
    let route = select(&[Route::Token, Route::Other][..]);
    // Weighted so that CAs are usually trusted and often revoke, which gives both something to change.
    let mostly = || prop::bool::weighted(0.6);
    prop_oneof![
        3 => (application(), credential()).prop_map(|(one, credential)| Edit::Add(one, credential)),
        2 => (application(), 0..2usize, credential()).prop_map(|(one, at, with)| Edit::Replace(one, at, with)),
        2 => (application(), 0..2usize).prop_map(|(one, at)| Edit::Remove(one, at)),
        1 => application().prop_map(Edit::RemoveApplication),
        4 => (application(), several).prop_map(|(one, credentials)| Edit::Register(one, credentials)),
        2 => (certificate(), application()).prop_map(|(one, to)| Edit::Move(one, to)),
        2 => (select(&[Issuer::Corp, Issuer::Twin][..]), mostly()).prop_map(|(ca, yes)| Edit::Authority(ca, yes)),
        3 => (select(&ISSUERS[..]), serial(), mostly()).prop_map(|(ca, serial, yes)| Edit::Revoke(ca, serial, yes)),
        2 => (select(&ISSUERS[..]), any::<bool>()).prop_map(|(ca, stale)| Edit::Stale(ca, stale)),
        2 => any::<bool>().prop_map(Edit::JudgeByStaleLists),
        2 => any::<bool>().prop_map(Edit::RequireCertificate),
        1 => (route, asks).prop_map(|(route, asks)| Edit::Authenticate(route, asks)),
        1 => Just(Edit::UnknownKey),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let over = prop_oneof![
        2 => any::<bool>().prop_map(|http2| Over::New { http2 }),
        4 => (0..64usize).prop_map(Over::Kept),
        3 => (any::<bool>(), any::<bool>()).prop_map(|(tls12, http2)| Over::Resumed { tls12, http2 }),
    ];
    let named = prop_oneof![
        6 => Just(Whom::Own),
        2 => application().prop_map(|one| Whom::This(Named::Application(one))),
        1 => select(&[Named::Unknown, Named::Nobody][..]).prop_map(Whom::This),
    ];
    let route = prop_oneof![3 => Just(Route::Token), 1 => Just(Route::Other)];
    (over, option::weighted(0.9, certificate()), named, route)
        .prop_map(|(over, certificate, named, route)| Request { over, certificate, named, route })
}
