//! Reads the text of a TOML file, and explains why it cannot be read.

use std::{io, path::Path, sync::Arc};

use super::{
    diagnostic::{Fault, Problem},
    encoding, file,
    input::Input,
    redact,
    span::{FindHidden, Source, Span},
};

const MISSING: &str = "there is no such file";
const EMPTY: &str = "the file is empty";
const DIRECTORY: &str = "found a directory, expected a TOML file";

/// Why a file could not be read as text.
pub(super) struct Failure {
    fault: Fault,
    /// The text to show, lossily decoded, and the byte at which the failure is.
    shown: Option<(String, usize)>,
}

impl Failure {
    fn new(what: impl Into<String>, help: impl Into<Option<&'static str>>) -> Self {
        Self::of(Fault { help: help.into().map(str::to_owned), ..Fault::new(what) })
    }

    fn of(fault: Fault) -> Self {
        Self { fault, shown: None }
    }

    /// The problem, positioned in the file itself.
    pub(super) fn in_file(self, path: &Path, find_hidden: FindHidden) -> Problem {
        let (text, at) = self.shown.unwrap_or_default();
        let range = at..at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let span = Span { source: Arc::new(Source::new(path, text, find_hidden)), range };
        let Fault { what, help, .. } = self.fault;
        // The command line names the file: there may be no configuration yet.
        let start = || {
            (what == MISSING).then(|| "`mtls-edge init DIR` writes a configuration to start from".to_owned())
        };
        let help = help.or_else(start);
        Problem { help, ..Problem::error(&span, "", what) }
    }

    /// The problem, positioned where `edge.toml` names the file, unless there is a text to show.
    pub(super) fn in_reference(self, path: &Path, named_at: &Span, reference: &Reference) -> Problem {
        if self.shown.is_some() {
            return self.in_file(path, reference.find_hidden);
        }
        let help = match &*self.fault.what {
            EMPTY => Some(reference.empty),
            DIRECTORY => Some(reference.directory),
            MISSING if self.fault.help.is_none() => Some(reference.missing),
            _ => None,
        };
        let fault = Fault { what: format!("{}: {}", path.display(), self.fault.what), ..self.fault };
        match help {
            Some(help) => fault.help(help),
            None => fault,
        }
        .at(named_at, reference.key)
    }
}

/// What messages say of a file that `edge.toml` names.
pub(super) struct Reference {
    /// The key that names it.
    pub(super) key: &'static str,
    /// The bytes of the file that messages must not show.
    pub(super) find_hidden: FindHidden,
    /// Help for a file without text, for a folder in its place, and for one that does not exist.
    pub(super) empty: &'static str,
    pub(super) directory: &'static str,
    pub(super) missing: &'static str,
}

impl Reference {
    /// A file of the registry.
    pub(super) const REGISTRY: Self = Self {
        key: "trust.applications",
        find_hidden: redact::registry,
        empty: "write an [[application]] for each client, or a comment while there is none",
        directory: "name the file in it, or give a folder of applications a name that does not end in .toml",
        missing: "create it with an [[application]] for each client, or name another file as applications in [trust]",
    };
    /// An included file.
    pub(super) const INCLUDED: Self = Self {
        key: "include",
        find_hidden: redact::edge,
        empty: "write [[domain]] or [[upstream]] tables, or a comment while there are none",
        directory: "name the file in it, or give the folder a name that does not end in .toml",
        missing: "create it with [[domain]] or [[upstream]] tables, or remove it from include",
    };
}

/// Reads a text as far as possible, also if it is not UTF-8: ASCII in UTF-16 is ASCII with NULs in between.
pub(super) fn read_lossy(input: &Input) -> Option<String> {
    let lossy = || {
        let bytes = input.read().ok()?;
        Some(String::from_utf8_lossy(&bytes).replace('\0', ""))
    };
    read(input).ok().or_else(lossy)
}

/// Reads the text of a file, or the one that was read.
pub(super) fn read(input: &Input) -> Result<String, Failure> {
    let mut bytes = input.read().map_err(|error| {
        let unreadable = file::unreadable(input.path(), &error);
        let fault = |what: &str| Failure::of(Fault { what: what.to_owned(), ..unreadable.clone() });
        match error.kind() {
            _ if file::WorldWritable::cause_of(&error).is_some() => Failure::of(
                Fault::new(format!("{error}: anyone who can write it decides which clients are accepted"))
                    .help(file::WorldWritable::help(input.path())),
            ),
            io::ErrorKind::NotFound => fault(MISSING),
            io::ErrorKind::IsADirectory => Failure::new(DIRECTORY, "name the file in it, such as edge.toml"),
            io::ErrorKind::PermissionDenied => fault("the file cannot be read (permission denied)"),
            _ => fault(&format!("the file cannot be read ({error})")),
        }
    })?;
    if let Some(wide) = encoding::wide(&bytes) {
        let what = format!("the file is in {}, expected TOML in UTF-8", wide.name);
        return Err(Failure::new(what, "save the file as UTF-8 (iconv -f UTF-16 -t UTF-8)"));
    }
    let bytes = match encoding::strip_bom(&bytes).len() {
        length if length < bytes.len() => bytes.split_off(bytes.len() - length),
        _ => bytes,
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        Failure {
            shown: Some((text, at)),
            ..Failure::new("found a byte that is not UTF-8, expected TOML in UTF-8", "save the file as UTF-8")
        }
    })?;
    if text.trim().is_empty() {
        return Err(Failure::new(EMPTY, "`mtls-edge init DIR` writes a configuration to start from"));
    }
    Ok(text)
}
