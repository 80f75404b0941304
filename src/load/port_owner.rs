//! Which processes listen on a port of this machine, as far as `/proc` shows it to this user.

use std::{
    collections::HashSet,
    fmt, fs,
    path::{Path, PathBuf},
};

/// A process that has a listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its id.
    pub id: u32,
    /// The name of its program.
    pub name: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.id)
    }
}

/// The processes that listen on a port, whatever their address is. Empty if this user may not see them.
#[must_use]
pub fn port_owners(port: u16) -> HashSet<Process> {
    let sockets: HashSet<PathBuf> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listening(line, port)).collect::<Vec<_>>())
        .collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| process(&entry.path(), &sockets)).collect()
}

/// The socket of a line of the kernel's table, as `/proc/PID/fd` shows it, if it listens on this port: `0: 0100007F:20FB ... 0A ... inode`.
fn listening(line: &str, port: u16) -> Option<PathBuf> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let (_, local) = fields.nth(1)?.rsplit_once(':')?;
    let is_listening = u16::from_str_radix(local, 16) == Ok(port) && fields.nth(1)? == LISTEN;
    is_listening.then(|| fields.nth(5))?.map(|inode| format!("socket:[{inode}]").into())
}

/// The process in this folder of `/proc`, if it has one of the sockets open.
fn process(folder: &Path, sockets: &HashSet<PathBuf>) -> Option<Process> {
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let mut files = fs::read_dir(folder.join("fd")).ok()?.flatten();
    files.find(|file| fs::read_link(file.path()).is_ok_and(|target| sockets.contains(&target)))?;
    let name = fs::read_to_string(folder.join("comm")).ok()?.trim_end().to_owned();
    Some(Process { id, name })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_process_of_a_listening_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(
            port_owners(port).iter().any(|owner| owner.id == std::process::id() && !owner.name.is_empty())
        );
    }
}
