//! The rustls configurations of a domain, and which of them a client gets.

use std::sync::Arc;

use rustls::{ServerConfig, server::ClientHello};

use super::options::KeyExchangeGroup;

/// The configurations of a domain, which differ in their key exchange groups. Cheap to clone.
///
/// rustls takes the first of the client's groups that a configuration has. So that a domain's preference decides, there is a further
/// configuration for each group of a configured order, with that group alone.
#[derive(Clone, Debug)]
pub struct ServerConfigs {
    all_groups: Arc<ServerConfig>,
    /// In the order of preference; empty if the client's preference decides.
    by_group: Arc<[(KeyExchangeGroup, Arc<ServerConfig>)]>,
}

impl ServerConfigs {
    /// The configurations for these groups, in this order. `make` makes one for some of them.
    ///
    /// # Errors
    ///
    /// That of `make`.
    pub(super) fn new(
        groups: &[KeyExchangeGroup],
        make: impl Fn(&[KeyExchangeGroup]) -> Result<Arc<ServerConfig>, rustls::Error>,
    ) -> Result<Self, rustls::Error> {
        let ordered = if groups.len() > 1 { groups } else { &[] };
        let one = |group: &KeyExchangeGroup| Ok((*group, make(std::slice::from_ref(group))?));
        let by_group = ordered.iter().map(one).collect::<Result<_, rustls::Error>>()?;
        Ok(Self { all_groups: make(groups)?, by_group })
    }

    /// The configuration with all groups.
    #[must_use]
    pub const fn all_groups(&self) -> &Arc<ServerConfig> {
        &self.all_groups
    }

    /// The configuration for a client: that of the first group that it offers too. Without one, the handshake fails.
    #[must_use]
    pub fn select(&self, hello: &ClientHello<'_>) -> &Arc<ServerConfig> {
        let offers =
            |group: KeyExchangeGroup| hello.named_groups().is_some_and(|all| all.contains(&group.number()));
        let first = self.by_group.iter().find(|(group, _)| offers(*group));
        first.map_or(&self.all_groups, |(_, config)| config)
    }
}
