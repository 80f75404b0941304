//! Files of the kernel that are opened once, so that they can be read when no descriptor is left.

use std::{fs::File, os::unix::fs::FileExt, path::Path};

/// The most bytes that are read: more than the longest of these files has.
const MOST: usize = 64 * 1024;

/// A file whose content changes whenever it is read.
#[derive(Debug)]
pub(in crate::observe) struct KeptFile(Option<File>);

impl KeptFile {
    /// Opens it. If that fails, nothing can be read from it.
    pub(in crate::observe) fn open(path: impl AsRef<Path>) -> Self {
        Self(File::open(path).ok())
    }

    /// Its content now.
    pub(in crate::observe) fn read(&self) -> Option<String> {
        let mut content = vec![0; MOST];
        let mut length = 0;
        while let Some(rest) = content.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match self.0.as_ref()?.read_at(rest, u64::try_from(length).ok()?).ok()? {
                0 => break,
                read => length += read,
            }
        }
        content.truncate(length);
        String::from_utf8(content).ok()
    }
}
