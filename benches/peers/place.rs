//! A peer's binary, and how it is run.

use std::{io, path::PathBuf, process::Command};

use crate::harness::contender::Job;

/// The installed binary of a peer.
pub struct Binary(pub PathBuf);

impl Binary {
    /// A command that runs it in the job's folder, where files without a configured path are written. The paths of the job must be
    /// absolute.
    pub fn run(&self, job: &Job<'_>) -> Command {
        let mut command = Command::new(&self.0);
        command.current_dir(job.folder);
        command
    }

    /// The word after each of these texts in the version that it prints, on either stream.
    pub fn version<const N: usize>(&self, question: &[&str], before: [&str; N]) -> io::Result<[String; N]> {
        let output = Command::new(&self.0).args(question).output().map_err(|error| {
            let path = self.0.display();
            io::Error::new(error.kind(), format!("{path}: {error}; benches/peers/install.sh installs it"))
        })?;
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        Ok(before.map(|before| {
            let after = printed.split_once(before).map_or("", |(_, after)| after);
            after.split_whitespace().next().unwrap_or("unknown").to_owned()
        }))
    }
}
