//! Messages and descriptors over a Unix socket, each message with its length and kind.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use zeroize::Zeroizing;

use super::message::{Message, invalid};

/// Descriptors that are sent at once. The kernel allows 253.
const DESCRIPTORS: usize = 64;
/// The largest message in bytes: the values of one shard of a store with the highest limit take a tenth of it.
const LARGEST: u32 = 256 * 1024 * 1024;

/// One end of the socket between two processes.
#[derive(Debug)]
pub struct Channel(UnixStream);

impl Channel {
    /// The two ends: one for this process, and the standard input of the other.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (here, there) = UnixStream::pair()?;
        Ok((Self(here), there.into()))
    }

    /// The standard input as the end of this process. From then on the standard input is empty.
    pub fn of_stdin() -> io::Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned()?;
        let (ended, _) = UnixStream::pair()?;
        rustix::stdio::dup2_stdin(ended)?;
        Ok(Self(stdin.into()))
    }

    /// A second handle of the same end, to be ended with [`Channel::end`].
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Ends the conversation: a reader or writer at either end gets an error.
    pub fn end(&self) {
        // An error means that it has ended already.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }

    /// How long the other end may take from now on.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.0.set_read_timeout(patience)?;
        self.0.set_write_timeout(patience)
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Message) -> io::Result<()> {
        let payload = message.payload()?;
        let length = u32::try_from(payload.len()).ok().filter(|length| *length <= LARGEST);
        let length = length.ok_or_else(|| invalid("a message is too large"))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(payload.len() + 5));
        bytes.extend(length.to_be_bytes());
        bytes.push(message.kind());
        bytes.extend_from_slice(&payload);
        self.0.write_all(&bytes)
    }

    /// Waits for a message. An end of the conversation is an error.
    pub fn receive(&mut self) -> io::Result<Message> {
        let mut head = [0; 5];
        self.0.read_exact(&mut head)?;
        let [length @ .., kind] = head;
        let length = u32::from_be_bytes(length);
        if length > LARGEST {
            return Err(invalid("a message is too large"));
        }
        let mut payload = Zeroizing::new(Vec::new());
        (&mut self.0).take(length.into()).read_to_end(&mut payload)?;
        if payload.len() != usize::try_from(length).unwrap_or(usize::MAX) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Message::parse(kind, payload)
    }

    /// Sends descriptors.
    pub fn send_descriptors(&self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        for some in descriptors.chunks(DESCRIPTORS) {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(some));
            sendmsg(&self.0, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }

    /// Receives this many descriptors.
    pub fn receive_descriptors(&self, count: usize) -> io::Result<Vec<OwnedFd>> {
        let mut descriptors = Vec::new();
        while descriptors.len() < count {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let received =
                recvmsg(&self.0, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
            let before = descriptors.len();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = message {
                    descriptors.extend(some);
                }
            }
            if received.bytes == 0 || descriptors.len() == before {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(descriptors)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn descriptors_arrive_in_their_order() {
        let (here, there) = Channel::pair().unwrap();
        let there = Channel(there.into());
        let listeners: Vec<_> = (0..150).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        here.send_descriptors(&listeners.iter().map(AsFd::as_fd).collect::<Vec<_>>()).unwrap();
        let received = there.receive_descriptors(listeners.len()).unwrap();
        for (sent, received) in listeners.iter().zip(received) {
            assert_eq!(sent.local_addr().unwrap(), TcpListener::from(received).local_addr().unwrap());
        }
    }

    #[test]
    fn no_bytes_of_the_other_process_panic() {
        for bytes in [
            &b""[..],
            b"\0",
            b"\0\0\0\0\xff",
            b"\xff\xff\xff\xff\x01",
            b"\0\0\0\x09\x01{",
            b"\0\0\0\x01\x01{",
        ] {
            let (mut here, there) = Channel::pair().unwrap();
            UnixStream::from(there).write_all(bytes).unwrap();
            assert!(here.receive().is_err(), "{bytes:?}");
        }
        for kind in 0..=20 {
            for length in [0, 1, 48, 49, 50] {
                let _ = Message::parse(kind, Zeroizing::new(vec![b'['; length]));
            }
        }
    }
}
