//! Where the text of an `edge.toml` comes from: a file, or a text that was read once.

use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{file, span::STANDARD_INPUT};

/// The origin of a configuration. A clone shares the text.
#[derive(Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, which is read again for each reload.
    File(PathBuf),
    /// The bytes that standard input had. A reload reads the files that they name.
    Text(Arc<[u8]>),
}

impl Input {
    /// The text of standard input, up to its end.
    ///
    /// # Errors
    ///
    /// Those of reading it, and if it is larger than a configuration may be.
    pub fn standard_input() -> io::Result<Self> {
        let mut bytes = Vec::new();
        io::stdin().lock().take(file::TOML_LIMIT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > file::TOML_LIMIT {
            return Err(file::too_large(file::TOML_LIMIT));
        }
        Ok(Self::Text(bytes.into()))
    }

    /// The path that messages show, against whose folder relative paths are resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file().unwrap_or(Path::new(STANDARD_INPUT))
    }

    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Text(_) => None,
        }
    }

    /// The text, if it was read once and is UTF-8, as that of every valid configuration.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
        }
    }

    /// All bytes.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::File(path) => file::read(path, file::TOML_LIMIT),
            Self::Text(bytes) => Ok(bytes.to_vec()),
        }
    }
}

impl<P: Into<PathBuf>> From<P> for Input {
    fn from(path: P) -> Self {
        Self::File(path.into())
    }
}

impl fmt::Debug for Input {
    /// The path only: the text may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Input").field(&self.path()).finish()
    }
}
