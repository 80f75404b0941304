//! How the program of an edge under test is started.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use mtls_edge::clock::Timestamp;

use super::program;
use crate::support::test_process;

/// The name of the program in the folder of an edge that was built with [`super::EdgeBuilder::installed`].
pub const INSTALLED: &str = "mtls-edge";

/// The program, its surroundings and its arguments. [`super::EdgeBuilder`] documents the fields.
pub(super) struct Launch {
    pub(super) environment: Vec<(String, String)>,
    pub(super) workers: Option<usize>,
    pub(super) open_files: Option<String>,
    pub(super) own_hosts: bool,
    pub(super) clock: Option<Timestamp>,
    pub(super) second_source: bool,
    pub(super) installed: bool,
    pub(super) launcher: Vec<String>,
    pub(super) argument: Option<&'static str>,
}

impl Launch {
    pub(super) const fn new() -> Self {
        Self {
            environment: Vec::new(),
            workers: Some(2),
            open_files: None,
            own_hosts: false,
            clock: None,
            second_source: false,
            installed: false,
            launcher: Vec::new(),
            argument: None,
        }
    }

    /// The program that serves with the configuration in this folder.
    pub(super) fn server(&self, folder: &Path) -> Command {
        let config = folder.join("edge.toml");
        let takes_commands = self.clock.is_some() || self.second_source;
        let mut command = if takes_commands {
            test_process::program(&config, self.workers.unwrap_or(2), self.clock)
        } else {
            let mut program = self.program(folder);
            if let Some(argument) = self.argument {
                program.args(["run", argument]).current_dir(folder);
            } else {
                program.arg("run").arg("--config").arg(&config);
            }
            program.args(self.workers.map(|workers| format!("--workers={workers}")));
            program
        };
        command.stdin(match (takes_commands, self.argument.is_some()) {
            (true, _) => Stdio::piped(),
            (false, true) => std::fs::File::open(config).unwrap().into(),
            (false, false) => Stdio::null(),
        });
        // The environment of the test must not decide what is logged, but the test may.
        command.env_remove("RUST_LOG").envs(self.variables());
        command
    }

    /// The program for a command that ends by itself, in this folder.
    pub(super) fn command(&self, folder: &Path) -> Command {
        let mut command = self.program(folder);
        command.current_dir(folder).envs(self.variables());
        command
    }

    fn variables(&self) -> impl Iterator<Item = (&String, &String)> {
        self.environment.iter().map(|(name, value)| (name, value))
    }

    /// The program, under the limits that were asked for.
    fn program(&self, folder: &Path) -> Command {
        let Some((launcher, words)) = self.launcher.split_first() else { return self.own_program(folder) };
        let mut command = Command::new(launcher);
        command.args(words).arg(self.own_program(folder).get_program());
        command
    }

    fn own_program(&self, folder: &Path) -> Command {
        if self.installed {
            return Command::new(folder.join(INSTALLED));
        }
        if self.own_hosts {
            const MOUNT: &str = "mount --bind \"$1/hosts\" /etc/hosts && mount --bind \"$1/resolv.conf\" /etc/resolv.conf && shift && exec \"$@\"";
            let mut unshare = Command::new("unshare");
            unshare.args(["--mount", "sh", "-c", MOUNT, "sh"]).arg(folder).arg(program().get_program());
            return unshare;
        }
        let Some(ulimit) = &self.open_files else { return program() };
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit {ulimit} && exec \"$0\" \"$@\"")]).arg(program().get_program());
        shell
    }
}
