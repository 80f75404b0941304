//! Opens a TCP connection to the first address of a host that accepts it (RFC 8305, "Happy Eyeballs").

use std::{collections::VecDeque, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::sleep,
};

use super::{
    Origin,
    resolved::{NO_ADDRESS, Resolved},
};

/// The time before the next address is tried in parallel (RFC 8305 section 5, "Connection Attempt Delay").
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A connection, and the permit for its descriptor.
type Connected = (TcpStream, OwnedSemaphorePermit);

/// Connects to a host, at the addresses that are known or else looked up now. The first attempt uses `permit`, each parallel one takes another of `permits`. If none is left, the next address
/// is tried when an attempt has failed.
///
/// # Errors
///
/// A sentence for the log.
pub(super) async fn dial(
    origin: &Origin,
    resolved: &Resolved,
    permit: OwnedSemaphorePermit,
    permits: &Arc<Semaphore>,
) -> Result<Connected, String> {
    let addresses = resolved.known_or_found(origin).await?;
    race(origin, interleaved(addresses.into_iter()), permit, permits).await
}

/// Alternates the address families, and keeps the resolver's order within each (RFC 8305 section 4).
fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut all: VecDeque<_> = addresses.collect();
    let Some(first) = all.front().map(SocketAddr::is_ipv6) else { return all };
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) =
        all.drain(..).partition(|address| address.is_ipv6() == first);
    while !one.is_empty() || !other.is_empty() {
        all.extend(one.pop_front().into_iter().chain(other.pop_front()));
    }
    all
}

async fn race(
    origin: &Origin,
    mut addresses: VecDeque<SocketAddr>,
    permit: OwnedSemaphorePermit,
    permits: &Arc<Semaphore>,
) -> Result<Connected, String> {
    let (mut attempts, mut failures) = (JoinSet::new(), Vec::new());
    let mut free = Some(permit);
    loop {
        if !addresses.is_empty()
            && let Some(permit) = free.take().or_else(|| Arc::clone(permits).try_acquire_owned().ok())
            && let Some(address) = addresses.pop_front()
        {
            attempts.spawn_local(async move { (address, TcpStream::connect(address).await, permit) });
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => match ended {
                Ok((_, Ok(stream), permit)) => return Ok((stream, permit)),
                Ok((address, Err(error), permit)) => {
                    failures.push((address, error));
                    free = Some(permit);
                }
                Err(error) => return Err(error.to_string()),
            },
            () = sleep(ATTEMPT_DELAY), if !addresses.is_empty() => {}
            else => return Err(describe(origin, &failures)),
        }
    }
}

/// Why no address accepted a connection, for the log.
fn describe(origin: &Origin, failures: &[(SocketAddr, io::Error)]) -> String {
    if failures.is_empty() {
        return NO_ADDRESS.to_owned();
    }
    let failures = failures.iter().map(|(address, error)| at(origin, Some(*address), error));
    failures.collect::<Vec<_>>().join("; ")
}

/// An error with the address at which it occurred, unless the origin's URL says that.
pub(super) fn at(origin: &Origin, address: Option<SocketAddr>, error: &dyn fmt::Display) -> String {
    match address.filter(|_| origin.is_named()) {
        Some(address) => format!("{address}: {error}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};
    use testkit::Refusing;
    use tokio::runtime::LocalOptions;

    use super::*;

    /// An address whose SYNs are dropped: that of a listener with a full accept queue. Returned with the sockets that fill it.
    fn unresponsive() -> (SocketAddr, Socket, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let fill = |_| {
            let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&address);
            client
        };
        let clients = (0..4).map(fill).collect();
        (address.as_socket().unwrap(), listener, clients)
    }

    fn run<T>(race: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), race).await.unwrap() })
    }

    fn named() -> Origin {
        Origin { tls: false, host: "auth.example.com".to_owned(), port: 80 }
    }

    fn permits(count: usize) -> (OwnedSemaphorePermit, Arc<Semaphore>) {
        let permits = Arc::new(Semaphore::new(count));
        (Arc::clone(&permits).try_acquire_owned().unwrap(), permits)
    }

    #[test]
    fn an_unresponsive_address_does_not_delay_the_next() {
        let (silent, _listener, _clients) = unresponsive();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let (permit, all) = permits(2);
        let (stream, permit) = run(race(&named(), [silent, good].into(), permit, &all)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        drop(permit);
        // The losing attempt has released its permit.
        assert_eq!(all.available_permits(), 2);
    }

    #[test]
    fn after_a_refusal_the_same_permit_is_used() {
        let refusing = Refusing::bind();
        let closed = refusing.address;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let (permit, all) = permits(1);
        let (stream, _permit) = run(race(&named(), [closed, closed, good].into(), permit, &all)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let (permit, all) = permits(1);
        let error = run(race(&named(), [closed, closed].into(), permit, &all)).unwrap_err();
        assert_eq!(error.matches(&format!("{closed}: Connection refused")).count(), 2, "{error}");
    }

    #[test]
    fn a_failure_names_the_address_that_the_url_does_not() {
        let refusing = Refusing::bind();
        let closed = refusing.address;
        let literal = Origin { host: closed.ip().to_string(), ..named() };
        for (origin, expected) in
            [(named(), format!("{closed}: Connection refused")), (literal, "Connection refused".to_owned())]
        {
            let (permit, all) = permits(1);
            let error = run(race(&origin, [closed].into(), permit, &all)).unwrap_err();
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn address_families_alternate() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let resolved = ["[::1]:1", "[::2]:1", "[::3]:1", "192.0.2.1:1", "192.0.2.2:1"].map(at);
        let expected = ["[::1]:1", "192.0.2.1:1", "[::2]:1", "192.0.2.2:1", "[::3]:1"].map(at);
        assert_eq!(interleaved(resolved.into_iter()), expected);
        assert!(interleaved(std::iter::empty()).is_empty());
    }
}
