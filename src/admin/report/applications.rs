//! The applications of a status: selected, ordered, one page of them.

use std::{cmp::Ordering, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    admin::{
        query::{CredentialState, Query, SOON_DAYS, SortKey},
        status::{
            Application, Applications, Credential, RefusedApplication, RefusedApplications, Registered,
        },
    },
    clock::Timestamp,
    identity::SubjectAltName,
    trust::{
        self, CertificateMatch, CredentialView, Refusals, RegisteredKey, RegisteredRef, Registry, Role,
        Subject,
    },
};

/// The most refused applications that are listed.
const REFUSED: usize = 100;

/// The page that the query asks for.
pub(super) fn applications(registry: &Registry, query: &Query, now: Timestamp) -> Applications {
    if let Some(client_id) = &query.client_id {
        let list = registry.application(client_id).map(|application| of_application(application, now));
        return Applications {
            total: registry.len(),
            page: 1,
            pages: 1,
            per_page: query.per_page,
            list: list.into_iter().collect(),
        };
    }
    let search = query.search.to_ascii_lowercase();
    let is_selected = |application: &&Arc<trust::Application>| is_selected(application, query, &search, now);
    let mut all: Vec<(Key, &Arc<trust::Application>)> = registry
        .applications()
        .filter(is_selected)
        .map(|application| (Key::of(application, query.sort.by), application))
        .collect();
    let total = all.len();
    let order = |(a, left): &(Key, &Arc<trust::Application>),
                 (b, right): &(Key, &Arc<trust::Application>)| {
        let ids = left.client_id.cmp(&right.client_id);
        let ids =
            if query.sort.by == SortKey::ClientId && query.sort.descending { ids.reverse() } else { ids };
        a.compare(*b, query.sort.descending).then(ids)
    };
    let per_page = query.per_page;
    // Only this page is sorted: all others need only be before or after it.
    let from = (query.page - 1).saturating_mul(per_page).min(total);
    if from > 0 {
        all.select_nth_unstable_by(from - 1, order);
    }
    let rest = all.get_mut(from..).unwrap_or_default();
    if rest.len() > per_page {
        rest.select_nth_unstable_by(per_page, order);
    }
    let length = rest.len().min(per_page);
    let shown = rest.get_mut(..length).unwrap_or_default();
    shown.sort_unstable_by(order);
    Applications {
        total,
        page: query.page,
        pages: total.div_ceil(per_page).max(1),
        per_page,
        list: shown.iter().map(|(_, application)| of_application(application, now)).collect(),
    }
}

/// The applications that were refused after they were last served, or the one that the query names.
pub(super) fn refused(registry: &Registry, query: &Query) -> RefusedApplications {
    let wanted = query.client_id.as_ref();
    let is_wanted =
        |application: &&Arc<trust::Application>| wanted.is_none_or(|id| application.client_id.as_str() == id);
    let all = registry.applications().filter(is_wanted);
    let mut all: Vec<_> =
        all.filter_map(|application| Some((application, application.refusals.current()?))).collect();
    let order = |(a, one): &(&Arc<trust::Application>, Refusals),
                 (b, other): &(&Arc<trust::Application>, Refusals)| {
        other.last.cmp(&one.last).then_with(|| a.client_id.cmp(&b.client_id))
    };
    let total = all.len();
    if total > REFUSED {
        all.select_nth_unstable_by(REFUSED, order);
        all.truncate(REFUSED);
    }
    all.sort_unstable_by(order);
    let list =
        all.into_iter().map(|(application, Refusals { since, last, count, code })| RefusedApplication {
            client_id: application.client_id.to_string(),
            code: code.to_owned(),
            count,
            since,
            last,
            last_used: application.last_used(),
        });
    RefusedApplications { total, list: list.collect() }
}

fn is_selected(application: &trust::Application, query: &Query, search: &str, now: Timestamp) -> bool {
    let method = application.method.kind();
    let names = [application.client_id.as_str(), method.as_str()];
    let is_in = |credential: &CredentialView<'_>| match query.state {
        None => true,
        Some(state) => is_in_state(credential, state, now),
    };
    (search.is_empty() || names.iter().any(|name| name.to_ascii_lowercase().contains(search)))
        && query.method.is_none_or(|wanted| wanted == method)
        && (query.state.is_none() || application.registrations().any(|(_, credential)| is_in(&credential)))
}

fn is_in_state(credential: &CredentialView<'_>, state: CredentialState, now: Timestamp) -> bool {
    match state {
        CredentialState::Unused => credential.usage.last().is_none(),
        CredentialState::Expired => credential.ends().is_some_and(|end| end < now),
        CredentialState::Expiring => {
            credential.ends().is_some_and(|end| end >= now && end.days_since(now) < i64::from(SOON_DAYS))
        }
    }
}

/// What an application is ordered by before its `client_id`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    None,
    Method(&'static str),
    Time(Timestamp),
}

impl Key {
    fn of(application: &trust::Application, by: SortKey) -> Self {
        let credentials = || application.registrations().map(|(_, credential)| credential);
        let time = match by {
            SortKey::ClientId => None,
            SortKey::Method => return Self::Method(application.method.kind().as_str()),
            SortKey::Expires => credentials().filter_map(|credential| credential.ends()).min(),
            SortKey::LastUsed => credentials().filter_map(|credential| credential.usage.last()).max(),
        };
        time.map_or(Self::None, Self::Time)
    }

    /// Those without a value are last in either order.
    fn compare(self, other: Self, descending: bool) -> Ordering {
        let ordered = |ordering: Ordering| if descending { ordering.reverse() } else { ordering };
        match (self, other) {
            (Self::Method(a), Self::Method(b)) => ordered(a.cmp(b)),
            (Self::Time(a), Self::Time(b)) => ordered(a.cmp(&b)),
            (Self::None, Self::None) => Ordering::Equal,
            (Self::None, _) => Ordering::Greater,
            _ => Ordering::Less,
        }
    }
}

fn of_application(application: &trust::Application, now: Timestamp) -> Application {
    Application {
        client_id: application.client_id.as_str().to_owned(),
        method: application.method.kind().as_str().to_owned(),
        credentials: registered_for(application, Role::Authentication, now),
        certificates: registered_for(application, Role::Binding, now),
        request_keys: registered_for(application, Role::RequestKey, now),
    }
}

fn registered_for(application: &trust::Application, role: Role, now: Timestamp) -> Vec<Credential> {
    let registrations = application.registrations().filter(|(of, _)| *of == role);
    registrations.map(|(_, credential)| of_credential(credential, now)).collect()
}

fn of_credential(credential: CredentialView<'_>, now: Timestamp) -> Credential {
    let not_after = credential.not_after();
    let known_from = match (credential.certificate(), not_after) {
        (Some(_), _) => Some("the registered certificate"),
        (None, Some(_)) => Some("the last certificate that matched"),
        (None, None) => None,
    };
    Credential {
        name: credential.name.to_owned(),
        registered: Some(registered(credential.registered)),
        subject: credential.certificate().map(|certificate| certificate.subject.to_string()),
        expires_at: credential.expires_at,
        not_after,
        days_left: credential.ends().map(|end| end.days_since(now)),
        known_from: known_from.map(str::to_owned),
        last_used: credential.usage.last(),
    }
}

fn registered(viewed: RegisteredRef<'_>) -> Registered {
    let subject = match viewed {
        RegisteredRef::Certificate(certificate) => {
            return match certificate.matches {
                CertificateMatch::Thumbprint(thumbprint) => Registered::Thumbprint(thumbprint.to_string()),
                CertificateMatch::PublicKey(hash) => Registered::PublicKey(URL_SAFE_NO_PAD.encode(hash)),
            };
        }
        RegisteredRef::Key(RegisteredKey { key }) => {
            return Registered::PublicKey(key.thumbprint().to_string());
        }
        RegisteredRef::Secret(_) => return Registered::Secret("(hidden)".to_owned()),
        RegisteredRef::Subject(subject) => &subject.subject,
    };
    match subject {
        Subject::Dn(dn) => Registered::SubjectDn(dn.to_rfc4514()),
        Subject::San(SubjectAltName::Dns(name)) => Registered::SanDns(name.clone()),
        Subject::San(SubjectAltName::Uri(uri)) => Registered::SanUri(uri.clone()),
        Subject::San(SubjectAltName::Ip(ip)) => Registered::SanIp(ip.to_string()),
        Subject::San(SubjectAltName::Email(address)) => Registered::SanEmail(address.clone()),
    }
}
