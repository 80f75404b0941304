//! The CAs that credentials are pinned to: whether a chain to a client CA can hold one.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls_pki_types::CertificateDer;

use crate::load::{authorities::shown, pem::read_certificates};
use crate::{
    config::{Fault, Problem, Spanned, file, settings},
    identity::{ClientCertificate, DistinguishedName, is_issued_by, spki_hash},
};

/// The pins of a registry, each file read once.
#[derive(Debug, Default)]
pub(super) struct Pins {
    keys: HashMap<PathBuf, Result<Arc<[u8; 32]>, Fault>>,
    /// Those that were read, with the first place that names them.
    read: Vec<(Spanned<PathBuf>, CertificateDer<'static>)>,
}

impl Pins {
    /// The hash of the key of the one CA in a file.
    pub(super) fn key(&mut self, file: &Spanned<PathBuf>) -> Result<Arc<[u8; 32]>, Fault> {
        if let Some(known) = self.keys.get(&file.value) {
            return known.clone();
        }
        let key = one_ca(&file.value).map(|(ca, key)| {
            self.read.push((file.clone(), ca));
            Arc::new(key)
        });
        self.keys.insert(file.value.clone(), key.clone());
        key
    }

    /// The pins that no chain can hold: CAs that are no client CA and that none has issued.
    pub(super) fn problems(&self, trust: &settings::Trust) -> Vec<Problem> {
        if self.read.is_empty() {
            return Vec::new();
        }
        let cas: Vec<CertificateDer<'static>> = client_cas(trust).collect();
        self.read.iter().filter_map(|(file, ca)| problem(file, ca, &cas)).collect()
    }

    /// Which of the client CAs and the pinned CAs have issued which.
    pub(super) fn ancestry(&self, trust: &settings::Trust) -> Ancestry {
        let pinned = self.read.iter().map(|(_, ca)| ca.clone());
        Ancestry::of(&client_cas(trust).chain(pinned).filter_map(Known::new).collect::<Vec<_>>())
    }
}

/// Those that can't be read are reported where they are named.
fn client_cas(trust: &settings::Trust) -> impl Iterator<Item = CertificateDer<'static>> + '_ {
    trust.client_ca.iter().filter_map(|ca| read_certificates(&ca.file.value).ok()).flatten()
}

/// A CA certificate whose names were read.
struct Known {
    der: CertificateDer<'static>,
    key: [u8; 32],
    subject: DistinguishedName,
    issuer: DistinguishedName,
}

impl Known {
    fn new(der: CertificateDer<'static>) -> Option<Self> {
        let facts = ClientCertificate::from_chain(std::slice::from_ref(&der)).ok()?;
        let (subject, issuer) = (facts.subject().clone(), facts.issuer().clone());
        Some(Self { key: spki_hash(&der).ok()?, der, subject, issuer })
    }
}

/// For each known CA the keys of those on its paths, its own among them.
#[derive(Debug)]
pub(super) struct Ancestry(Vec<HashSet<[u8; 32]>>);

impl Ancestry {
    fn of(cas: &[Known]) -> Self {
        let mut by_name: HashMap<&DistinguishedName, Vec<&Known>> = HashMap::new();
        for ca in cas {
            by_name.entry(&ca.subject).or_default().push(ca);
        }
        let mut issuers: HashMap<[u8; 32], HashSet<[u8; 32]>> = HashMap::new();
        for ca in cas {
            let known = issuers.entry(ca.key).or_default();
            for issuer in by_name.get(&ca.issuer).into_iter().flatten() {
                let is_new = issuer.key != ca.key && !known.contains(&issuer.key);
                if is_new && is_issued_by(&ca.der, &issuer.der) {
                    known.insert(issuer.key);
                }
            }
        }
        let above = |key: &[u8; 32]| {
            let (mut found, mut next) = (HashSet::from([*key]), vec![*key]);
            while let Some(key) = next.pop() {
                let issuers = issuers.get(&key).into_iter().flatten();
                next.extend(issuers.filter(|issuer| found.insert(**issuer)));
            }
            found
        };
        Self(issuers.keys().map(above).collect())
    }

    /// Whether one path can hold both keys.
    pub(super) fn meet(&self, one: &[u8; 32], other: &[u8; 32]) -> bool {
        self.0.iter().any(|path| path.contains(one) && path.contains(other))
    }
}

fn problem(
    file: &Spanned<PathBuf>,
    pin: &CertificateDer<'static>,
    cas: &[CertificateDer<'static>],
) -> Option<Problem> {
    const KEY: &str = "application.credential.ca";
    let key = spki_hash(pin).ok()?;
    let is_known =
        cas.iter().any(|ca| spki_hash(ca).is_ok_and(|other| other == key) || is_issued_by(pin, ca));
    if is_known {
        return None;
    }
    let facts = ClientCertificate::from_chain(std::slice::from_ref(pin)).ok()?;
    let (shown, subject, issuer) = (shown(file), facts.subject().to_rfc4514(), facts.issuer().to_rfc4514());
    let is_client_ca = |ca: &CertificateDer<'_>| {
        ClientCertificate::from_chain(std::slice::from_ref(ca)).is_ok_and(|ca| ca.subject() == facts.issuer())
    };
    // Its issuer may be an intermediate that clients present.
    if !facts.is_self_issued() && !cas.iter().any(is_client_ca) {
        let what = format!("{shown}: the CA {subject:?} is not a client CA, nor is its issuer {issuer:?}");
        return Some(Problem::warning(&file.span, KEY, what).help(
            "only a chain that leads from this CA through its issuer to a client CA is accepted: name one of them under [trust] client_ca",
        ));
    }
    let what = format!(
        "{shown}: the CA {subject:?} is neither a client CA nor issued by one: no certificate could match"
    );
    Some(
        Problem::error(&file.span, KEY, what)
            .help("add it to [trust] client_ca, or pin a CA that is listed there"),
    )
}

fn one_ca(file: &Path) -> Result<(CertificateDer<'static>, [u8; 32]), Fault> {
    let fault = |fault: String| file::fault(file, fault);
    match read_certificates(file)?.as_slice() {
        [ca] => spki_hash(ca)
            .map(|key| (ca.clone(), key))
            .map_err(|error| fault(format!(" cannot be used: {error}"))),
        several => Err(fault(format!(" holds {} certificates, expected the one CA", several.len()))),
    }
}
