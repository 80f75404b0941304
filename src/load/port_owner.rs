//! Which processes listen on a port of this machine, as far as `/proc` shows it to this user.

use std::{
    collections::HashSet,
    fmt, fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use crate::text::visible;

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
        write!(f, "{} (process {})", visible(&self.name), self.id)
    }
}

/// The processes that listen on an address, or on one that includes it or is included by it. Empty if this user may not see all of them.
#[must_use]
pub fn port_owners(address: SocketAddr) -> HashSet<Process> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().filter_map(|table| fs::read_to_string(table).ok());
    let mut sockets: HashSet<PathBuf> = HashSet::new();
    for table in tables {
        sockets.extend(table.lines().filter_map(|line| listening(line, address)));
    }
    let (mut owners, mut seen) = (HashSet::new(), HashSet::new());
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let open = open_sockets(&entry.path(), &sockets);
        owners.extend((!open.is_empty()).then(|| process(&entry.path())).flatten());
        seen.extend(open);
    }
    if seen.len() == sockets.len() { owners } else { HashSet::new() }
}

/// The socket of a line of the kernel's table, as `/proc/PID/fd` shows it, if it listens on this address: `0: 0100007F:20FB ... 0A ... inode`.
fn listening(line: &str, address: SocketAddr) -> Option<PathBuf> {
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace();
    let (ip, port) = fields.nth(1)?.rsplit_once(':')?;
    let (ip, wanted) = (ip_of(ip)?, address.ip().to_canonical());
    let is_same = ip == wanted || ip.is_unspecified() || wanted.is_unspecified();
    let is_listening =
        is_same && u16::from_str_radix(port, 16) == Ok(address.port()) && fields.nth(1)? == LISTEN;
    is_listening.then(|| fields.nth(5))?.map(|inode| format!("socket:[{inode}]").into())
}

/// The address in the kernel's table: words of four bytes in hex, each in the order of the machine.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let words =
        hex.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let bytes: Vec<u8> =
        words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let v4 = || Some(IpAddr::from(<[u8; 4]>::try_from(bytes.as_slice()).ok()?));
    let v6 = || Some(IpAddr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?).to_canonical());
    v4().or_else(v6)
}

/// Which of the sockets the process in this folder of `/proc` has open.
fn open_sockets(folder: &Path, sockets: &HashSet<PathBuf>) -> HashSet<PathBuf> {
    let files = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .filter(|target| sockets.contains(target))
        .collect()
}

/// The process in this folder of `/proc`.
fn process(folder: &Path) -> Option<Process> {
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let name = fs::read_to_string(folder.join("comm")).ok()?.trim_end().to_owned();
    Some(Process { id, name })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use super::*;

    #[test]
    fn the_process_of_a_listening_port_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_own = |address| {
            let owners = port_owners(address);
            owners.iter().any(|owner| owner.id == std::process::id() && !owner.name.is_empty())
        };
        assert!(is_own(address));
        assert!(is_own((Ipv4Addr::UNSPECIFIED, address.port()).into()), "all addresses include it");
        assert!(is_own((Ipv6Addr::UNSPECIFIED, address.port()).into()));
        assert!(is_own((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), address.port()).into()));
        assert!(!is_own((Ipv4Addr::new(127, 0, 0, 2), address.port()).into()), "another address is free");
    }

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        if cfg!(target_endian = "little") {
            assert_eq!(ip_of("0100007F"), Some(Ipv4Addr::LOCALHOST.into()));
            assert_eq!(ip_of("00000000000000000000000001000000"), Some(Ipv6Addr::LOCALHOST.into()));
            assert_eq!(ip_of("0000000000000000FFFF00000100007F"), Some(Ipv4Addr::LOCALHOST.into()));
        }
        assert_eq!([ip_of(""), ip_of("01000000ff"), ip_of("xyzxyzxy")], [None; 3]);
    }
}
