//! Loads the CAs that credentials are pinned to, and checks whether a path to a client CA can contain them.

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

/// The pinned CAs of a registry. Each file is read once.
#[derive(Debug, Default)]
pub(super) struct Pins {
    keys: HashMap<PathBuf, Result<Arc<[u8; 32]>, Fault>>,
    /// The loaded CAs, each with the first place that references its file.
    loaded: Vec<(Spanned<PathBuf>, CertificateDer<'static>)>,
}

impl Pins {
    /// Loads the one CA in a file, and returns the SHA-256 hash of its public key.
    pub(super) fn load_key(&mut self, file: &Spanned<PathBuf>) -> Result<Arc<[u8; 32]>, Fault> {
        if let Some(known) = self.keys.get(&file.value) {
            return known.clone();
        }
        let key = single_ca(&file.value).map(|(ca, key)| {
            self.loaded.push((file.clone(), ca));
            Arc::new(key)
        });
        self.keys.insert(file.value.clone(), key.clone());
        key
    }

    /// Reports the pins that no path can contain: CAs that are neither a client CA nor issued by one.
    pub(super) fn unreachable(&self, trust: &settings::Trust) -> Vec<Problem> {
        if self.loaded.is_empty() {
            return Vec::new();
        }
        let cas: Vec<CertificateDer<'static>> = client_cas(trust).collect();
        self.loaded.iter().filter_map(|(file, ca)| unreachable(file, ca, &cas)).collect()
    }

    /// The paths among the client CAs and the pinned CAs.
    pub(super) fn ancestry(&self, trust: &settings::Trust) -> Ancestry {
        let pinned = self.loaded.iter().map(|(_, ca)| ca.clone());
        Ancestry::of(&client_cas(trust).chain(pinned).filter_map(ParsedCa::new).collect::<Vec<_>>())
    }
}

/// Skips the files that cannot be read; they are reported by `authorities`.
fn client_cas(trust: &settings::Trust) -> impl Iterator<Item = CertificateDer<'static>> + '_ {
    trust.client_ca.iter().filter_map(|ca| read_certificates(&ca.file.value).ok()).flatten()
}

/// A CA certificate with its parsed names.
struct ParsedCa {
    der: CertificateDer<'static>,
    key: [u8; 32],
    subject: DistinguishedName,
    issuer: DistinguishedName,
}

impl ParsedCa {
    fn new(der: CertificateDer<'static>) -> Option<Self> {
        let facts = ClientCertificate::from_chain(std::slice::from_ref(&der)).ok()?;
        let (subject, issuer) = (facts.subject().clone(), facts.issuer().clone());
        Some(Self { key: spki_hash(&der).ok()?, der, subject, issuer })
    }
}

/// For each CA the keys of all CAs on its paths, including its own.
#[derive(Debug)]
pub(super) struct Ancestry(Vec<HashSet<[u8; 32]>>);

impl Ancestry {
    fn of(cas: &[ParsedCa]) -> Self {
        let mut by_name: HashMap<&DistinguishedName, Vec<&ParsedCa>> = HashMap::new();
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

    /// Whether one path can contain both keys.
    pub(super) fn share_a_path(&self, one: &[u8; 32], other: &[u8; 32]) -> bool {
        self.0.iter().any(|path| path.contains(one) && path.contains(other))
    }
}

fn unreachable(
    file: &Spanned<PathBuf>,
    pin: &CertificateDer<'static>,
    cas: &[CertificateDer<'static>],
) -> Option<Problem> {
    const KEY: &str = "application.credential.ca";
    let key = spki_hash(pin).ok()?;
    let is_reachable =
        cas.iter().any(|ca| spki_hash(ca).is_ok_and(|other| other == key) || is_issued_by(pin, ca));
    if is_reachable {
        return None;
    }
    let facts = ClientCertificate::from_chain(std::slice::from_ref(pin)).ok()?;
    let (shown, subject, issuer) = (shown(file), facts.subject().to_rfc4514(), facts.issuer().to_rfc4514());
    let is_client_ca = |ca: &CertificateDer<'_>| {
        ClientCertificate::from_chain(std::slice::from_ref(ca)).is_ok_and(|ca| ca.subject() == facts.issuer())
    };
    // Its issuer may be an intermediate CA that clients present.
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

fn single_ca(file: &Path) -> Result<(CertificateDer<'static>, [u8; 32]), Fault> {
    let fault = |fault: String| file::fault(file, fault);
    match read_certificates(file)?.as_slice() {
        [ca] => spki_hash(ca)
            .map(|key| (ca.clone(), key))
            .map_err(|error| fault(format!(" cannot be used: {error}"))),
        several => Err(fault(format!(" contains {} certificates, expected one CA", several.len()))),
    }
}
