//! Builds the listener specification from `[listen]`, and explains why the system refuses it: open-file limit, bind errors.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use super::port_owner::port_owners;
use crate::{
    config::{Fault, Problem, Span, Spanned, settings::Settings},
    listen::{BACKLOG, ListenSpec, Purpose, Shares, Shortage, Stray, StrayReason},
    observe::{Owner, outer_bound},
    text::suggest::{all_of, shell_word},
};

/// `EAFNOSUPPORT` on Linux: the kernel does not support the address family.
const EAFNOSUPPORT: i32 = 97;

/// Builds the specification of the listeners. `workers` overrides `[listen] workers`.
#[must_use]
pub fn listen_spec(settings: &Settings, workers: Option<usize>) -> ListenSpec {
    ListenSpec {
        https: settings.listen.https.iter().map(|address| address.value).collect(),
        admin: settings.listen.admin.value,
        health: settings.listen.health.as_ref().map(|health| health.value),
        workers: workers.or(settings.listen.workers),
        connections: settings.limits.connections,
        handshakes: settings.limits.handshakes,
        upstream_connections: settings.used_upstreams().map(|upstream| upstream.limits.connections).sum(),
        drain_delay: settings.limits.drain_delay,
        drain_timeout: settings.limits.drain_timeout,
    }
}

/// Checks the limit of open files against these settings: a warning if it allows fewer connections than are configured, an error if
/// it allows none.
#[must_use]
pub fn check_open_files(settings: &Settings) -> Option<Problem> {
    let spec = listen_spec(settings, None);
    match Shares::foreseen(&spec) {
        Ok(shares) => shares.shortage(&spec).map(|shortage| too_few_open_files(settings, &shortage)),
        Err(error) => {
            Some(Problem::error(connections_span(settings), "limits.connections", error.to_string()))
        }
    }
}

/// The warning that the limit of open files allows fewer connections than are configured.
#[must_use]
pub fn too_few_open_files(settings: &Settings, shortage: &Shortage) -> Problem {
    let help = "raise the limit (LimitNOFILE= in a systemd unit, --ulimit nofile= for a container, ulimit -n in a shell), or configure fewer connections";
    Problem::warning(connections_span(settings), "limits.connections", shortage.to_string()).help(help)
}

/// The warning that the kernel queues fewer connections than the edge asks for. `None` if the sysctl cannot be read.
#[must_use]
pub fn check_backlog(settings: &Settings) -> Option<Problem> {
    const SYSCTL: &str = "net.core.somaxconn";
    let allowed: i32 = sysctl("net/core/somaxconn").filter(|allowed| *allowed < BACKLOG)?;
    let what = format!(
        "{SYSCTL} is {allowed}: the kernel queues {allowed} connections per socket before the edge accepts them, expected {BACKLOG}; a burst loses the others"
    );
    let help = format!(
        "run as root: sysctl -w {SYSCTL}=4096; to keep it, write {SYSCTL} = 4096 into /etc/sysctl.d/mtls-edge.conf"
    );
    let span = settings.listen.https.first().map_or(&settings.listen.admin.span, |https| &https.span);
    Some(Problem::warning(span, "listen.https", what).help(help))
}

/// The warning that the control group or the machine has less memory than `memory_bytes`.
#[must_use]
pub fn check_memory(settings: &Settings) -> Option<Problem> {
    let configured = settings.limits.memory_bytes?;
    let (owner, bound) = outer_bound().filter(|(_, bound)| *bound < configured)?;
    let span = settings.spans.get("limits.memory_bytes").unwrap_or(&settings.listen.admin.span);
    let (allows, share) = match owner {
        Owner::ControlGroup => {
            let group = "the control group (MemoryMax= in a systemd unit, the memory limit of a container)";
            (format!("{group} allows"), "nine tenths")
        }
        Owner::Machine => ("the machine has".to_owned(), "three quarters"),
    };
    let what =
        format!("found {configured}, and {allows} {bound} bytes: the kernel would kill the edge before");
    let help = format!("remove memory_bytes, so that {share} of that apply, or write a smaller number");
    Some(Problem::warning(span, "limits.memory_bytes", what).help(help))
}

fn connections_span(settings: &Settings) -> &Span {
    settings.spans.get("limits.connections").unwrap_or(&settings.listen.admin.span)
}

/// The error that the address configured in `key` cannot be bound.
#[must_use]
pub fn cannot_bind(key: &str, address: &Spanned<SocketAddr>, error: &io::Error) -> Problem {
    unbindable(address.value, error).at(&address.span, key)
}

/// Why an address cannot be bound.
#[must_use]
pub fn unbindable(address: SocketAddr, error: &io::Error) -> Fault {
    let (ip, port) = (address.ip(), address.port());
    let (why, help) = match error.kind() {
        io::ErrorKind::AddrInUse => in_use(address),
        io::ErrorKind::PermissionDenied if port < first_unprivileged() => (
            format!(
                "Permission denied: ports below {} need a privilege that this user does not have",
                first_unprivileged()
            ),
            format!(
                "in the systemd unit write AmbientCapabilities=CAP_NET_BIND_SERVICE, or let a socket unit bind it (ListenStream={}); without systemd run as root: setcap cap_net_bind_service=+ep {}; or use a higher port, such as 8443",
                address,
                executable()
            ),
        ),
        io::ErrorKind::PermissionDenied => (
            "Permission denied".to_owned(),
            format!(
                "check whether SELinux or AppArmor denies it (ausearch -m avc, dmesg); for SELinux as root run: semanage port -a -t http_port_t -p tcp {port}"
            ),
        ),
        io::ErrorKind::AddrNotAvailable => (
            format!("Cannot assign requested address: no network interface of this machine has {ip}"),
            format!("to list the addresses, run: ip -brief address; {} means all of them", unspecified(ip)),
        ),
        _ if error.raw_os_error() == Some(EAFNOSUPPORT) => (
            "Address family not supported: this machine has no IPv6".to_owned(),
            format!("write an IPv4 address, such as \"0.0.0.0:{port}\""),
        ),
        _ => (error.to_string(), format!("write another address, such as \"{}:{port}\"", unspecified(ip))),
    };
    Fault::new(format!("{address}: cannot bind: {why}")).help(help)
}

/// Who has a port, and what to do about it.
fn in_use(address: SocketAddr) -> (String, String) {
    let (found, port) = (port_owners(address), address.port());
    let mut owners: Vec<String> = found.iter().map(ToString::to_string).collect();
    owners.sort_unstable();
    if found.iter().any(|owner| owner.id == 1) {
        let help = "a socket unit has it: let that pass it to the edge, or run: systemctl list-sockets; or use another port";
        return (format!("Address already in use by {}", all_of(owners)), help.to_owned());
    }
    if owners.is_empty() {
        let find = format!(
            "to find the program, run as root: ss -ltnp 'sport = :{port}'; stop it, or use another port"
        );
        return ("Address already in use by another program".to_owned(), find);
    }
    (format!("Address already in use by {}", all_of(owners)), "stop it, or use another port".to_owned())
}

/// The error that the service manager passed a socket that is not configured.
#[must_use]
pub fn stray_socket(settings: &Settings, stray: Stray) -> Problem {
    let address =
        stray.address.map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    let name = match stray.why {
        StrayReason::Second(purpose) | StrayReason::Off(purpose) => purpose.name(),
        StrayReason::NotConfigured => Purpose::Https.name(),
    };
    let key = format!("listen.{name}");
    let span = settings.spans.get(&key).unwrap_or(&settings.listen.admin.span);
    let (what, help) = match stray.why {
        StrayReason::Second(_) => (
            format!("the service manager passed a second socket named {name}: {address}"),
            format!("remove it from the socket unit: there is one {name} address"),
        ),
        StrayReason::Off(_) => (
            format!("the service manager passed a socket named {name}, which is off: {address}"),
            format!("write {name} = \"{address}\", or remove it from the socket unit"),
        ),
        StrayReason::NotConfigured => (
            format!("the service manager passed a socket for {address}, which is not configured"),
            format!(
                "write https = [\"{address}\"], or FileDescriptorName=https in the socket unit, so that its sockets replace the addresses that are configured here"
            ),
        ),
    };
    Problem::error(span, key, what).help(help)
}

/// The unspecified address of the same family, which means all local addresses.
fn unspecified(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "0.0.0.0" } else { "[::]" }
}

/// The first port that an unprivileged user may bind.
fn first_unprivileged() -> u16 {
    sysctl("net/ipv4/ip_unprivileged_port_start").unwrap_or(1024)
}

/// A number among the kernel's settings, by its path below `/proc/sys`.
fn sysctl<T: std::str::FromStr>(path: &str) -> Option<T> {
    fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?.trim().parse().ok()
}

/// The path of this executable, quoted for a shell.
fn executable() -> String {
    std::env::current_exe()
        .map_or_else(|_| "mtls-edge".to_owned(), |path| shell_word(&path.display().to_string()))
}
