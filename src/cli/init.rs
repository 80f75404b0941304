//! `init`: writes a commented starter configuration with development certificates, which `check` accepts unchanged.

use std::{path::Path, process::ExitCode};

use super::{development, print};

const EDGE: &str = include_str!("../../config/edge.toml");
const APPLICATIONS: &str = include_str!("../../config/applications.toml");

/// Writes the configuration into `dir`, which is created if it does not exist. Existing files are never overwritten.
pub(super) fn init(dir: &Path) -> ExitCode {
    for name in ["edge.toml", "applications.toml", "certs"] {
        if dir.join(name).exists() {
            return print::failure(format_args!(
                "{} exists already: nothing was written; give another folder",
                dir.join(name).display()
            ));
        }
    }
    if let Err(error) = write(dir) {
        return print::failure(format_args!("{}: {error}", dir.display()));
    }
    let text = format!(
        "{}: edge.toml, applications.toml, and certificates for development in certs/\nnext: edit them, then\n  mtls-edge check --config {1}\n  mtls-edge run --config {1}\n",
        dir.display(),
        dir.join("edge.toml").display()
    );
    print::result(text, ExitCode::SUCCESS)
}

fn write(dir: &Path) -> Result<(), development::DevelopmentError> {
    development::folder(dir)?;
    development::write(&dir.join("certs"))?;
    for (name, text) in [("edge.toml", EDGE), ("applications.toml", APPLICATIONS)] {
        // In the repository's example the certificates are beside the configuration's folder; here they are in it.
        let text = text.replace("../certs/dev/", "certs/");
        development::readable(&dir.join(name), &text)?;
    }
    Ok(())
}
