//! The client certificates of the model test with the facts that the model uses, and the CRLs of the CAs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex},
};

use rcgen::{CertificateParams, SanType, SerialNumber};

use crate::support::{
    Ca, Credentials,
    certificates::{self_signed_with, time_from_now},
};

/// A CA. The first two are roots with the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Issuer {
    Corp,
    Twin,
    /// Issued by `Corp`.
    Intermediate,
}

pub const ISSUERS: [Issuer; 3] = [Issuer::Corp, Issuer::Twin, Issuer::Intermediate];

impl Issuer {
    /// The CAs from this one to its root.
    pub fn path(self) -> &'static [Self] {
        match self {
            Self::Corp => &[Self::Corp],
            Self::Twin => &[Self::Twin],
            Self::Intermediate => &[Self::Intermediate, Self::Corp],
        }
    }

    /// The name of its files.
    pub fn file(self) -> &'static str {
        match self {
            Self::Corp => "corp",
            Self::Twin => "twin",
            Self::Intermediate => "intermediate",
        }
    }

    pub fn ca(self) -> &'static Ca {
        &POOL.cas[self as usize]
    }
}

/// The common name of the subject; the DNS name follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    Payments,
    Invoices,
}

impl Name {
    pub fn common(self) -> &'static str {
        match self {
            Self::Payments => "payments",
            Self::Invoices => "invoices",
        }
    }
}

/// A client certificate, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certificate {
    SelfSigned,
    OtherSelfSigned,
    SelfSignedExpired,
    Corp,
    CorpInvoices,
    CorpExpired,
    /// Issued by the other CA with the name of `Corp`, with the same subject and serial number.
    Twin,
    BelowIntermediate,
}

pub const CERTIFICATES: [Certificate; 8] = [
    Certificate::SelfSigned,
    Certificate::OtherSelfSigned,
    Certificate::SelfSignedExpired,
    Certificate::Corp,
    Certificate::CorpInvoices,
    Certificate::CorpExpired,
    Certificate::Twin,
    Certificate::BelowIntermediate,
];

/// The serial number of the intermediate CA.
pub const INTERMEDIATE: u64 = 50;

impl Certificate {
    pub fn name(self) -> Name {
        match self {
            Self::SelfSigned | Self::CorpInvoices => Name::Invoices,
            _ => Name::Payments,
        }
    }

    /// None for a self-signed certificate.
    pub fn issuer(self) -> Option<Issuer> {
        match self {
            Self::SelfSigned | Self::OtherSelfSigned | Self::SelfSignedExpired => None,
            Self::Corp | Self::CorpInvoices | Self::CorpExpired => Some(Issuer::Corp),
            Self::Twin => Some(Issuer::Twin),
            Self::BelowIntermediate => Some(Issuer::Intermediate),
        }
    }

    pub fn serial(self) -> u64 {
        match self {
            Self::CorpInvoices => 102,
            Self::CorpExpired => 103,
            Self::BelowIntermediate => 104,
            _ => 101,
        }
    }

    pub fn expired(self) -> bool {
        matches!(self, Self::SelfSignedExpired | Self::CorpExpired)
    }

    pub fn credentials(self) -> &'static Credentials {
        &POOL.certificates[self as usize]
    }

    pub fn thumbprint(self) -> &'static str {
        &POOL.thumbprints[self as usize]
    }

    fn make(self, cas: &[Ca]) -> Credentials {
        let name = self.name().common();
        let change = |params: &mut CertificateParams| {
            params.serial_number = Some(SerialNumber::from(self.serial()));
            let dns = format!("{name}.example.com");
            params.subject_alt_names = vec![SanType::DnsName(dns.try_into().unwrap())];
            if self.expired() {
                params.not_after = time_from_now(-60);
            }
        };
        match self.issuer() {
            None => self_signed_with(name, change),
            Some(issuer) => cas[issuer as usize].issue(name, change),
        }
    }
}

struct Pool {
    cas: [Ca; 3],
    certificates: Vec<Credentials>,
    thumbprints: Vec<String>,
}

static POOL: LazyLock<Pool> = LazyLock::new(|| {
    let corp = Ca::new("Corp CA");
    let intermediate = corp
        .intermediate("Issuing CA", |params| params.serial_number = Some(SerialNumber::from(INTERMEDIATE)));
    let cas = [corp, Ca::new("Corp CA"), intermediate];
    let certificates: Vec<Credentials> = CERTIFICATES.iter().map(|one| one.make(&cas)).collect();
    let thumbprints = certificates.iter().map(Credentials::thumbprint).collect();
    Pool { cas, certificates, thumbprints }
});

/// The content of a CA's CRL.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct List {
    pub revoked: BTreeSet<u64>,
    pub stale: bool,
}

/// The CRL in PEM. Equal CRLs are signed once, so that an unchanged CRL is the same file.
pub fn signed(issuer: Issuer, list: &List) -> String {
    static SIGNED: Mutex<BTreeMap<(Issuer, List), String>> = Mutex::new(BTreeMap::new());
    let sign = || {
        let serials: Vec<u64> = list.revoked.iter().copied().collect();
        let (from, to) = if list.stale { (-7200, -3600) } else { (-3600, 86_400) };
        issuer.ca().crl_between(&serials, from, to)
    };
    SIGNED.lock().unwrap().entry((issuer, list.clone())).or_insert_with(sign).clone()
}
