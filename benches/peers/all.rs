//! Every peer, as `install.sh` installs them.

use std::path::Path;

use super::{caddy::Caddy, envoy::Envoy, haproxy::HaProxy, nginx::Nginx, place::Binary, traefik::Traefik};
use crate::harness::contender::Contender;

/// The peers in this virtual environment, `target/peers`. Whether one is there shows when it is asked for its version.
pub fn all(venv: &Path) -> Vec<Box<dyn Contender>> {
    let binary = |name| Binary(venv.join("proxies").join(name));
    vec![
        Box::new(Nginx(binary("nginx"))),
        Box::new(HaProxy(binary("haproxy"))),
        Box::new(Envoy(binary("envoy"))),
        Box::new(Traefik(binary("traefik"))),
        Box::new(Caddy(binary("caddy"))),
    ]
}
