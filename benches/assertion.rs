//! What the edge adds to the verification of an assertion's signature: `cargo bench --bench assertion`. Prints figures, and asserts none.
//!
//! Beside each other: aws-lc-rs verifies the signature of a token with a key that is parsed already; the edge judges the same token as
//! a client assertion, from its text to the used `jti`. Both take turns, in many short rounds, since the speed of a shared machine drifts:
//! the figures are medians, the last one of each round's ratio.

#![allow(
    clippy::indexing_slicing,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss
)]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mtls_edge::{
    authenticate::{AssertionRules, Attempt, Mechanism, judge_client},
    clock::{Clock, Timestamp},
    identity::{Authorities, RevocationPolicy},
    jose::{Algorithm, VerifyingKey},
    replay::ReplayStore,
    trust::{
        ApplicationSpec, AuthMethod, Change, ClientId, CredentialSpec, Issuer, Registered, RegisteredKey,
        Registry, Trust, UnknownApplications,
    },
};
use rustls::pki_types::CertificateDer;
use serde_json::json;
use testkit::jws::SigningKey;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ISSUER: &str = "https://auth.example.test/";
const CLIENT: &str = "reports";
const JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Assertions per round.
const BATCH: usize = 50;
/// Used `jti` values in the store of a busy edge: 1,000 assertions per second that live a minute.
const IN_USE: usize = 60_000;
/// `[limits] assertion_ids`.
const LIMIT: usize = 1_000_000;

/// A token, as aws-lc-rs and as the edge take it.
struct Token {
    text: String,
    signed: usize,
    signature: Vec<u8>,
}

/// Tokens of one algorithm, and what verifies them.
struct Subject {
    algorithm: Algorithm,
    key: SigningKey,
    parsed: ParsedPublicKey,
    trust: Trust,
    issuer: Issuer,
    client_id: ClientId,
    used: ReplayStore,
    now: Timestamp,
}

impl Subject {
    fn new(algorithm: Algorithm) -> Self {
        let key = SigningKey::for_algorithm(algorithm.as_str());
        let own: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
            Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
            Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::EdDSA => &ED25519,
            Algorithm::RS384 => panic!("as RS256"),
        };
        let parsed = ParsedPublicKey::new(own, key.spki()).unwrap();
        let registered = VerifyingKey::from_spki(&key.spki(), algorithm, Some("2026")).unwrap();
        let registered = Registered::Key(RegisteredKey { key: Box::new(registered) });
        let credentials = vec![CredentialSpec::new("a", registered)];
        let application = ApplicationSpec::new(CLIENT, AuthMethod::PrivateKeyJwt, credentials);
        let mut registry = Registry::default();
        registry.apply_all(vec![Change::Put(Box::new(application.try_into().unwrap()))]).unwrap();
        let authorities =
            Authorities::new(Vec::<CertificateDer<'static>>::new(), Vec::new(), RevocationPolicy::default())
                .unwrap();
        let trust = Trust {
            authorities: Arc::new(authorities),
            crl_files: Arc::default(),
            missing_crls: Arc::default(),
            registry,
            unknown_applications: UnknownApplications::Refuse,
        };
        let now = Clock::System.now();
        let used = ReplayStore::new(now);
        for number in 0..IN_USE {
            used.record(CLIENT, &format!("used-{number}"), now + Duration::from_secs(60), now, LIMIT)
                .unwrap();
        }
        Self {
            algorithm,
            key,
            parsed,
            trust,
            issuer: Issuer::new(ISSUER, Vec::<String>::new()),
            client_id: ClientId::new(CLIENT),
            used,
            now,
        }
    }

    /// A new assertion, as client libraries make them.
    fn token(&self, number: usize) -> Token {
        let now = self.now.unix();
        let claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60,
            "jti": format!("3b4d1c5e-8f0a-4f6e-9f3c-{number:012x}"),
        });
        let header = json!({ "alg": self.algorithm.as_str(), "kid": "2026", "typ": "JWT" });
        let text = self.key.token(&header, &claims);
        let signed = text.rfind('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(&text[signed + 1..]).unwrap();
        Token { text, signed, signature }
    }

    /// The time that aws-lc-rs takes to verify these signatures.
    fn own(&self, tokens: &[Token]) -> Duration {
        let begin = Instant::now();
        for token in tokens {
            self.parsed
                .verify_sig(black_box(&token.text.as_bytes()[..token.signed]), &token.signature)
                .unwrap();
        }
        begin.elapsed()
    }

    /// The time that the edge takes to judge these assertions.
    fn edge(&self, tokens: &[Token]) -> Duration {
        let assertions =
            AssertionRules { issuer: Some(&self.issuer), fapi: false, used: &self.used, limit: LIMIT };
        let begin = Instant::now();
        for token in tokens {
            let mechanism = Mechanism::Assertion { kind: JWT, assertion: black_box(&token.text) };
            let attempt =
                Attempt { client_id: &self.client_id, mechanism, presented: None, assertions, now: self.now };
            black_box(judge_client(&self.trust, attempt)).unwrap().unwrap();
        }
        begin.elapsed()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Microseconds per assertion.
fn microseconds(batch: Duration) -> f64 {
    batch.as_secs_f64() * 1e6 / BATCH as f64
}

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--test") { 2 } else { 100 };
    println!("{:<10}{:>14}{:>14}{:>8}", "alg", "aws-lc-rs, us", "the edge, us", "ratio");
    for algorithm in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA] {
        let subject = Subject::new(algorithm);
        // Made before, since signing would push the measured code out of the caches.
        let tokens: Vec<Token> = (0..(rounds + 1) * BATCH).map(|number| subject.token(number)).collect();
        let (warm_up, tokens) = tokens.split_at(BATCH);
        subject.own(warm_up);
        subject.edge(warm_up);
        let (mut own, mut edge, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
        for batch in tokens.chunks(BATCH) {
            let (by_own, by_edge) = (microseconds(subject.own(batch)), microseconds(subject.edge(batch)));
            own.push(by_own);
            edge.push(by_edge);
            ratio.push(by_edge / by_own);
        }
        println!("{algorithm:<10}{:>14.2}{:>14.2}{:>8.2}", median(own), median(edge), median(ratio));
    }
}
