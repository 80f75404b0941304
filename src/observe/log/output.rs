//! Where log lines are written: standard error, a file, or both.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::fs::OFlags;

use super::queue::{Sink, lines};

/// The permissions of a new log file.
const MODE: u32 = 0o640;

/// The outputs, which may be replaced at any time. The lock is held only to read or replace them, never during a write.
#[derive(Debug)]
pub(super) struct Output(Mutex<Outputs>);

#[derive(Clone, Debug)]
struct Outputs {
    has_standard_error: bool,
    file: Option<Arc<File>>,
}

impl Output {
    /// Standard error.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Outputs { has_standard_error: true, file: None }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Outputs) -> T) -> T {
        // Nothing can panic between two changes that belong together.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes to standard error from now on, or no longer.
    pub(super) fn set_standard_error(&self, is_used: bool) {
        self.with(|outputs| outputs.has_standard_error = is_used);
    }

    /// Writes to this file from now on. Another one is closed once its last batch is written.
    pub(super) fn set_file(&self, file: File) {
        self.with(|outputs| outputs.file = Some(Arc::new(file)));
    }
}

/// Opens a log file to append to it, and creates it if it is missing.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Without waiting for the reader of a pipe.
    options.append(true).mode(MODE).custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default());
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // Whatever the umask is.
            file.set_permissions(Permissions::from_mode(MODE))?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(path),
        Err(error) => Err(error),
    }
}

/// The writer thread's view of the outputs.
#[derive(Debug, Default)]
pub(super) struct Writers {
    standard_error: Sink,
    file: Option<(Arc<File>, Sink)>,
}

impl Writers {
    /// Writes whole lines to each output, and returns how many are missing from one of them.
    pub(super) fn write(&mut self, output: &Output, batch: &[u8]) -> u64 {
        let Outputs { has_standard_error, file } = output.with(|outputs| outputs.clone());
        let mut lost = 0;
        if has_standard_error {
            lost = self.standard_error.write(&mut io::stderr(), batch);
        }
        let is_open =
            |(open, _): &(Arc<File>, Sink)| file.as_ref().is_some_and(|file| Arc::ptr_eq(open, file));
        if !self.file.as_ref().is_some_and(is_open) {
            self.file = file.map(|file| (file, Sink::default()));
        }
        if let Some((file, sink)) = &mut self.file {
            lost = lost.max(sink.write(&mut file.as_ref() as &mut dyn Write, batch));
        }
        if !has_standard_error && self.file.is_none() { lines(batch) } else { lost }
    }
}
