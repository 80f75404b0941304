//! The tasks of HTTP/2 requests.

use std::rc::Rc;

use futures_util::FutureExt;
use hyper::rt::Executor;

use super::life::Life;

/// Spawns the task of each request onto the worker's thread. A task that ends early resets its stream, so that an overdue response can be
/// broken off whatever it waits for.
#[derive(Clone, Debug)]
pub(super) struct Streams(Rc<Life>);

impl Streams {
    pub(super) const fn new(life: Rc<Life>) -> Self {
        Self(life)
    }
}

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        // hyper calls the service for a request, and then this. An `async` block would contain the future twice.
        self.0.served_by(tokio::task::spawn_local(future.map(drop)).abort_handle());
    }
}
