//! The log line about something that expires: what, when, what happens then, and what to do.

use super::ending::{Ending, Thing};
use crate::{
    clock::Timestamp,
    identity::StaleCrl,
    trust::{Application, CredentialView, Role},
};

/// Which one it is: the fields that only some things have.
#[derive(Default)]
struct Names<'a> {
    domain: Option<&'a str>,
    key_type: Option<&'a str>,
    upstream: Option<&'a str>,
    subject: Option<&'a str>,
    issuer: Option<&'a str>,
    client_id: Option<&'a str>,
    credential: Option<&'a str>,
    table: Option<String>,
    ends_by: Option<&'a str>,
}

impl Ending<'_> {
    /// Logs a warning before the end; after it, an error, or a warning if nothing is refused.
    pub(super) fn log(&self, now: Timestamp) {
        let Names { domain, key_type, upstream, subject, issuer, client_id, credential, table, ends_by } =
            self.names();
        let is_over = self.over_from() <= now;
        let event = match self.thing {
            _ if !is_over => "expires soon",
            Thing::Crl(..) => "is stale",
            _ => "has expired",
        };
        let message = format!("{} {event}", self.thing.name());
        let days_left = (!is_over).then(|| self.end.days_since(now));
        let (table, help, then) = (table.as_deref(), self.help(), is_over.then(|| self.then()));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    domain, key_type, upstream, subject, issuer, client_id, credential, table, expires = %self.end,
                    days_left, ends_by, then, help, "{message}"
                )
            };
        }
        if is_over && !matches!(self.thing, Thing::Crl(_, StaleCrl::Report)) {
            line!(error);
        } else {
            line!(warn);
        }
    }

    fn names(&self) -> Names<'_> {
        match &self.thing {
            Thing::ServerCertificate { domain, key_type } => Names {
                domain: Some(&domain.name),
                key_type: domain.tls.has_several_certificates().then(|| key_type.as_str()),
                ..Names::default()
            },
            Thing::AdminCertificate => Names::default(),
            Thing::UpstreamCertificate { upstream } => Names { upstream: Some(upstream), ..Names::default() },
            Thing::ClientCa(ca) => Names { subject: Some(&ca.subject), ..Names::default() },
            Thing::Crl(crl, _) => Names { issuer: Some(&crl.issuer), ..Names::default() },
            Thing::Credential { application, role, credential } => Names {
                client_id: Some(application.client_id.as_str()),
                credential: Some(credential.name),
                table: Some(table(*role)),
                ends_by: Some(if credential.expires_at == Some(self.end) {
                    "expires_at"
                } else {
                    "certificate"
                }),
                ..Names::default()
            },
        }
    }

    /// What happens once it has expired.
    const fn then(&self) -> &'static str {
        match &self.thing {
            Thing::ServerCertificate { .. } => "clients abort handshakes with this domain",
            Thing::AdminCertificate => "operators and scrapers abort handshakes with the admin address",
            Thing::UpstreamCertificate { .. } => "the upstream may refuse the edge's connections",
            Thing::ClientCa(_) => {
                "the certificates that it issued are refused, unless another client CA verifies them"
            }
            Thing::Crl(_, StaleCrl::Refuse) => "the certificates of this CA are refused",
            Thing::Crl(_, StaleCrl::Report) => "the certificates of this CA are judged by the stale CRL",
            Thing::Credential { role: Role::Authentication, .. } => {
                "requests that authenticate by it are refused"
            }
            Thing::Credential { role: Role::Binding, .. } => "requests with this certificate are refused",
            Thing::Credential { role: Role::RequestKey, .. } => "request objects of this key are refused",
        }
    }

    /// What the operator should do.
    pub(super) fn help(&self) -> String {
        let help = match &self.thing {
            Thing::ServerCertificate { domain, .. } if domain.renews_itself => {
                "see in `mtls-edge status` why it was not renewed"
            }
            Thing::ServerCertificate { .. } => {
                "renew it, and replace the domain's files `certificate` and `private_key`; the edge reloads them"
            }
            Thing::AdminCertificate => {
                "renew it, and replace the files `certificate` and `private_key` of [admin]; the edge reloads them"
            }
            Thing::UpstreamCertificate { .. } => {
                "renew it, and replace the upstream's files `client_certificate` and `private_key`; the edge reloads them"
            }
            Thing::ClientCa(_) => {
                "add the CA's next certificate to client_ca of [trust]; remove this one once no application needs it"
            }
            Thing::Crl(..) => {
                "write the CA's current CRL to the file; if the edge fetches it, `mtls-edge status` shows why there is no newer one"
            }
            Thing::Credential { application, role, credential } => {
                return credential_help(application, *role, credential, self.end);
            }
        };
        help.to_owned()
    }
}

/// Logs one line about the credentials that have expired, and one about those that expire soon, with their number and the soonest end.
pub(super) fn log_others<'a>(credentials: impl Iterator<Item = &'a Ending<'a>>, now: Timestamp) {
    let (over, soon): (Vec<_>, Vec<_>) = credentials.partition(|ending| ending.over_from() <= now);
    let help = "`mtls-edge status --expiring` lists the soonest, and /status?state=expired or =expiring all applications";
    let first = |endings: &[&Ending<'_>]| endings.iter().map(|ending| ending.end).min();
    if let Some(expires) = first(&over) {
        let then = "requests that authenticate by them are refused";
        tracing::error!(others = over.len(), %expires, then, help, "other credentials have expired");
    }
    if let Some(expires) = first(&soon) {
        tracing::warn!(others = soon.len(), %expires, help, "other credentials expire soon");
    }
}

/// The table in which a credential is configured.
fn table(role: Role) -> String {
    format!("application.{}", role.key())
}

/// What to do about a credential of `application` that expires at `end`.
fn credential_help(
    application: &Application,
    role: Role,
    credential: &CredentialView<'_>,
    end: Timestamp,
) -> String {
    let same_table = application.registrations().filter(|(other, _)| *other == role);
    let mut others = same_table.map(|(_, other)| other).filter(|other| other.name != credential.name);
    let table = table(role);
    match others.next() {
        Some(other) if other.registered_end().is_none_or(|other| other > end) => {
            format!("let the application switch to {:?}, and then remove this one", other.name)
        }
        Some(_) => format!(
            "replace one of the two [[{table}]] by the successor, let the application switch to it, and then remove the other"
        ),
        None => format!(
            "register the successor as a second [[{table}]], let the application switch to it, and then remove this one"
        ),
    }
}
