//! Batches the small writes of one worker's streams until the end of its event-loop turn.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    rc::Rc,
    task::{Poll, Waker},
};

use tokio::net::TcpStream;

use super::stream::{Socket, Stream};

/// A batch that exceeds this size is sent before the end of the turn, in bytes.
const MAX_BATCH: usize = 64 * 1024;

/// Collects writes while the ready tasks of a worker run, and sends them once all of them have run.
///
/// A write to a sleeping process wakes it, which costs more than the write itself. Of several writes in quick succession only the
/// first finds the process asleep, and the same system call is cheaper when repeated at once. A worker with a single ready task
/// sends immediately. All clones belong to one thread.
#[derive(Clone, Debug, Default)]
pub struct WriteBatcher(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    batch: RefCell<Batch>,
    /// Wakes [`WriteBatcher::run`] when the batch is no longer empty.
    waker: RefCell<Option<Waker>>,
}

#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The streams in the order of their writes, each with the end of its bytes.
    parts: Vec<(Rc<Socket>, usize)>,
}

impl WriteBatcher {
    /// Wraps a TCP stream. Its writes are batched after [`Stream::enable_batching`].
    #[must_use]
    pub fn stream(&self, tcp: TcpStream) -> Stream {
        Stream::new(tcp, self.clone())
    }

    /// Flushes the batch at the end of each turn. The worker runs it as a task that never ends.
    pub async fn run(self) {
        poll_fn(|cx| -> Poll<()> {
            self.0.waker.replace(Some(cx.waker().clone()));
            self.flush();
            Poll::Pending
        })
        .await;
    }

    /// Sends the batch now, such as before work that takes long.
    pub fn flush(&self) {
        let Batch { mut bytes, mut parts } = self.0.batch.take();
        let mut start = 0;
        for (socket, end) in parts.drain(..) {
            socket.send(bytes.get(start..end).unwrap_or_default());
            start = end;
        }
        bytes.clear();
        // Sending adds nothing to the batch, so both can be reused with their capacity.
        self.0.batch.replace(Batch { bytes, parts });
    }

    /// Appends a stream's bytes to the batch.
    pub(super) fn push(&self, socket: &Rc<Socket>, bufs: &[io::IoSlice<'_>]) {
        let mut batch = self.0.batch.borrow_mut();
        let Batch { bytes, parts } = &mut *batch;
        socket.mark_batched();
        for buf in bufs {
            bytes.extend_from_slice(buf);
        }
        let is_full = bytes.len() > MAX_BATCH;
        match parts.last_mut() {
            Some((last, end)) if Rc::ptr_eq(last, socket) => *end = bytes.len(),
            _ => parts.push((Rc::clone(socket), bytes.len())),
        }
        drop(batch);
        if is_full {
            self.flush();
        } else if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}
