//! A response that begins before its request is out.
//!
//! Whoever passes it on may wait until the application reads it, while the application reads nothing before its request is out. So
//! both go on in a task of their own.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
};

use super::{idle::Idle, pooled::Kept};
use crate::h1;

type Passed = Result<Frame<Bytes>, h1::Error>;

/// The frames of such a response. When it is dropped, so is what is left of both.
pub(super) struct Early {
    frames: Receiver<Passed>,
    task: JoinHandle<()>,
}

impl Early {
    pub(super) fn new(connection: Kept, idle: Idle) -> Self {
        let (sender, frames) = channel(1);
        Self { frames, task: tokio::task::spawn_local(pass(connection, idle, sender)) }
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Passed>> {
        self.frames.poll_recv(cx)
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends the request and passes the response on, frame by frame.
async fn pass(mut connection: Kept, idle: Idle, frames: Sender<Passed>) {
    let http1 = &mut connection.http1;
    loop {
        let mut room = pin!(frames.reserve());
        let room = poll_fn(|cx| {
            http1.poll_send(cx);
            room.as_mut().poll(cx)
        });
        let Ok(room) = room.await else { return };
        match poll_fn(|cx| http1.poll_frame(cx)).await {
            None => break,
            Some(frame) => {
                let is_broken = frame.is_err();
                room.send(frame);
                if is_broken {
                    return;
                }
            }
        }
    }
    idle.put(connection);
}
