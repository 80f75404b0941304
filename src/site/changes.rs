//! What a reload changed, by name, for the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    mem::discriminant,
    sync::Arc,
};

use super::{Domain, Site, TokenIssuer};
use crate::{
    identity::{Authorities, Purpose},
    trust::{Application, Keys, Method, Registry},
};

/// Names listed in one line; further ones are counted.
const LISTED: usize = 20;

/// The difference between two sites. If a list is long, the names that are logged are first, and sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// `application a`, `credential a/b`, `domain c`, `client CA "d"`, `CRL of "d"`.
    pub added: Vec<String>,
    /// In the same form as `added`.
    pub removed: Vec<String>,
    /// Credentials that match something else under the same name; renewed CRLs; CRL settings; parts of a domain; other settings.
    pub changed: Vec<String>,
}

impl Changes {
    /// What is in `after` and was not in `before`, and the reverse. Costs as much as what the two sites do not share.
    #[must_use]
    pub fn between(before: &Site, after: &Site) -> Self {
        let mut changes = Self::default();
        changes.registry(&before.trust.registry, &after.trust.registry);
        if !Arc::ptr_eq(&before.trust.authorities, &after.trust.authorities) {
            changes.authorities(&before.trust.authorities, &after.trust.authorities);
        }
        for (what, differs) in [
            ("limits", before.limits != after.limits),
            (
                "treatment of unknown applications",
                before.trust.unknown_applications != after.trust.unknown_applications,
            ),
            ("trusted proxies", before.trusted_proxies != after.trusted_proxies),
            ("allowed and denied addresses", before.clients != after.clients),
            ("admin hosts", before.admin.hosts != after.admin.hosts),
            ("admin token", before.admin.tokens != after.admin.tokens),
            ("TLS of the admin address", !before.admin.has_tls(after.admin.tls.as_ref())),
            ("PROXY protocol", before.proxy_protocol != after.proxy_protocol),
            ("traces", before.traces != after.traces),
        ] {
            if differs {
                changes.changed.push(what.to_owned());
            }
        }
        changes.token_issuers(before, after);
        for (name, domain) in &after.domains {
            match before.domains.get(name) {
                None => changes.added.push(format!("domain {name}")),
                Some(old) => {
                    let config = |site: &Site, of| Arc::clone(site.configs_of(of).all_groups());
                    if !Arc::ptr_eq(&config(before, old), &config(after, domain)) {
                        changes.changed.push(format!("TLS of domain {name}"));
                    }
                    changes.domain(old, domain);
                }
            }
        }
        let gone = before.domains.keys().filter(|name| !after.domains.contains_key(*name));
        changes.removed.extend(gone.map(|name| format!("domain {name}")));
        for list in [&mut changes.added, &mut changes.removed, &mut changes.changed] {
            if list.len() > LISTED {
                list.select_nth_unstable(LISTED);
            }
            let listed = list.len().min(LISTED);
            list.get_mut(..listed).unwrap_or_default().sort_unstable();
        }
        changes
    }

    fn domain(&mut self, before: &Domain, after: &Domain) {
        for (what, differs) in [
            ("routes", before.routes != after.routes),
            ("upstream", before.target != after.target),
            ("header profile", !before.profile.is_same(&after.profile)),
            ("issuer", before.issuer != after.issuer),
            ("security profile", before.security_profile != after.security_profile),
        ] {
            if differs {
                self.changed.push(format!("{what} of domain {}", after.name));
            }
        }
    }

    fn token_issuers(&mut self, before: &Site, after: &Site) {
        fn find<'s>(site: &'s Site, name: &str) -> Option<&'s Arc<TokenIssuer>> {
            site.token_issuers.iter().find(|issuer| &*issuer.name == name)
        }
        for issuer in &after.token_issuers {
            match find(before, &issuer.name) {
                None => self.added.push(format!("token issuer \"{}\"", issuer.name)),
                Some(old) if old.rules == issuer.rules && old.verification != issuer.verification => {
                    self.changed.push(format!("keys of token issuer \"{}\"", issuer.name));
                }
                Some(old) if old != issuer => self.changed.push(format!("token issuer \"{}\"", issuer.name)),
                Some(_) => {}
            }
        }
        let gone = before.token_issuers.iter().filter(|issuer| find(after, &issuer.name).is_none());
        self.removed.extend(gone.map(|issuer| format!("token issuer \"{}\"", issuer.name)));
    }

    /// A renewed CA is a removed and an added one of the same name; a renewed CRL is a changed one.
    fn authorities(&mut self, before: &Authorities, after: &Authorities) {
        let cas = |of: &Authorities| -> BTreeMap<[u8; 32], String> {
            of.client_cas().map(|ca| (*ca.thumbprint.as_bytes(), ca.subject)).collect()
        };
        if before.policy() != after.policy() {
            self.changed.push("CRL settings".to_owned());
        }
        let (old, new) = (cas(before), cas(after));
        let lacking = |one: &BTreeMap<_, String>, other: &BTreeMap<_, String>| -> Vec<String> {
            let only = one.iter().filter(|(thumbprint, _)| !other.contains_key(*thumbprint));
            only.map(|(_, subject)| format!("client CA \"{subject}\"")).collect()
        };
        self.added.extend(lacking(&new, &old));
        self.removed.extend(lacking(&old, &new));

        let purposes = |of: &Authorities| -> BTreeMap<[u8; 32], Purpose> {
            of.client_cas().map(|ca| (*ca.thumbprint.as_bytes(), ca.purpose)).collect()
        };
        let (were, are) = (purposes(before), purposes(after));
        let differs =
            |thumbprint: &[u8; 32]| are.get(thumbprint).is_some_and(|are| were.get(thumbprint) != Some(are));
        let changed = old.iter().filter(|(thumbprint, _)| differs(thumbprint));
        self.changed.extend(changed.map(|(_, subject)| format!("eku of client CA \"{subject}\"")));

        let crls = |of: &Authorities| {
            let mut lists = BTreeMap::<String, BTreeSet<[u8; 32]>>::new();
            for crl in of.crls() {
                lists.entry(crl.issuer).or_default().insert(crl.hash);
            }
            lists
        };
        let (old, new) = (crls(before), crls(after));
        for (issuer, lists) in &new {
            match old.get(issuer) {
                None => self.added.push(format!("CRL of \"{issuer}\"")),
                Some(before) if before != lists => self.changed.push(format!("CRL of \"{issuer}\"")),
                Some(_) => {}
            }
        }
        let gone = old.keys().filter(|issuer| !new.contains_key(*issuer));
        self.removed.extend(gone.map(|issuer| format!("CRL of \"{issuer}\"")));
    }

    fn registry(&mut self, before: &Registry, after: &Registry) {
        for difference in before.differences(after) {
            match difference {
                (None, Some(new)) => self.added.push(format!("application {}", new.client_id)),
                (Some(old), None) => self.removed.push(format!("application {}", old.client_id)),
                (Some(old), Some(new)) => self.application(old, new),
                (None, None) => {}
            }
        }
    }

    fn application<'a>(&mut self, before: &'a Application, after: &'a Application) {
        let id = &after.client_id;
        let registered = |of: &'a Application, role, name: &str| {
            of.registrations().find(|(other, one)| *other == role && one.name == name).map(|(_, one)| one)
        };
        for (role, credential) in after.registrations() {
            let named = || format!("{} {id}/{}", role.key(), credential.name);
            match registered(before, role, credential.name) {
                None => self.added.push(named()),
                Some(old) if !old.matches_the_same(&credential) => self.changed.push(named()),
                Some(_) => {}
            }
        }
        let gone = before.registrations().filter(|(role, old)| registered(after, *role, old.name).is_none());
        self.removed.extend(gone.map(|(role, old)| format!("{} {id}/{}", role.key(), old.name)));
        if before.method.kind() != after.method.kind() {
            self.changed.push(format!("method of {id}"));
        }
        if before.rules != after.rules || discriminant(&before.binding) != discriminant(&after.binding) {
            self.changed.push(format!("rules of {id}"));
        }
        if let (Method::PrivateKeyJwt(Keys::Published(old)), Method::PrivateKeyJwt(Keys::Published(new))) =
            (&before.method, &after.method)
            && old != new
        {
            self.changed.push(format!("published keys of {id}"));
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (what, names) in [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)]
        {
            if names.is_empty() {
                continue;
            }
            let listed = names.get(..LISTED).unwrap_or(names).join(", ");
            let more = names.len().saturating_sub(LISTED);
            let separator = if first { "" } else { "; " };
            write!(f, "{separator}{what} {listed}")?;
            if more > 0 {
                write!(f, " and {more} more")?;
            }
            first = false;
        }
        if first { f.write_str("none") } else { Ok(()) }
    }
}
