//! A response that begins before the whole request is sent.
//!
//! The application may read nothing of it before it has sent its whole request. If the request were only sent while the response is
//! read, each would wait for the other. So a separate task sends the request and reads the response.

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

use super::{idle::Idle, pooled::PooledHttp1};
use crate::h1;

type FrameResult = Result<Frame<Bytes>, h1::Error>;

/// The frames of such a response. Dropping it cancels the rest of the request and of the response.
pub(super) struct EarlyResponse {
    frames: Receiver<FrameResult>,
    task: JoinHandle<()>,
}

impl EarlyResponse {
    pub(super) fn new(connection: Box<PooledHttp1>, idle: Idle) -> Self {
        let (sender, frames) = channel(1);
        Self { frames, task: tokio::task::spawn_local(forward_frames(connection, idle, sender)) }
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        self.frames.poll_recv(cx)
    }
}

impl Drop for EarlyResponse {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Sends the request, and the response's frames into the channel.
async fn forward_frames(mut connection: Box<PooledHttp1>, idle: Idle, frames: Sender<FrameResult>) {
    let http1 = &mut connection.http1;
    loop {
        let mut permit = pin!(frames.reserve());
        let permit = poll_fn(|cx| {
            http1.poll_send(cx);
            permit.as_mut().poll(cx)
        });
        let Ok(permit) = permit.await else { return };
        match poll_fn(|cx| http1.poll_frame(cx)).await {
            None => break,
            Some(frame) => {
                let is_broken = frame.is_err();
                permit.send(frame);
                if is_broken {
                    return;
                }
            }
        }
    }
    idle.release(connection);
}
