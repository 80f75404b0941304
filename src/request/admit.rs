//! Admission: an address that may send a request, no upgrades, well-formed headers, and an authority that equals the connection's server name.

use std::{
    rc::Rc,
    sync::Arc,
    task::{self, Poll},
};

use futures_util::future::Either;
use http::{HeaderMap, HeaderValue, Method, Response, Version, header, request::Parts, uri::Authority};
use tower::Service;

use super::{
    Arrived, Connection, Context, Refusal, WorkerParts, connection::counted_network, inbound::Inbound,
};
use crate::{
    forward::ResponseBody,
    site::{Domain, Site, SiteHandle},
    tls::ClientAuth,
};

/// Refuses addresses that may not send a request, too many or malformed headers, upgrades, and requests for another authority than the handshake's (421, RFC 9110
/// section 15.5.20).
#[derive(Clone, Debug)]
pub struct Admit<S> {
    inner: S,
    site: SiteHandle,
    connection: Rc<Connection>,
    parts: Rc<WorkerParts>,
}

impl<S> Admit<S> {
    pub(super) const fn new(
        inner: S,
        site: SiteHandle,
        connection: Rc<Connection>,
        parts: Rc<WorkerParts>,
    ) -> Self {
        Self { inner, site, connection, parts }
    }

    /// Refuses addresses that are not served, and requests that an address sends too soon.
    fn admit_address(&self, site: &Site) -> Result<(), Refusal> {
        let ip = self.connection.address.ip;
        // The handshake has checked this, but the setting may have changed since.
        if !site.clients.permit(ip) {
            return Err(Refusal::Address);
        }
        if let Some(rate) = site.limits.rate_of_address()
            && let Some(network) = counted_network(ip, site)
        {
            self.parts.rates.addresses.take(&network, rate).map_err(Refusal::AddressRate)?;
        }
        Ok(())
    }

    fn admit(&self, head: &Parts) -> Result<(Arc<Site>, Arc<Domain>, HeaderValue), Refusal> {
        let site = self.site.load_full();
        self.admit_address(&site)?;
        // hyper limits the number of headers over HTTP/1.1 loosely; over HTTP/2 only their bytes.
        if head.headers.len() > site.limits.headers {
            return Err(Refusal::Headers(site.limits.headers));
        }
        if head.version == Version::HTTP_2 {
            check_fields(&head.headers)?;
        }
        if head.method == Method::CONNECT
            || (head.headers.contains_key(header::UPGRADE) && !is_ignorable_upgrade(&head.headers))
        {
            return Err(Refusal::Upgrade);
        }
        // The fast path: most clients send exactly the domain.
        if let Some(domain) = site.domains.get(&*self.connection.server_name)
            && names_exactly(head, &domain.authority)
        {
            return self
                .admit_to(Arc::clone(domain), None)
                .map(|(domain, authority)| (site, domain, authority));
        }
        let Some(authority) = authority(head)? else {
            let Some(domain) = site.domains.get(&*self.connection.server_name).cloned() else {
                return Err(Refusal::Misdirected);
            };
            let (domain, authority) = self.admit_to(domain, None)?;
            return Ok((site, domain, authority));
        };
        let host = authority.host();
        let host = host.strip_suffix('.').unwrap_or(host);
        if !host.eq_ignore_ascii_case(&self.connection.server_name) {
            return Err(Refusal::Misdirected);
        }
        let Some(domain) = site.domains.get(&*self.connection.server_name).cloned() else {
            return Err(Refusal::Misdirected);
        };
        let (domain, authority) = self.admit_to(domain, authority.port_u16())?;
        Ok((site, domain, authority))
    }

    /// Admits a request to this domain, with the port that the client named.
    fn admit_to(
        &self,
        domain: Arc<Domain>,
        port: Option<u16>,
    ) -> Result<(Arc<Domain>, HeaderValue), Refusal> {
        // The handshake has checked this, but the setting may have changed since.
        if domain.client_auth == ClientAuth::Required && self.connection.identity.is_none() {
            return Err(Refusal::CertificateRequired);
        }
        // The upstream builds URLs with this port, so a client must not choose it.
        let authority = match port {
            Some(port) if port != 443 && port == self.connection.address.local_port => {
                HeaderValue::try_from(format!("{}:{port}", domain.name)).map_err(|_| Refusal::Host)?
            }
            _ => domain.authority.clone(),
        };
        Ok((domain, authority))
    }
}

/// Refuses fields of HTTP/2 that would have another meaning, or none, in HTTP/1.1.
fn check_fields(headers: &HeaderMap) -> Result<(), Refusal> {
    for (name, value) in headers {
        if has_surrounding_whitespace(value) {
            return Err(Refusal::SurroundingWhitespace);
        }
        // The only character that `HeaderName` allows beyond those of a token (RFC 9110 section 5.6.2).
        if name.as_str().contains('"') {
            return Err(Refusal::FieldName);
        }
    }
    Ok(())
}

/// Whether a field value is malformed because of leading or trailing whitespace (RFC 9113 section 8.2.1). HTTP/1.1 upstreams
/// would trim it, and read another value than the edge.
fn has_surrounding_whitespace(value: &HeaderValue) -> bool {
    matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

/// Whether `Upgrade` only offers other versions of HTTP or TLS, which a server may ignore (RFC 9110 section 7.8). A WebSocket
/// client needs the upgrade, so its request is refused.
fn is_ignorable_upgrade(headers: &HeaderMap) -> bool {
    let is_version = |protocol: &str| {
        let protocol = protocol.trim_matches([' ', '\t']);
        let name = protocol.split('/').next().unwrap_or_default();
        protocol.is_empty()
            || ["h2c", "h2", "http", "tls"].iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let mut offered = headers.get_all(header::UPGRADE).iter();
    offered.all(|value| value.to_str().is_ok_and(|value| value.split(',').all(is_version)))
        && !headers.contains_key(header::SEC_WEBSOCKET_KEY)
        && !headers.contains_key(header::SEC_WEBSOCKET_VERSION)
}

/// Whether a request names exactly this authority: in `Host` only, or over HTTP/2 in its target only.
fn names_exactly(head: &Parts, authority: &HeaderValue) -> bool {
    let hosts = || head.headers.get_all(header::HOST).iter();
    match head.uri.authority() {
        None => hosts().eq([authority]),
        Some(target) => {
            head.version == Version::HTTP_2
                && head.uri.scheme_str() == Some("https")
                && target.as_str().as_bytes() == authority.as_bytes()
                && hosts().next().is_none()
        }
    }
}

/// The authority of a request: of an absolute or HTTP/2 target, and of `Host`, whose hosts must agree. `None` if an HTTP/1.0
/// request has none.
fn authority(head: &Parts) -> Result<Option<Authority>, Refusal> {
    let in_target = head.uri.authority().cloned();
    if head.uri.scheme_str().is_some_and(|scheme| scheme != "https") {
        return Err(Refusal::Misdirected);
    }
    let in_host = host(&head.headers)?;
    let authority = match (in_target, in_host) {
        (Some(target), Some(host)) => {
            if !is_host_and_port(&host) {
                return Err(Refusal::Host);
            }
            if !target.host().eq_ignore_ascii_case(host.host()) {
                return Err(Refusal::Misdirected);
            }
            target
        }
        // RFC 9112 section 3.2: HTTP/1.0 has no mandatory Host; the server name selects the domain.
        (None, None) if head.version == Version::HTTP_10 => return Ok(None),
        (Some(one), None) if head.version == Version::HTTP_10 => one,
        // RFC 9112 section 3.2: an HTTP/1.1 request without Host is malformed, even with an absolute target.
        (Some(_), None) if head.version < Version::HTTP_2 => return Err(Refusal::Host),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Err(Refusal::Host),
    };
    if is_host_and_port(&authority) { Ok(Some(authority)) } else { Err(Refusal::Host) }
}

/// Whether an authority has no userinfo, and no port or a valid one: `Authority` accepts any text after the colon.
fn is_host_and_port(authority: &Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host());
    port.is_some_and(|port| port.is_empty() || port == ":" || authority.port_u16().is_some())
}

fn host(headers: &HeaderMap) -> Result<Option<Authority>, Refusal> {
    let mut all = headers.get_all(header::HOST).iter();
    let Some(host) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(Refusal::Host);
    }
    Authority::try_from(host.as_bytes()).map(Some).map_err(|_| Refusal::Host)
}

impl<S> Service<Inbound> for Admit<S>
where
    S: Service<Arrived, Response = Response<ResponseBody>, Error = Refusal>,
{
    type Response = S::Response;
    type Error = Refusal;
    type Future = Either<S::Future, std::future::Ready<Result<S::Response, Refusal>>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Refusal>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, Inbound { head, body, record }: Inbound) -> Self::Future {
        match self.admit(&head) {
            Ok((site, domain, authority)) => {
                let connection = Rc::clone(&self.connection);
                let (parameters, token) = (None, None);
                let context = Box::new(Context {
                    head,
                    connection,
                    site,
                    domain,
                    authority,
                    record,
                    parameters,
                    token,
                });
                Either::Left(self.inner.call(Arrived { context, body }))
            }
            Err(refusal) => Either::Right(std::future::ready(Err(refusal))),
        }
    }
}
