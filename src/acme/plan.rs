//! What is ordered, from whom, and where it is written.

use std::path::PathBuf;

use crate::config::{
    Spanned,
    settings::{Acme, Settings},
};

/// The settings that orders depend on.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) acme: Acme,
    pub(super) domains: Vec<Domain>,
}

/// A domain whose certificate is ordered.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    pub(super) name: Box<str>,
    /// The file with its certificate and key.
    pub(super) file: Spanned<PathBuf>,
}

impl Plan {
    /// None if no certificate is ordered.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        let ordered = settings.domains.iter().filter(|domain| domain.acme);
        let domain = |domain: &crate::config::settings::Domain| {
            let file = domain.key_pairs.first()?.certificate.clone();
            Some(Domain { name: domain.name.value.as_str().into(), file })
        };
        let domains: Vec<Domain> = ordered.filter_map(domain).collect();
        Some(Self { acme: settings.acme.clone()?, domains }).filter(|plan| !plan.domains.is_empty())
    }

    /// The URL of the CA's directory.
    pub(super) fn directory(&self) -> String {
        let url = &self.acme.directory.value;
        format!("{}{}", url.origin.url(), url.target)
    }

    /// Whether the same is ordered in the same way, wherever the file of the configuration says so.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = |(own, other): (&Domain, &Domain)| own.is_same(other);
        self.has_same_ca(other)
            && self.domains.len() == other.domains.len()
            && self.domains.iter().zip(&other.domains).all(same)
    }

    /// Whether an order for this domain by the other plan is one by this plan, too.
    pub(super) fn orders(&self, domain: &Domain, other: &Self) -> bool {
        self.has_same_ca(other) && self.domains.iter().any(|own| own.is_same(domain))
    }

    /// Whether both order from the same CA in the same way.
    pub(super) fn has_same_ca(&self, other: &Self) -> bool {
        let account = |plan: &Self| {
            let external = plan.acme.external_account.clone();
            external.map(|account| (account.key_id.value, account.key.value))
        };
        let Acme { directory, contact, state, profile, ca, external_account: _ } = &self.acme;
        *directory.value.target == other.acme.directory.value.target
            && directory.value.origin == other.acme.directory.value.origin
            && *contact == other.acme.contact
            && *state == other.acme.state
            && *profile == other.acme.profile
            && ca.as_ref().map(|ca| &ca.value) == other.acme.ca.as_ref().map(|ca| &ca.value)
            && account(self) == account(other)
    }
}

impl Domain {
    fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.file.value == other.file.value
    }
}
