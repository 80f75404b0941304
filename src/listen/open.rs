//! The open connections of a worker: they are counted, and asked to close when the edge drains.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use tokio::sync::Notify;

use crate::http::Connection;

/// All on one thread.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenConnections(Rc<Open>);

#[derive(Debug, Default)]
struct Open {
    count: Cell<usize>,
    /// The last one has gone.
    empty: Notify,
    is_draining: Cell<bool>,
    /// Those whose handshake is done, by their address in memory.
    served: RefCell<HashMap<usize, Rc<Connection>>>,
}

/// A connection's place among the open ones, from its accept to its end.
#[derive(Debug)]
pub(super) struct Entry {
    open: OpenConnections,
    /// Its key, once it is served.
    served: Cell<Option<usize>>,
}

impl OpenConnections {
    pub(super) fn enter(&self) -> Entry {
        self.0.count.set(self.count() + 1);
        Entry { open: self.clone(), served: Cell::new(None) }
    }

    pub(super) fn count(&self) -> usize {
        self.0.count.get()
    }

    pub(super) async fn none_left(&self) {
        while self.count() > 0 {
            self.0.empty.notified().await;
        }
    }

    /// Asks all of them to close, and those that are still to finish their handshake then.
    pub(super) fn drain(&self) {
        self.0.is_draining.set(true);
        self.0.served.borrow().values().for_each(|connection| connection.close());
    }
}

impl Entry {
    /// The handshake is done: the connection is asked to close when the edge drains.
    pub(super) fn serve(&self, connection: &Rc<Connection>) {
        let key = Rc::as_ptr(connection) as usize;
        self.served.set(Some(key));
        self.open.0.served.borrow_mut().insert(key, Rc::clone(connection));
        if self.open.0.is_draining.get() {
            connection.close();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Open { count, empty, served, .. } = &*self.open.0;
        if let Some(key) = self.served.get() {
            served.borrow_mut().remove(&key);
        }
        count.set(count.get().saturating_sub(1));
        if count.get() == 0 {
            empty.notify_one();
        }
    }
}
