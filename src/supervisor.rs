//! The service manager, usually systemd: the sockets that it passes (sd_listen_fds(3)), and what it is notified of (sd_notify(3)).
//!
//! Without it, all of this does nothing.

use std::{io, net::TcpListener, time::Duration};

use listenfd::ListenFd;
use sd_notify::NotifyState;
use socket2::SockRef;

use crate::listen::{Inherited, Purpose};

/// The listening sockets that the service manager has passed. Those named `https`, `admin` or `health` (`FileDescriptorName=`) are for that
/// purpose, whatever their address is. Must be called before the process has threads, since it removes variables of the environment.
///
/// # Errors
///
/// If something else than a listening TCP socket was passed.
pub fn passed_sockets() -> io::Result<Vec<Inherited>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut sockets = Vec::new();
    for number in 0..passed.len() {
        let name = names.next().unwrap_or_default();
        let listener = passed.take_tcp_listener(number)?.filter(is_listening).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a connection and not a listening socket: write Accept=no in the socket unit",
            )
        })?;
        let purpose = Purpose::of_name(name);
        let address = if purpose.is_some() { None } else { listener.local_addr().ok() };
        sockets.push(Inherited { listener, purpose, address });
    }
    Ok(sockets)
}

fn is_listening(listener: &TcpListener) -> bool {
    SockRef::from(listener).is_listener().unwrap_or(false)
}

/// What the service manager is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The edge serves, for the first time or after a reload.
    Ready,
    /// The edge still serves; only the line of the report changes.
    Report,
    /// The edge reads its configuration again.
    Reloading,
    /// The edge ends.
    Stopping,
    /// Another process is in charge: the one with this id.
    MainProcess(u32),
    /// The edge lives.
    Alive,
}

/// Notifies the service manager, with a line for its report of the service.
pub fn notify(notice: Notice, status: &str) {
    let mut lines = match notice {
        Notice::Ready => vec![NotifyState::Ready],
        Notice::Report => Vec::new(),
        // systemd ignores a reload without the time.
        Notice::Reloading => match NotifyState::monotonic_usec_now() {
            Ok(now) => vec![NotifyState::Reloading, now],
            Err(_) => return,
        },
        Notice::Stopping => vec![NotifyState::Stopping],
        Notice::MainProcess(id) => vec![NotifyState::MainPid(id)],
        Notice::Alive => vec![NotifyState::Watchdog],
    };
    if !status.is_empty() {
        lines.push(NotifyState::Status(status));
    }
    if let Err(error) = sd_notify::notify(&lines) {
        tracing::warn!(%error, "cannot notify the service manager (NOTIFY_SOCKET)");
    }
}

/// Why no other process can take over from this one: what has started it ends everything when this process ends.
#[must_use]
pub fn bound_to_this_process() -> Option<&'static str> {
    let id = std::process::id();
    if id == 1 {
        return Some(
            "the container ends with this process: replace the container, with drain_delay and several replicas",
        );
    }
    let variable = |name| std::env::var(name).unwrap_or_default();
    let is_main = variable("SYSTEMD_EXEC_PID") == id.to_string();
    (is_main && variable("NOTIFY_SOCKET").is_empty()).then_some(
        "systemd ends the service with this process: write Type=notify in the unit, and restart the service",
    )
}

/// How often the service manager wants to be notified that the edge lives (`WatchdogSec=`).
#[must_use]
pub fn watchdog() -> Option<Duration> {
    // Twice as often as needed, as sd_watchdog_enabled(3) recommends.
    sd_notify::watchdog_enabled().map(|time| time / 2).filter(|time| !time.is_zero())
}
