//! A TCP connection to a host, whichever of its addresses takes it first (RFC 8305).

use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::sleep,
};

/// Connection Attempt Delay (RFC 8305 section 5): how long an address has before the next is tried beside it.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A connection, and the place that its descriptor takes.
type Connected = (TcpStream, OwnedSemaphorePermit);

/// Connects to this host. The first attempt takes `place`, and each one beside it another of `places`; where there is none left, the
/// next address waits until one has failed. The error is a sentence for the log.
pub(super) async fn dial(
    host: &str,
    port: u16,
    place: OwnedSemaphorePermit,
    places: &Arc<Semaphore>,
) -> Result<Connected, String> {
    let addresses = lookup_host((host, port)).await.map_err(|error| error.to_string())?;
    race(interleaved(addresses), place, places).await
}

/// The addresses, families in turn, in the order of the resolver else (RFC 8305 section 4).
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
    mut addresses: VecDeque<SocketAddr>,
    place: OwnedSemaphorePermit,
    places: &Arc<Semaphore>,
) -> Result<Connected, String> {
    let (mut attempts, mut failures) = (JoinSet::new(), Vec::new());
    let mut free = Some(place);
    loop {
        if !addresses.is_empty()
            && let Some(place) = free.take().or_else(|| Arc::clone(places).try_acquire_owned().ok())
            && let Some(address) = addresses.pop_front()
        {
            attempts.spawn_local(async move { (address, TcpStream::connect(address).await, place) });
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => match ended {
                Ok((_, Ok(stream), place)) => return Ok((stream, place)),
                Ok((address, Err(error), place)) => {
                    failures.push((address, error));
                    free = Some(place);
                }
                Err(error) => return Err(error.to_string()),
            },
            () = sleep(ATTEMPT_DELAY), if !addresses.is_empty() => {}
            else => return Err(sentence(&failures)),
        }
    }
}

/// Why no address took a connection.
fn sentence(failures: &[(SocketAddr, io::Error)]) -> String {
    match failures {
        [] => "its name has no address".to_owned(),
        [(_, error)] => error.to_string(),
        all => {
            all.iter().map(|(address, error)| format!("{address}: {error}")).collect::<Vec<_>>().join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};
    use tokio::runtime::LocalOptions;

    use super::*;

    /// An address whose SYNs are dropped: a listener with a full queue; what fills it.
    fn stuck() -> (SocketAddr, Socket, Vec<Socket>) {
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

    fn places(count: usize) -> (OwnedSemaphorePermit, Arc<Semaphore>) {
        let places = Arc::new(Semaphore::new(count));
        (Arc::clone(&places).try_acquire_owned().unwrap(), places)
    }

    #[test]
    fn an_address_that_drops_what_is_sent_holds_up_no_other() {
        let (silent, _listener, _clients) = stuck();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let (place, all) = places(2);
        let (stream, place) = run(race([silent, good].into(), place, &all)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        drop(place);
        // The attempt that lost has given its place back.
        assert_eq!(all.available_permits(), 2);
    }

    #[test]
    fn a_refused_address_needs_no_second_place() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let (place, all) = places(1);
        let (stream, _place) = run(race([closed, closed, good].into(), place, &all)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let (place, all) = places(1);
        let error = run(race([closed, closed].into(), place, &all)).unwrap_err();
        assert_eq!(error.matches(&format!("{closed}: Connection refused")).count(), 2, "{error}");
    }

    #[test]
    fn families_take_turns() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let given = ["[::1]:1", "[::2]:1", "[::3]:1", "192.0.2.1:1", "192.0.2.2:1"].map(at);
        let wanted = ["[::1]:1", "192.0.2.1:1", "[::2]:1", "192.0.2.2:1", "[::3]:1"].map(at);
        assert_eq!(interleaved(given.into_iter()), wanted);
        assert!(interleaved(std::iter::empty()).is_empty());
    }
}
