//! How the edge judges a client certificate: which applications it authenticates, at which routes, and why not others.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use super::{Rule, Verdict, by, forwarded, when};
use crate::{
    authenticate::{
        AssertionRules, Attempt, Basis, ChainSlot, Denial, Mechanism, Presented, RefusalCache, judge_any,
        judge_binding, judge_client,
    },
    clock::Timestamp,
    identity::{ChainRefusal, ClientCertificate, Validity, unusable_key},
    replay::ReplayStore,
    request::vouching_headers,
    site::{Authenticate, Domain, Site},
    text::suggest::{all_of, quote},
    tls::ClientAuth,
    trust::{Application, Binding, CertificateMatch, ClientId, Method, RegisteredRef},
};

/// The verdict on a certificate, for the application with this `client_id`, or else for each that has registered it.
pub(in crate::cli) fn certificate(
    site: &Site,
    certificate: &ClientCertificate,
    client_id: Option<&str>,
    now: Timestamp,
) -> Verdict {
    if let Some(key) = unusable_key(certificate.spki_der()) {
        return Verdict::refused(format!("the handshake fails: {key}"));
    }
    let judged =
        Judged { site, certificate, now, chain: ChainSlot::default(), refusals: RefusalCache::default() };
    let applications: Vec<&Arc<Application>> = if let Some(id) = client_id {
        let Some(application) = site.trust.registry.application(id) else {
            return judged.unknown(&ClientId::new(id));
        };
        vec![application]
    } else {
        let mut all: Vec<_> = site.trust.registry.candidates(certificate).collect();
        all.extend(site.trust.registry.applications().filter(|application| judged.may_bind(application)));
        all.sort_by(|one, other| one.client_id.cmp(&other.client_id));
        all.dedup_by(|one, other| one.client_id == other.client_id);
        all
    };
    let subject = certificate.subject().to_rfc4514();
    let mut text = format!("certificate: {subject} (SHA-256 {})\n", certificate.thumbprint());
    text.push_str(&judged.chain());
    let mut verdict = Verdict { text, is_accepted: false };
    if applications.is_empty() {
        verdict.text.push_str("REFUSED: no application has registered this certificate, its key, its subject or one of its SANs; --client-id ID compares it with what that one has registered\n");
    }
    for application in applications {
        let of_one = judged.application(application);
        verdict.text.push_str(&of_one.text);
        verdict.is_accepted |= of_one.is_accepted;
    }
    verdict.add_awaiting(site);
    verdict
}

/// A certificate, and what it is judged by.
struct Judged<'a> {
    site: &'a Site,
    certificate: &'a ClientCertificate,
    now: Timestamp,
    chain: ChainSlot,
    refusals: RefusalCache,
}

impl Judged<'_> {
    const fn presented(&self) -> Presented<'_> {
        Presented { certificate: self.certificate, chain: &self.chain, refusals: &self.refusals }
    }

    /// Whether a client CA vouches for it, which `tls_client_auth` needs.
    fn chain(&self) -> String {
        match &*self.presented().verdict(&self.site.trust.authorities, self.now) {
            Ok(_) => "chain: verified by a client CA\n".to_owned(),
            Err(ChainRefusal::SelfSigned { .. }) => {
                "chain: none (self-signed); only tls_client_auth needs one\n".to_owned()
            }
            Err(refusal) => {
                format!("chain: no client CA vouches for it, as tls_client_auth requires: {refusal}\n")
            }
        }
    }

    fn unknown(&self, client_id: &ClientId) -> Verdict {
        forwarded(self.site, client_id, Mechanism::Certificate)
            .unwrap_or_else(|| Verdict::refused(Denial::UnknownClient(client_id.clone())))
    }

    /// The verdict on one application: a line of its own, and one for each domain that would accept it, or what its developer sees.
    fn application(&self, application: &Arc<Application>) -> Verdict {
        if matches!(application.method, Method::None) && application.binding == Binding::None {
            let text = format!(
                "{} (none): its requests are not authenticated, with or without a certificate\n",
                application.client_id
            );
            return Verdict { text, is_accepted: false };
        }
        let judge = |at| self.judge(application, at).map(|(_, by)| by).map_err(Rule::from);
        let verdict = when(self.now, &self.boundaries(application), judge);
        let method = application.method.kind().as_str();
        let mut text = format!("{} ({method}): {}\n", application.client_id, verdict.text);
        let mut is_accepted = false;
        match self.judge(application, self.now) {
            Ok((basis, _)) => {
                for domain in self.site.domains.values() {
                    let (line, serves) = self.domain(domain, application, &basis);
                    let _ = writeln!(text, "  {}: {line}", domain.name);
                    is_accepted |= serves;
                }
            }
            Err(denial) => {
                if matches!(denial, Denial::ThumbprintMismatch(_)) {
                    text.push_str(&self.registered_instead(application));
                }
                let _ = writeln!(text, "  the response: 401 invalid_client, {:?}", denial.description());
            }
        }
        Verdict { text, is_accepted }
    }

    /// What the application has registered, and who has registered the certificate.
    fn registered_instead(&self, application: &Application) -> String {
        let mut text = String::new();
        for credential in application.credentials() {
            let RegisteredRef::Certificate(registered) = credential.registered else { continue };
            let what = match registered.matches {
                CertificateMatch::Thumbprint(thumbprint) => {
                    format!("the certificate with SHA-256 {thumbprint}")
                }
                CertificateMatch::PublicKey(_) => "each certificate of a public key".to_owned(),
            };
            let _ = writeln!(text, "  registered as {:?}: {what}", credential.name);
        }
        let candidates = self.site.trust.registry.candidates(self.certificate);
        let owners: Vec<String> = candidates.map(|owner| quote(owner.client_id.as_str())).collect();
        if !owners.is_empty() {
            let _ = writeln!(text, "  the certificate or its subject is registered for {}", all_of(owners));
        }
        text
    }

    /// What is verified about the certificate for an application, and by which credential.
    fn judge(&self, application: &Arc<Application>, at: Timestamp) -> Result<(Basis, String), Denial> {
        let (trust, presented) = (&self.site.trust, self.presented());
        let used = ReplayStore::new(Timestamp::MIN);
        let attempt = Attempt {
            client_id: &application.client_id,
            mechanism: Mechanism::Certificate,
            presented: Some(Ok(presented)),
            assertions: AssertionRules { issuer: None, fapi: false, used: &used, limit: 1 },
            now: at,
        };
        let other_method = || match judge_client(trust, attempt) {
            Err(denial) => denial,
            // A public client, whose certificate nobody has registered.
            Ok(_) => Denial::UnknownCertificate,
        };
        if matches!(application.method, Method::Tls(_)) {
            let proof = judge_client(trust, attempt)?.ok_or_else(other_method)?;
            let by = by(&proof);
            return Ok((proof.certificate.ok_or_else(other_method)?, by));
        }
        let basis = judge_binding(trust, application, presented, at)?.ok_or_else(other_method)?;
        Ok((basis, ", besides its own method, as the certificate to which its tokens are bound".to_owned()))
    }

    /// Whether an application has registered it as the certificate to which its tokens are bound, whatever has expired by now.
    fn may_bind(&self, application: &Application) -> bool {
        let Validity { not_before, not_after } = self.certificate.validity();
        let within = self.now.max(not_before).min(not_after);
        let judged = judge_binding(&self.site.trust, application, self.presented(), within);
        let is_registered = matches!(application.binding, Binding::Registered(_));
        is_registered
            && matches!(judged, Ok(_) | Err(Denial::Chain { .. } | Denial::CredentialExpired { .. }))
    }

    /// The times at which the judgement may change.
    fn boundaries(&self, application: &Application) -> BTreeSet<Timestamp> {
        let mut all = BTreeSet::from([self.now]);
        let ends = application.registrations().filter_map(|(_, credential)| credential.expires_at);
        all.extend(ends);
        let authorities = &self.site.trust.authorities;
        let mut validities = vec![self.certificate.validity()];
        validities.extend(authorities.client_cas().map(|ca| ca.validity));
        let intermediates = self.certificate.intermediates().iter();
        let parsed =
            intermediates.filter_map(|der| ClientCertificate::from_chain(std::slice::from_ref(der)).ok());
        validities.extend(parsed.map(|intermediate| intermediate.validity()));
        all.extend(authorities.crls().map(|crl| crl.next_update.next()));
        if let Ok(paths) = &*self.presented().verdict(&self.site.trust.authorities, self.now) {
            validities.extend(paths.iter().map(|path| path.validity));
        }
        all.extend(validities.iter().flat_map(|validity| [validity.not_before, validity.not_after.next()]));
        all
    }

    /// What a domain does with the certificate once it authenticates an application, and whether it serves it.
    fn domain(&self, domain: &Domain, application: &Application, basis: &Basis) -> (String, bool) {
        if domain.client_auth == ClientAuth::Off {
            return ("no certificate is requested (client_auth = \"off\")".to_owned(), false);
        }
        // Where the certificate alone decides, it may be that of another application, and a bound one is that of none.
        let identified = judge_any(&self.site.trust, self.presented(), self.now).ok();
        let is_own = identified.is_some_and(|proof| proof.application.client_id == application.client_id);
        let routes: Vec<String> = domain
            .routes
            .iter()
            .filter(|route| match route.authenticate {
                Authenticate::Client => true,
                Authenticate::Certificate => is_own,
                Authenticate::Token(_) | Authenticate::None => false,
            })
            .map(|route| {
                let methods: Vec<&str> = route.methods.iter().map(http::Method::as_str).collect();
                format!("{} {}", methods.join("|"), route.path())
            })
            .collect();
        if routes.is_empty() {
            return ("no route authenticates it by the certificate".to_owned(), false);
        }
        let profile = domain.profile.name();
        match vouching_headers(self.certificate, &domain.profile, basis) {
            Ok(headers) => {
                let bytes: usize = headers.iter().map(|(_, value)| value.len()).sum();
                (format!("{}; {bytes} bytes of {profile:?} headers", routes.join(", ")), true)
            }
            Err(too_large) => (format!("REFUSED: {too_large} (header_profile = {profile:?})"), false),
        }
    }
}
