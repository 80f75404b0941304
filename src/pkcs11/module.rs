//! The modules of this process: each is loaded and initialized once.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::sync_channel,
    },
    thread::{self, available_parallelism},
    time::{Duration, Instant},
};

use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::{Error, RvError},
};

use super::{
    KeyUri, OpenError,
    pool::Pool,
    refusals::Refusals,
    session::{Counted, KeySession, described, failed},
};

/// How often a module is initialized again, to find a token that was away.
const RESTARTS: Duration = Duration::from_secs(2);

/// How long the end of the process waits for a module.
const END: Duration = Duration::from_secs(2);

/// A module and its threads. It stays for the life of the process.
pub(super) struct Module {
    path: PathBuf,
    library: Mutex<Library>,
    /// The threads that sign.
    pub(super) pool: Arc<Pool>,
    /// The threads that open keys for a configuration: a token that hangs there must not keep others from signing.
    pub(super) openers: Arc<Pool>,
    /// The last key that could not be opened in time.
    pub(super) unanswered: Mutex<Option<KeyUri>>,
    /// The thread that closes the sessions of keys that are not used any longer, for the same reason.
    pub(super) closers: Arc<Pool>,
    refusals: Refusals,
    /// How many sessions are open, or about to be.
    sessions: Arc<AtomicUsize>,
    /// When the module was finalized and initialized again.
    restarted: Mutex<Option<Instant>>,
}

/// The library of a module. Once loaded, it is not unloaded: a library with threads of its own would crash.
#[derive(Default)]
struct Library {
    loaded: Option<Pkcs11>,
    is_initialized: bool,
}

/// How many threads open keys.
const OPENERS: usize = 2;

static MODULES: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

/// Ends the use of all modules: closes sessions that are not in use, and finalizes each module. To be called before the
/// process ends, when no key is in use: libraries that are called while the process ends, or are not finalized, crash.
pub fn finish() {
    let modules = std::mem::take(&mut *MODULES.lock().unwrap_or_else(PoisonError::into_inner));
    for module in modules.into_values() {
        let until = Instant::now() + END;
        let pools = [&module.pool, &module.openers, &module.closers];
        if pools.iter().all(|pool| pool.close(until.saturating_duration_since(Instant::now()))) {
            module.finalize();
        }
    }
}

impl Module {
    /// On a thread of its own, for which the end of the process waits a bounded time.
    fn finalize(self: Arc<Self>) {
        let (done, ended) = sync_channel(1);
        let finalize = move || {
            // An error changes nothing: the process ends.
            let _ = self.library().finalize();
            let _ = done.send(());
        };
        if thread::Builder::new().name("pkcs11-end".to_owned()).spawn(finalize).is_ok() {
            let _ = ended.recv_timeout(END);
        }
    }

    /// The module of this file. Its threads are started, with the rights of this one, unless they run.
    pub(super) fn of(path: &Path) -> Result<Arc<Self>, OpenError> {
        // A link to a library is the same library.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(module) = modules.get(&path) {
            return Ok(Arc::clone(module));
        }
        // Workers wait for a signature each, and there is one per core.
        let threads = available_parallelism().map_or(4, usize::from).clamp(4, 8);
        let start = |threads| Pool::start(threads).map_err(|error| OpenError::Threads(error.to_string()));
        let (pool, openers, closers) = (start(threads)?, start(OPENERS)?, start(1)?);
        let module = Arc::new(Self {
            path: path.clone(),
            library: Mutex::default(),
            pool,
            openers,
            unanswered: Mutex::default(),
            closers,
            refusals: Refusals::default(),
            sessions: Arc::default(),
            restarted: Mutex::default(),
        });
        modules.insert(path, Arc::clone(&module));
        Ok(module)
    }

    /// Opens a session with this key. Blocks.
    pub(super) fn session(&self, uri: &KeyUri, pin: &str) -> Result<KeySession, OpenError> {
        // Counted first: nobody finalizes the module from then on.
        let library = self.library();
        let counted = Counted::new(&self.sessions);
        let context = self.initialized(library)?;
        KeySession::open(&context, uri, pin, &self.refusals, counted)
    }

    /// Finalizes the module, so that it is initialized again: some modules find a token that was away only then. Not
    /// while a session is open, after `close_broken` has closed those that are not usable, and once per [`RESTARTS`].
    /// Returns whether it was done.
    pub(super) fn restart(&self, close_broken: impl FnOnce()) -> bool {
        let mut restarted = self.restarted.lock().unwrap_or_else(PoisonError::into_inner);
        if restarted.is_some_and(|last| last.elapsed() < RESTARTS) {
            return false;
        }
        *restarted = Some(Instant::now());
        close_broken();
        let mut library = self.library();
        self.sessions.load(SeqCst) == 0 && library.finalize()
    }

    fn library(&self) -> MutexGuard<'_, Library> {
        self.library.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The module, which is loaded and initialized first. After a failure it is tried again.
    fn initialized(&self, mut library: MutexGuard<'_, Library>) -> Result<Pkcs11, OpenError> {
        let unusable = |error| OpenError::Module { path: self.path.clone(), error };
        let loaded = match &library.loaded {
            Some(loaded) => loaded.clone(),
            None => Pkcs11::new(&self.path).map_err(|error| {
                unusable(match error {
                    Error::LibraryLoading(error) => error.to_string(),
                    error => described(&error),
                })
            })?,
        };
        if library.is_initialized {
            return Ok(loaded);
        }
        library.loaded = Some(loaded.clone());
        match loaded.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another library of this process may use it, too.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error @ Error::Pkcs11(..)) => return Err(unusable(described(&error))),
            Err(error) => return Err(failed(&error)),
        }
        library.is_initialized = true;
        Ok(loaded)
    }
}

impl Library {
    /// Finalizes it, so that it can be initialized again. Returns whether it did.
    fn finalize(&mut self) -> bool {
        let loaded = self.loaded.clone().filter(|_| self.is_initialized);
        self.is_initialized = false;
        loaded.is_some_and(|loaded| loaded.finalize().is_ok())
    }
}
