//! Takes from a thread what it never needs, so that code which an attacker brought into it cannot do it either (Landlock).
//!
//! A restriction belongs to a thread, and to the threads and processes that it starts. Other threads keep their rights: those that read
//! the configuration, write the log and cached documents, call PKCS#11 modules, and start the program that replaces this one.

use landlock::{ABI, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope};

/// How much of the restriction the kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confinement {
    /// All of it: Linux 6.12 or later.
    Full,
    /// The part that this kernel knows: Linux 5.13 or later.
    Partial,
    /// Nothing: Landlock is older than the kernel, or off.
    None,
}

/// Restricts this thread for the rest of its life: it cannot write, create, rename or remove files, start a program, listen on a TCP
/// port, connect to an abstract Unix socket, or signal another process. Open files and sockets stay usable, and files can be read, as the
/// resolution of names needs.
///
/// # Errors
///
/// If the kernel refuses.
pub fn confine_thread() -> Result<Confinement, RulesetError> {
    const KNOWN: ABI = ABI::V6;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_write(KNOWN) | AccessFs::Execute)?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::AbstractUnixSocket | Scope::Signal)?
        .create()?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Confinement::Full,
        RulesetStatus::PartiallyEnforced => Confinement::Partial,
        RulesetStatus::NotEnforced => Confinement::None,
    })
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{self, ErrorKind::PermissionDenied, Write},
        net::{TcpListener, TcpStream},
        os::{
            linux::net::SocketAddrExt,
            unix::net::{SocketAddr, UnixListener, UnixStream},
        },
        process::Command,
        thread,
    };

    use testkit::tool::not_tried;

    use super::*;

    fn kind<T>(result: io::Result<T>) -> Option<io::ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn a_confined_thread_reaches_no_process_on_the_machine() {
        let mut process = Command::new("sleep").arg("60").spawn().unwrap();
        let address =
            SocketAddr::from_abstract_name(format!("mtls-edge-{}", process.id()).as_bytes()).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let (signalled, connected) = thread::scope(|scope| {
            let confined = scope.spawn(|| {
                let confinement = confine_thread().unwrap();
                let refused = (kind(process.kill()), kind(UnixStream::connect_addr(&address)));
                if confinement == Confinement::Full {
                    return refused;
                }
                not_tried(&format!("confinement: this kernel enforces {confinement:?} of Landlock"));
                (Some(PermissionDenied), Some(PermissionDenied))
            });
            confined.join().unwrap()
        });
        // Another thread may.
        UnixStream::connect_addr(&address).unwrap();
        drop(listener);
        let _ = process.kill();
        process.wait().unwrap();
        assert_eq!((signalled, connected), (Some(PermissionDenied), Some(PermissionDenied)));
    }

    #[test]
    fn a_confined_thread_cannot_write_execute_or_listen() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "a").unwrap();
        let mut open = fs::File::create(path("open")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            let confined = scope.spawn(|| {
                let confinement = confine_thread().unwrap();
                if confinement != Confinement::Full {
                    not_tried(&format!("confinement: this kernel enforces {confinement:?} of Landlock"));
                    return;
                }
                assert_eq!(kind(fs::write(path("a"), "b")), Some(PermissionDenied));
                assert_eq!(kind(fs::write(path("b"), "b")), Some(PermissionDenied));
                assert_eq!(kind(fs::rename(path("a"), path("c"))), Some(PermissionDenied));
                assert_eq!(kind(fs::remove_file(path("a"))), Some(PermissionDenied));
                assert_eq!(kind(Command::new("/bin/sh").status()), Some(PermissionDenied));
                assert_eq!(kind(TcpListener::bind("127.0.0.1:0")), Some(PermissionDenied));
                // A thread that it starts is confined, too.
                let child = thread::spawn(|| kind(Command::new("/bin/sh").status()));
                assert_eq!(child.join().unwrap(), Some(PermissionDenied));
                assert_eq!(fs::read_to_string(path("a")).unwrap(), "a");
                open.write_all(b"open").unwrap();
                TcpStream::connect(address).unwrap();
            });
            confined.join().unwrap();
        });
        fs::write(path("b"), "another thread is not confined").unwrap();
        assert!(Command::new("/bin/sh").args(["-c", "true"]).status().unwrap().success());
    }
}
