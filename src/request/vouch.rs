//! The headers for the upstream: inbound copies of every header that the edge sets are removed, and its own are added last.

use std::{
    net::{IpAddr, SocketAddr},
    task::{self, Poll},
};

use futures_util::future::Either;
use http::{HeaderMap, Request, Response, Uri, Version, header};
use tower::Service;

use super::{Authenticated, Context, Outbound, Refusal, request_id::REQUEST_ID};
use crate::{
    authenticate::Denial,
    forward::{Caller, ForwardedClient, ResponseBody, forwarding_headers, join_cookies},
    header::hop::remove_hop_by_hop,
};

/// Builds the outbound request.
#[derive(Clone, Debug)]
pub struct Vouch<S>(S);

impl<S> Vouch<S> {
    pub(super) fn new(inner: S) -> Self {
        Self(inner)
    }
}

/// Builds the outbound request. Hop-by-hop fields are removed first and the vouching headers added last, so that a client's
/// `Connection` line cannot remove them.
fn outbound(authenticated: Authenticated) -> Result<Outbound, Refusal> {
    let Authenticated { context, body, route: _, application, certificate, caller } = authenticated;
    let Context { mut head, connection, site, domain, authority, record, parameters: _, token: _ } = *context;
    let headers = &mut head.headers;
    remove_hop_by_hop(headers);
    if let Some(trace) = &record.trace {
        trace.remove_replaced(headers);
    }
    let mut cookies = 0;
    // One pass over the few fields of a request costs less than looking for two that most do not have.
    for (name, value) in headers.iter_mut() {
        match *name {
            header::COOKIE => cookies += 1,
            // So that no HTTP/2 connection keeps it in its compression table (RFC 7541 section 7.1.3).
            header::AUTHORIZATION => value.set_sensitive(true),
            _ => {}
        }
    }
    if cookies > 1 {
        join_cookies(headers);
    }
    let hops = connection.address.trusted_proxy.then(|| forwarded_for(headers));
    site.reserved.remove_from(headers);

    let target = &domain.target;
    let from =
        hops.map(|hops| ForwardedClient::from_chain(hops, connection.address.ip, &site.trusted_proxies));
    let upstream = (&**target, domain.forwarded_for);
    forwarding_headers(headers, upstream, from.as_ref().unwrap_or(&connection.from), &authority);
    for (name, value) in &target.spec.headers {
        headers.insert(name, value.clone());
    }
    if caller == Caller::Authenticated {
        connection.mark_authenticated(application.as_ref().map(|application| &application.client_id));
    }
    if let Some(basis) = &certificate {
        let Some(identity) = connection.identity.as_ref() else {
            return Err(Refusal::Denied(Denial::NoCertificate));
        };
        let Some(ours) = identity.headers(&domain.profile, basis) else {
            return Err(Refusal::Denied(Denial::NoCertificate));
        };
        match &*ours {
            Ok(ours) => {
                for (name, value) in ours {
                    headers.insert(name, value.clone());
                }
            }
            Err(too_large) => return Err(Refusal::TooLarge(*too_large)),
        }
    }

    // The matched bytes of the path are those that are sent. The authority is sent in `Host`.
    if head.uri.authority().is_some() {
        head.uri = origin_form(&head.uri);
    }
    headers.insert(header::HOST, target.spec.host.clone().unwrap_or(authority));
    headers.insert(REQUEST_ID, record.id.clone());
    head.version = Version::HTTP_11;
    Ok(Outbound { request: Request::from_parts(head, body), domain, caller, record })
}

/// The origin form of a target (RFC 9112 section 3.2.1): path and query. An empty path, as in `https://host?query`, becomes `/`.
fn origin_form(uri: &Uri) -> Uri {
    let target = match uri.path_and_query() {
        Some(target) if !target.as_str().starts_with('/') => target.to_string().parse().ok(),
        target => target.cloned().map(Uri::from),
    };
    target.unwrap_or_default()
}

/// The addresses of a trusted proxy's `X-Forwarded-For` after the last entry that is not an address.
fn forwarded_for(headers: &HeaderMap) -> Vec<IpAddr> {
    let entries =
        headers.get_all("x-forwarded-for").iter().flat_map(|line| line.as_bytes().split(|b| *b == b','));
    let mut addresses = Vec::new();
    for entry in entries {
        let address = std::str::from_utf8(entry).ok().and_then(|entry| address_in(entry.trim()));
        match address {
            Some(address) => addresses.push(address.to_canonical()),
            None => addresses.clear(),
        }
    }
    addresses
}

/// The address of an entry: plain, in brackets, or with a port, as some balancers write it.
fn address_in(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']'));
    bare.map_or_else(|| entry.parse().ok(), |v6| v6.parse().map(IpAddr::V6).ok())
        .or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

impl<S> Service<Authenticated> for Vouch<S>
where
    S: Service<Outbound, Response = Response<ResponseBody>, Error = Refusal>,
{
    type Response = S::Response;
    type Error = Refusal;
    type Future = Either<S::Future, std::future::Ready<Result<S::Response, Refusal>>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), Refusal>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, authenticated: Authenticated) -> Self::Future {
        match outbound(authenticated) {
            Ok(outbound) => Either::Left(self.0.call(outbound)),
            Err(refusal) => Either::Right(std::future::ready(Err(refusal))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_form_becomes_origin_form() {
        for (uri, target) in [
            ("https://api.example?a=b", "/?a=b"),
            ("https://api.example", "/"),
            ("https://api.example/c?d", "/c?d"),
            ("https://api.example/?", "/?"),
        ] {
            let origin = origin_form(&uri.parse().unwrap());
            assert_eq!(origin.path_and_query().unwrap().as_str(), target, "{uri}");
            assert_eq!(origin.authority(), None);
        }
    }
}
