//! The wire between a process and the one that replaces it: listening sockets, what the process remembers, and who decides from when on.
//!
//! The old process starts the new one, with a socket as its standard input, and leads the conversation:
//!
//! ```text
//! old                              new
//! Begin, sockets            ->     reads its configuration, starts its workers, which do not accept yet
//!                           <-     Built
//! what it remembers, Complete ->   adopts it
//!                           <-     Ready
//! Go                        ->     accepts
//! Record                    ->     decides whether a jti was used
//!                           <-     Recorded
//! ```
//!
//! Before Go the old process gives up if anything fails, and nothing has changed. From Go on only the new one decides.

mod channel;
mod link;
mod message;

pub use channel::Channel;
pub use link::Link;
pub use message::{Begin, LastUse, Message, Place, Store, TicketKeys};
