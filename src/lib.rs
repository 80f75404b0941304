//! `mtls-edge`: a TLS-terminating edge for OAuth 2.0 mutual-TLS client authentication (RFC 8705).
//!
//! The modules follow a request's path; each depends only on those after it:
//!
//! * [`cli`]: the commands;
//! * [`edge`]: the composition root of `run` and `demo`;
//! * [`reload`]: merges the updates of all sources into one site, and swaps it;
//! * [`source`]: sources of trust: the watched files, fetched documents;
//! * [`load`]: settings to a site, opening every file that they name;
//! * [`config`]: text to typed settings;
//! * [`outbound`]: the edge's own HTTP requests;
//! * [`listen`]: sockets, workers, limits, drain;
//! * [`connection`]: one accepted connection, from its handshake to its end;
//! * [`request`]: the tower stack of one connection;
//! * [`admin`]: the admin address: health, metrics, status;
//! * [`expiry`]: warnings before credentials expire;
//! * [`export`]: metrics in the formats of monitoring systems;
//! * [`observe`]: the log and the metrics;
//! * [`site`]: the snapshot of everything that a request is judged by and forwarded with;
//! * [`tls`]: one server configuration per domain, proof of possession;
//! * [`access_token`]: access tokens of resource requests;
//! * [`authorization_request`]: request objects, and pushed requests;
//! * [`authenticate`], [`vouch`], [`forward`]: the three jobs of the stack;
//! * [`h1`]: the HTTP/1.1 connection to an origin;
//! * [`trust`], [`identity`]: the registered applications and client CAs, and the facts of a certificate;
//! * [`jose`]: signed tokens, their keys and claims;
//! * [`net`]: streams with batched writes;
//! * [`pem`]: strict parsing of PEM and DER;
//! * [`header`]: the lists of header names, and how upstreams may confuse them;
//! * [`oauth`]: the parameters of a request, parsed once;
//! * [`replay`]: the used `jti` values of assertions;
//! * [`text`]: text from peers, bounded and escaped;
//! * [`clock`]: the time, and points in time.

pub mod access_token;
pub mod admin;
pub mod authenticate;
pub mod authorization_request;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connection;
pub mod edge;
pub mod expiry;
pub mod export;
pub mod forward;
pub mod h1;
pub mod header;
pub mod identity;
pub mod jose;
pub mod listen;
pub mod load;
pub mod net;
pub mod oauth;
pub mod observe;
pub mod outbound;
pub mod pem;
pub mod reload;
pub mod replay;
pub mod request;
pub mod site;
pub mod source;
pub mod text;
mod timer;
pub mod tls;
pub mod trust;
pub mod vouch;
