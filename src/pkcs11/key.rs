//! A private key of a token, as rustls uses it.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rustls::{
    Error, OtherError, SignatureAlgorithm, SignatureScheme,
    pki_types::SubjectPublicKeyInfoDer,
    sign::{Signer, SigningKey},
};
use zeroize::Zeroizing;

use super::{
    KeyUri, OpenError, OpenedKey, Patience, Side, SignError, budget,
    error::PATIENCE,
    module::Module,
    pool::Undone,
    scheme::{Order, Schemes, is_signed_by},
    session::{KeySession, described},
};

/// What a key signs when it is opened. It is not a message of TLS.
const TRIAL: &[u8] = b"mtls-edge: whether a private key belongs to a certificate";

/// The most sessions of a key that are kept: one for each thread of the module.
const MAX_IDLE: usize = 8;

/// A private key of a token that belongs to a public key.
pub(super) struct TokenKey {
    module: Arc<Module>,
    uri: KeyUri,
    pin: Zeroizing<String>,
    public_key: SubjectPublicKeyInfoDer<'static>,
    schemes: Schemes,
    number: u64,
    /// Sessions that are not in use.
    idle: Mutex<Vec<KeySession>>,
}

/// Opens the key of a token that belongs to one of these public keys. One that is in use is returned as it is,
/// without a word to the token. Waits for the token as long as `patience` lasts.
///
/// # Errors
///
/// If there is not exactly one such key, or it cannot be used.
pub fn open(
    uri: &KeyUri,
    pin: &str,
    public_keys: &[SubjectPublicKeyInfoDer<'static>],
    side: Side,
    patience: &Patience,
) -> Result<OpenedKey, OpenError> {
    let module = Module::of(&uri.module)?;
    let is_same =
        |key: &Arc<TokenKey>| key.uri == *uri && *key.pin == *pin && public_keys.contains(&key.public_key);
    let in_use = keys().iter().filter_map(Weak::upgrade).find(is_same);
    let key = if let Some(key) = in_use {
        key
    } else {
        let (of, uri, pin) = (Arc::clone(&module), uri.clone(), Zeroizing::new(pin.to_owned()));
        let public_keys = public_keys.to_vec();
        let left = patience.left();
        if left.is_zero() {
            return Err(OpenError::NoTime);
        }
        let (begin, asked) = (Instant::now(), uri.clone());
        let opened = module.openers.run(left, move || TokenKey::open(of, uri, pin, &public_keys));
        patience.take(begin.elapsed());
        let key = Arc::new(opened.map_err(|undone| unopened(undone, &module, asked, left))??);
        let mut keys = keys();
        keys.retain(|key| key.strong_count() > 0);
        keys.push(Arc::downgrade(&key));
        key
    };
    let number = key.number;
    Ok(OpenedKey { key: Arc::new(Shared { key, side }), number })
}

/// The keys that are in use.
fn keys() -> MutexGuard<'static, Vec<Weak<TokenKey>>> {
    static KEYS: Mutex<Vec<Weak<TokenKey>>> = Mutex::new(Vec::new());
    KEYS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unopened(undone: Undone, module: &Module, asked: KeyUri, waited: Duration) -> OpenError {
    let mut unanswered = module.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
    match undone {
        Undone::Full | Undone::Hanging => {
            OpenError::Unresponsive(Box::new(unanswered.clone().unwrap_or(asked)))
        }
        Undone::TimedOut => {
            *unanswered = Some(asked);
            OpenError::TimedOut(waited)
        }
        Undone::Panicked => {
            OpenError::Failed("a function of the module returned what it must not".to_owned())
        }
    }
}

impl TokenKey {
    fn open(
        module: Arc<Module>,
        uri: KeyUri,
        pin: Zeroizing<String>,
        public_keys: &[SubjectPublicKeyInfoDer<'static>],
    ) -> Result<Self, OpenError> {
        let Some(first) = public_keys.first().and_then(Schemes::of) else { return Err(OpenError::Type) };
        let mut session = open_session(&module, &uri, &pin)?;
        let mut problem = None;
        for public_key in public_keys {
            let Some(schemes) = Schemes::of(public_key) else { continue };
            if session.key_type.is_some_and(|key_type| key_type != schemes.key_type) {
                continue;
            }
            match tried(&session, public_key, schemes) {
                Ok(true) => {
                    static NUMBERS: AtomicU64 = AtomicU64::new(0);
                    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
                    session.is_verified = true;
                    let (public_key, idle) = (public_key.clone(), Mutex::new(vec![session]));
                    return Ok(Self { module, uri, pin, public_key, schemes, number, idle });
                }
                Err(error) if schemes.key_type == first.key_type => problem = problem.or(Some(error)),
                // An error about a key of another type than the first is not what is wrong.
                Ok(false) | Err(_) => {}
            }
        }
        Err(problem.unwrap_or_else(|| OpenError::OtherKey(Box::new(uri))))
    }

    /// Signs on one of the module's threads, and waits for that.
    fn sign(
        self: &Arc<Self>,
        side: Side,
        scheme: SignatureScheme,
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        let (key, order, message) = (Arc::clone(self), Order::new(scheme, message), message.to_vec());
        let work = move || key.sign_in_token(&order, &message);
        let signed = budget::within(side, || self.module.pool.run(PATIENCE, work));
        signed.ok_or(SignError::Slow)?.map_err(unsigned)?
    }

    /// Signs by a session that is open, or, without one or if it fails, once by a new one.
    fn sign_in_token(&self, order: &Order, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let used = self.idle().pop();
        if let Some(session) = used {
            if let Ok(signature) = self.sign_by(session, order, message) {
                return Ok(signature);
            }
            // The others are of the same time: the token was removed, or the session's time is over.
            let stale = std::mem::take(&mut *self.idle());
            drop(stale);
        }
        let session = open_session(&self.module, &self.uri, &self.pin);
        self.sign_by(session.map_err(|error| unusable(&error))?, order, message)
    }

    fn sign_by(&self, mut session: KeySession, order: &Order, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = session.sign(order).map_err(|error| SignError::Failed(described(&error)))?;
        // The key may have been replaced by another one with the same label.
        if !session.is_verified {
            if !is_signed_by(&self.public_key, order.scheme, message, &signature) {
                let what = format!("{} is not the certificate's key any longer", self.uri);
                return Err(SignError::Failed(what));
            }
            session.is_verified = true;
        }
        self.keep([session]);
        Ok(signature)
    }

    /// Closes the sessions by which the token does not sign.
    fn close_broken(&self) {
        let sessions = std::mem::take(&mut *self.idle());
        let Some(scheme) = self.schemes.all.first() else { return };
        let order = Order::new(*scheme, TRIAL);
        let usable: Vec<KeySession> =
            sessions.into_iter().filter(|session| session.sign(&order).is_ok()).collect();
        self.keep(usable);
    }

    /// Keeps sessions that are not in use. Those beyond the bound are closed.
    fn keep(&self, sessions: impl IntoIterator<Item = KeySession>) {
        let mut idle = self.idle();
        let mut sessions = sessions.into_iter();
        while idle.len() < MAX_IDLE {
            let Some(session) = sessions.next() else { return };
            idle.push(session);
        }
        drop(idle);
        // To close them blocks, without the lock.
        sessions.for_each(drop);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<KeySession>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TokenKey {
    fn drop(&mut self) {
        // To close a session blocks, and this may be a worker.
        let idle = std::mem::take(&mut *self.idle());
        self.module.closers.later(move || drop(idle));
    }
}

/// Opens a session, if need be after the module was initialized again.
fn open_session(module: &Arc<Module>, uri: &KeyUri, pin: &str) -> Result<KeySession, OpenError> {
    match module.session(uri, pin) {
        Err(OpenError::NoToken { .. } | OpenError::Failed(_)) if module.restart(|| close_broken(module)) => {
            module.session(uri, pin)
        }
        opened => opened,
    }
}

/// Closes the sessions of a module's keys that are not usable.
fn close_broken(module: &Arc<Module>) {
    // The lock must not be held while they sign.
    let keys: Vec<Arc<TokenKey>> = keys().iter().filter_map(Weak::upgrade).collect();
    keys.iter().filter(|key| Arc::ptr_eq(&key.module, module)).for_each(|key| key.close_broken());
}

/// Whether the key's signatures are of this public key. Each mechanism is tried, so that none fails later.
fn tried(
    session: &KeySession,
    public_key: &SubjectPublicKeyInfoDer<'_>,
    schemes: Schemes,
) -> Result<bool, OpenError> {
    for scheme in schemes.to_try() {
        let order = Order::new(scheme, TRIAL);
        let signature = session.sign(&order).map_err(|error| {
            let mechanism = order.mechanism().1;
            OpenError::Mechanism { mechanism, error: described(&error) }
        })?;
        if !is_signed_by(public_key, scheme, TRIAL, &signature) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn unusable(error: &OpenError) -> SignError {
    SignError::Failed(error.to_string())
}

fn unsigned(undone: Undone) -> SignError {
    match undone {
        Undone::Full => SignError::Busy,
        Undone::TimedOut => SignError::TimedOut,
        Undone::Hanging => SignError::Unresponsive,
        Undone::Panicked => {
            SignError::Failed("a function of the module returned what it must not".to_owned())
        }
    }
}

/// What rustls holds.
#[derive(Clone)]
struct Shared {
    key: Arc<TokenKey>,
    side: Side,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key.uri)
    }
}

impl SigningKey for Shared {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = self.key.schemes.all.iter().copied().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(TokenSigner { key: self.clone(), scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.key.public_key.as_ref()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.schemes.algorithm
    }
}

/// Signs by one scheme.
#[derive(Debug)]
struct TokenSigner {
    key: Shared,
    scheme: SignatureScheme,
}

impl Signer for TokenSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let Shared { key, side } = &self.key;
        key.sign(*side, self.scheme, message).map_err(|error| Error::Other(OtherError(Arc::new(error))))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}
