//! What the streams of one worker have to send, put together.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    rc::Rc,
    task::{Poll, Waker},
};

use tokio::net::TcpStream;

use super::stream::{Socket, Stream};

/// More than this is not gathered before it is sent, in bytes.
const BOUND: usize = 64 * 1024;

/// Gathers what is sent while the tasks that are ready have their turn, and sends it when all of them had it.
///
/// Each send to a process that sleeps wakes it, and that costs more than the rest of the send. Of sends right behind each other only the
/// first finds it asleep; and a core that goes through the same system call for one stream after the other goes through it faster. A
/// worker with nothing else to do sends at once. All on one thread.
#[derive(Clone, Debug, Default)]
pub struct Outbox(Rc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    gathered: RefCell<Gathered>,
    /// Of [`Outbox::run`], while it sleeps.
    sleeper: RefCell<Option<Waker>>,
}

#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    /// Whose they are, in order: the stream, and where its bytes end.
    parts: Vec<(Rc<Socket>, usize)>,
}

impl Outbox {
    /// The stream whose sends are gathered here.
    #[must_use]
    pub fn stream(&self, tcp: TcpStream) -> Stream {
        Stream::new(tcp, self.clone())
    }

    /// Sends what is gathered whenever the tasks that were ready had their turn. To be run as a task of the worker.
    pub async fn run(self) {
        poll_fn(|cx| -> Poll<()> {
            self.0.sleeper.replace(Some(cx.waker().clone()));
            self.send();
            Poll::Pending
        })
        .await;
    }

    /// Sends what is gathered now: before work that takes long.
    pub fn send(&self) {
        let Gathered { mut bytes, mut parts } = self.0.gathered.take();
        let mut start = 0;
        for (socket, end) in parts.drain(..) {
            socket.send(bytes.get(start..end).unwrap_or_default());
            start = end;
        }
        bytes.clear();
        // Nothing is gathered meanwhile: both keep their memory.
        self.0.gathered.replace(Gathered { bytes, parts });
    }

    /// Takes bytes of a stream.
    pub(super) fn gather(&self, socket: &Rc<Socket>, bufs: &[io::IoSlice<'_>]) {
        let mut gathered = self.0.gathered.borrow_mut();
        let Gathered { bytes, parts } = &mut *gathered;
        socket.mark_gathered();
        for buf in bufs {
            bytes.extend_from_slice(buf);
        }
        let is_full = bytes.len() > BOUND;
        match parts.last_mut() {
            Some((last, end)) if Rc::ptr_eq(last, socket) => *end = bytes.len(),
            _ => parts.push((Rc::clone(socket), bytes.len())),
        }
        drop(gathered);
        if is_full {
            self.send();
        } else if let Some(sleeper) = self.0.sleeper.take() {
            sleeper.wake();
        }
    }
}
