//! Authentication of a request by its access token (`authenticate = "token"`).

use std::{cell::RefCell, collections::HashSet, rc::Rc, sync::Arc, time::Duration};

use http::{HeaderMap, header};

use super::{
    Context,
    introspect::{self, Asker, Introspector, Standing},
};
use crate::{
    access_token::{
        Bound, ClientSide, Facts, InvalidToken, KeyMismatch, Presented, Proof, ProofError, RequestFault,
        Scheme, TargetUri, TokenCache, TokenHash, TokenRefusal, check_binding, verify_jwt, verify_proof,
    },
    clock::{Clock, Timestamp},
    forward::Pools,
    identity::Thumbprint,
    jose::ClaimsError,
    net::Network,
    oauth::{Interest, form_names},
    observe::metrics::{Recorder, TokenOutcome},
    replay::{Replay, ReplayStore},
    site::{PublishedKeys, TokenIssuer, TokenRule, Verification},
    trust::ClientId,
};

/// How long a verified JWT is remembered at most: it saves the verification of a signature.
const JWT_REMEMBERED: Duration = Duration::from_secs(300);

/// The parameter of RFC 6750 sections 2.2 and 2.3.
const ACCESS_TOKEN: Interest<1> = Interest::new(["access_token"]);

/// Verifies access tokens for one worker.
#[derive(Debug)]
pub struct TokenVerifier {
    clock: Clock,
    replay: Arc<ReplayStore>,
    metrics: Recorder,
    introspector: Introspector,
    cache: RefCell<TokenCache<TokenIssuer>>,
    holders: RefCell<Holders>,
}

impl TokenVerifier {
    /// A verifier that remembers nothing yet.
    #[must_use]
    pub fn new(clock: &Clock, replay: &Arc<ReplayStore>, pools: &Rc<Pools>, metrics: &Recorder) -> Self {
        Self {
            clock: clock.clone(),
            replay: Arc::clone(replay),
            metrics: metrics.clone(),
            introspector: Introspector::new(clock, pools, metrics),
            cache: RefCell::default(),
            holders: RefCell::default(),
        }
    }

    /// Counts the outcome of a request.
    pub(super) fn count(&self, verdict: &Result<Bound, TokenRefusal>) {
        self.metrics.access_tokens.increment(outcome(verdict));
    }

    /// Verifies the token of a request by the head alone.
    ///
    /// # Errors
    ///
    /// Why the request is refused.
    pub(super) async fn verify(&self, context: &Context, rule: TokenRule) -> Result<Bound, TokenRefusal> {
        let head = &context.head;
        if head.uri.query().is_some_and(|query| form_names(query.as_bytes(), &ACCESS_TOKEN)) {
            return Err(TokenRefusal::Request(RequestFault::InQuery));
        }
        let presented = Presented::in_headers(&head.headers).map_err(TokenRefusal::Request)?;
        let Some(Presented { scheme, token }) = presented else { return Err(TokenRefusal::Missing) };
        let invalid = |why| TokenRefusal::Invalid { scheme, why };
        let hash = TokenHash::of(token);
        let proof = match scheme {
            Scheme::Bearer => None,
            Scheme::Dpop => Some(self.proof(context, hash).map_err(|why| invalid(why.into()))?),
        };
        let client = client_side(context, scheme, proof.as_ref());
        if !rule.allow_unbound && !client.could_be_bound() {
            return Err(invalid(InvalidToken::NothingPresented));
        }
        let issuer = context.site.token_issuers.get(rule.issuer);
        let issuer = issuer
            .ok_or_else(|| TokenRefusal::Unavailable("the token issuer is not configured".to_owned()))?;
        let facts = self.facts(context, issuer, (token, hash)).await?.map_err(invalid)?;
        // After the issuer was asked.
        let now = self.clock.now();
        if let Some(expired) = facts.expires.filter(|expires| *expires <= now) {
            return Err(invalid(ClaimsError::Expired { seconds: now.seconds_since(expired) }.into()));
        }
        let bound = check_binding(&facts.confirmation, &client, rule.allow_unbound, now).map_err(invalid)?;
        if let Some(proof) = proof.filter(|_| bound.to_dpop_key) {
            self.use_proof(context, &proof, facts.client_id.as_deref(), now, scheme)?;
        }
        if let Some(holder) =
            facts.confirmation.certificate.filter(|_| !context.connection.is_authenticated())
        {
            self.holders.borrow_mut().insert(holder);
        }
        context.record.client_id.replace(facts.client_id.map(|id| ClientId::new(&*id)));
        Ok(bound)
    }

    fn proof(&self, context: &Context, hash: TokenHash) -> Result<Proof, ProofError> {
        let Context { head, authority, .. } = context;
        let uri = TargetUri::of_request(authority.to_str().unwrap_or_default(), head.uri.path());
        let times = (self.replay.started(), self.clock.now());
        verify_proof(&head.headers, (&head.method, &uri, hash), times)
    }

    /// What the issuer says about the token; the outer error is that nobody can say.
    async fn facts(
        &self,
        context: &Context,
        issuer: &Arc<TokenIssuer>,
        (token, hash): (&str, TokenHash),
    ) -> Result<Result<Facts, InvalidToken>, TokenRefusal> {
        let now = self.clock.now();
        if let Some(known) = self.cache.borrow_mut().get(hash, issuer, now) {
            return Ok(known);
        }
        match &issuer.verification {
            Verification::Keys(PublishedKeys { keys: None, refresh, .. }) => {
                refresh.ask();
                let why = format!("no key set of the token issuer \"{}\" has been fetched yet", issuer.name);
                Err(TokenRefusal::Unavailable(why))
            }
            Verification::Keys(PublishedKeys { keys: Some(keys), refresh, .. }) => {
                let verified = verify_jwt(token, &issuer.rules, keys, now);
                // Perhaps it is signed with a key that was published since the last fetch.
                if matches!(verified, Err(InvalidToken::Key(KeyMismatch::Kid))) {
                    refresh.ask();
                }
                if let Ok(facts) = &verified {
                    self.cache.borrow_mut().remember(hash, issuer, facts, now, JWT_REMEMBERED);
                }
                Ok(verified)
            }
            Verification::Introspection(endpoint) => {
                let asker = || self.asker(context);
                let said = self.introspector.ask((issuer, endpoint), (token, hash), asker).await?;
                let mut cache = self.cache.borrow_mut();
                match &said {
                    // The response may be older than `now`, and the token valid for less than it took.
                    Ok(facts) => cache.remember(hash, issuer, facts, now, introspect::REMEMBERED),
                    Err(why) => {
                        cache.remember_invalid(hash, issuer, why, now, introspect::REMEMBERED_INVALID);
                    }
                }
                Ok(said)
            }
        }
    }

    /// Who makes the edge ask. A name in the certificate does not count, since anyone can write it there.
    fn asker(&self, context: &Context) -> Asker {
        let Context { connection, site, .. } = context;
        let is_known = || {
            let Some(identity) = &connection.identity else { return false };
            let has_used_token = |thumbprint: &Thumbprint| {
                self.holders.borrow().contains(thumbprint) || site.trust.registry.has_thumbprint(thumbprint)
            };
            let certificate = identity.certificate.as_ref();
            identity.has_authenticated()
                || certificate.is_ok_and(|certificate| has_used_token(&certificate.thumbprint()))
        };
        let is_known = connection.is_authenticated() || is_known();
        let address = connection.address;
        Asker {
            connection: Rc::clone(connection),
            network: (!address.trusted_proxy).then(|| Network::of(address.ip)),
            standing: if is_known { Standing::Known } else { Standing::Stranger },
        }
    }

    fn use_proof(
        &self,
        context: &Context,
        proof: &Proof,
        client_id: Option<&str>,
        now: Timestamp,
        scheme: Scheme,
    ) -> Result<(), TokenRefusal> {
        let limit = context.site.limits.assertion_ids;
        // By client, so that one client with many keys can use half of the store.
        let key = proof.key();
        let owner = client_id.unwrap_or(&key);
        let id = format!("{key}.{}", proof.jti);
        self.replay.record(owner, &id, proof.until, now, limit).map_err(|why| match why {
            Replay::Used => TokenRefusal::Invalid { scheme, why: ProofError::Replayed.into() },
            Replay::Full | Replay::ClientFull | Replay::Unreachable => {
                TokenRefusal::Busy(format!("DPoP proof: {why}"))
            }
        })
    }
}

/// The certificates to which valid tokens were bound: their holders are known when they connect again.
#[derive(Debug, Default)]
struct Holders {
    recent: HashSet<Thumbprint>,
    before: HashSet<Thumbprint>,
}

impl Holders {
    /// The most certificates of each generation.
    const GENERATION: usize = 4096;

    fn contains(&self, holder: &Thumbprint) -> bool {
        self.recent.contains(holder) || self.before.contains(holder)
    }

    fn insert(&mut self, holder: Thumbprint) {
        if self.recent.len() >= Self::GENERATION && !self.recent.contains(&holder) {
            self.before = std::mem::take(&mut self.recent);
        }
        self.recent.insert(holder);
    }
}

/// Whether a body of this head may contain a token by RFC 6750 section 2.2.
pub(super) fn has_form_body(headers: &HeaderMap) -> bool {
    let is_form = |value: &[u8]| {
        const FORM: &[u8] = b"x-www-form-urlencoded";
        value.windows(FORM.len()).any(|part| part.eq_ignore_ascii_case(FORM))
    };
    headers.get_all(header::CONTENT_TYPE).iter().any(|value| is_form(value.as_bytes()))
}

/// Whether a form contains a token.
pub(super) fn has_token(form: &[u8]) -> bool {
    form_names(form, &ACCESS_TOKEN)
}

fn client_side(context: &Context, scheme: Scheme, proof: Option<&Proof>) -> ClientSide {
    let certificate = context.connection.identity.as_ref().map(|identity| {
        let certificate = identity.certificate.as_ref().map_err(drop)?;
        Ok((certificate.thumbprint(), certificate.validity()))
    });
    ClientSide { scheme, certificate, dpop_key: proof.map(|proof| proof.key) }
}

fn outcome(verified: &Result<Bound, TokenRefusal>) -> TokenOutcome {
    match verified {
        Ok(_) => TokenOutcome::Accepted,
        Err(TokenRefusal::Missing) => TokenOutcome::Missing,
        Err(TokenRefusal::Request(_)) => TokenOutcome::Malformed,
        Err(TokenRefusal::Unavailable(_) | TokenRefusal::Busy(_)) => TokenOutcome::Unavailable,
        Err(TokenRefusal::Invalid { why, .. }) => match why {
            InvalidToken::Unbound | InvalidToken::NothingPresented => TokenOutcome::Unbound,
            InvalidToken::NoCertificate
            | InvalidToken::UnreadableCertificate
            | InvalidToken::OtherCertificate
            | InvalidToken::ExpiredCertificate
            | InvalidToken::FutureCertificate
            | InvalidToken::DpopBound
            | InvalidToken::NotDpopBound
            | InvalidToken::OtherDpopKey => TokenOutcome::OtherHolder,
            InvalidToken::Proof(_) => TokenOutcome::Proof,
            _ => TokenOutcome::Invalid,
        },
    }
}
