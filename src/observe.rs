//! What the edge tells its operator: logs, counters, the admin address.

pub(crate) mod access;
mod admin;
mod colours;
mod counters;
mod escape;
mod fetches;
pub(crate) mod log;
mod metrics;
mod reloads;
mod status;

pub use admin::{CONNECTIONS as ADMIN_CONNECTIONS, Capacity, Health, serve as serve_admin};
pub use colours::{choose as choose_colours, has_colours};
pub use counters::{Counters, Outcome};
pub use fetches::{Fetches, Source};
pub use log::{finish as finish_log, init as init_log, start as start_log, write_text};
pub use reloads::Reloads;
pub use status::{Table, tables};
