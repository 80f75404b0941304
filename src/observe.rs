//! Observability: the log, the metrics, and the state of reloads and of memory. Recording only; `admin` and `export` publish it.

pub(crate) mod access;
mod colours;
mod early;
mod escape;
mod fetches;
pub mod log;
mod memory;
pub mod metrics;
mod orders;
mod panics;
mod reloads;
mod sources;

pub use colours::{choose as choose_colours, has_colours};
pub use early::write_json;
pub use fetches::{FetchSource, FetchState, Fetches, Overdue};
pub use log::{
    LogError, finish as finish_log, init as init_log, reopen as reopen_log, start as start_log, write_text,
};
pub use memory::{MemoryWatch, Owner, outer_bound};
pub use orders::{FailedOrder, OrderState, Orders, Renewal};
pub(crate) use panics::last as last_panic;
pub use reloads::{ReloadState, Reloads};
pub use sources::{SourceFailure, Sources};
