//! `status`: gets the status of a running edge and prints it as tables.

use std::{
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use super::print;
use crate::{
    admin::{Status, Table, tables},
    config::{self, Severity},
    forward::Origin,
    outbound::Get,
};

/// For the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of the response. A page of applications takes some 100 KB.
const MAX_BYTES: usize = 16 << 20;

/// Prints the status of the edge at `admin`, or at the admin address of a configuration. Exits 1 if no edge answers.
pub(super) fn status(config: Option<&Path>, admin: Option<SocketAddr>, page: u32) -> ExitCode {
    let address = match (admin, config) {
        (Some(admin), _) => admin,
        (None, Some(config)) => match admin_address(config) {
            Some(address) => address,
            None => return ExitCode::FAILURE,
        },
        // clap requires one of the two.
        (None, None) => return ExitCode::FAILURE,
    };
    if address.port() == 0 {
        return print::failure(
            "the configuration leaves the admin port to the system: give it with --admin, as the log has it",
        );
    }
    let address = reachable(address);
    match get(address, page) {
        Ok(status) => print::result(printed(&tables(&status)), ExitCode::SUCCESS),
        Err(error) => print::failure(format_args!("no status from the edge at http://{address}: {error}")),
    }
}

/// Reads the admin address of a configuration. The rest of the file may be invalid: operators want the status especially then.
fn admin_address(config: &Path) -> Option<SocketAddr> {
    let (address, problems) = config::admin(config);
    let has_errors = problems.iter().any(|problem| problem.severity == Severity::Error);
    match address {
        Some(_) if has_errors => print::err(format_args!(
            "warning: {0} has errors (mtls-edge check --config {0} lists them); only [listen] admin is read from it\n",
            config.display()
        )),
        Some(_) => {}
        None => {
            print::problems(&problems);
            print::err("help: give the admin address with --admin\n");
        }
    }
    address
}

/// The loopback address if the edge listens on every address.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn get(address: SocketAddr, page: u32) -> Result<Status, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let origin = Origin { tls: false, host: address.ip().to_string(), port: address.port() };
    let target = format!("/status?page={page}");
    let request = Get { origin: &origin, target: &target, accept: "application/json", max_bytes: MAX_BYTES };
    let response = request.send_to(address);
    let body = runtime
        .block_on(async { tokio::time::timeout(TIMEOUT, response).await })
        .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))??;
    serde_json::from_slice(&body)
        .map_err(|error| format!("the response is not the status of an mtls-edge: {error}"))
}

fn printed(tables: &[Table]) -> String {
    let mut text = String::new();
    for table in tables {
        let head =
            (!table.columns.is_empty()).then(|| table.columns.iter().map(ToString::to_string).collect());
        let rows: Vec<Vec<String>> = head
            .into_iter()
            .chain(table.rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()))
            .collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let _ = writeln!(text, "{}{}", if text.is_empty() { "" } else { "\n" }, table.title);
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}", width = *width))
                .collect();
            let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
        }
        if table.rows.is_empty() {
            text.push_str("  none\n");
        }
    }
    text
}

/// Escapes control characters: names come from certificates and files, and are printed to a terminal.
fn plain(cell: &str) -> String {
    let plain = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    cell.chars().map(plain).collect()
}
