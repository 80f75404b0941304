//! What a client's HTTP/2 frames are: whether part of a head has arrived, and a budget for those that carry neither a request nor a body.
//!
//! h2 bounds CONTINUATION, empty DATA, header lists and resets of requests that it has not passed on. It answers or ignores any number of
//! PING, SETTINGS, PRIORITY, WINDOW_UPDATE and unknown frames: each costs the client a few bytes, and the edge a decoded frame.

/// The frames that a client may send before it sends requests, and the most that it can save up.
const BUDGET: u32 = 1000;
/// What a client earns with the head of a request: it may open the windows of its stream, prioritize and reset it.
const PER_HEAD: u32 = 20;
/// What it earns with a DATA frame that is not empty: some clients measure the round trip beside each.
const PER_DATA: u32 = 1;
/// The bytes of responses with which it earns one frame: a client opens the windows as it reads.
const BYTES: u32 = 1024;

/// The bytes before the first frame (RFC 9113 section 3.4).
const PREFACE: u32 = 24;
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

/// A client has sent more frames without a request or a body than its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a flood of HTTP/2 frames that carry nothing")]
pub(super) struct Flood;

/// The budget of one connection, and the position in what it has received.
#[derive(Debug)]
pub(super) struct FrameBudget {
    left: u32,
    /// Bytes of responses that have not earned a frame yet.
    sent: u32,
    /// The head of a frame that has not arrived completely.
    head: [u8; HEAD],
    /// How much of it has arrived.
    filled: usize,
    /// Bytes until the next head.
    skipped: u32,
    block: Block,
}

/// The part of a head, or of trailers, in the frame that has begun last (RFC 9113 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    None,
    /// More of it follows in CONTINUATION.
    Continues,
    Ends,
}

impl FrameBudget {
    /// The budget of a new connection.
    pub(super) const fn new() -> Self {
        Self { left: BUDGET, sent: 0, head: [0; HEAD], filled: 0, skipped: PREFACE, block: Block::None }
    }

    /// Notes received bytes.
    pub(super) fn receive(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        loop {
            let skipped = bytes.len().min(usize::try_from(self.skipped).unwrap_or(usize::MAX));
            self.skipped -= u32::try_from(skipped).unwrap_or(self.skipped);
            bytes = bytes.get(skipped..).unwrap_or_default();
            let taken = bytes.len().min(HEAD - self.filled);
            let (Some(room), Some(head)) =
                (self.head.get_mut(self.filled..self.filled + taken), bytes.get(..taken))
            else {
                return Ok(());
            };
            room.copy_from_slice(head);
            self.filled += taken;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.filled < HEAD {
                return Ok(());
            }
            self.filled = 0;
            let [high, middle, low, kind, flags, ..] = self.head;
            self.skipped = u32::from_be_bytes([0, high, middle, low]);
            self.block = match kind {
                HEADERS | CONTINUATION if flags & END_HEADERS == 0 => Block::Continues,
                HEADERS | CONTINUATION => Block::Ends,
                _ => Block::None,
            };
            match kind {
                HEADERS => self.earn(PER_HEAD),
                DATA if self.skipped > 0 => self.earn(PER_DATA),
                // h2 bounds them.
                DATA | CONTINUATION => {}
                _ => self.left = self.left.checked_sub(1).ok_or(Flood)?,
            }
        }
    }

    /// Whether a head or trailers have begun, and are not complete.
    pub(super) const fn has_partial_head(&self) -> bool {
        match self.block {
            Block::None => false,
            Block::Continues => true,
            Block::Ends => self.skipped > 0,
        }
    }

    /// Notes bytes that were sent.
    pub(super) fn send(&mut self, bytes: usize) {
        let sent = self.sent.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.earn(sent / BYTES);
        self.sent = sent % BYTES;
    }

    fn earn(&mut self, frames: u32) {
        self.left = self.left.saturating_add(frames).min(BUDGET);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, length: u8) -> Vec<u8> {
        [&[0, 0, length, kind, 0, 0, 0, 0, 1][..], &vec![HEADERS; usize::from(length)]].concat()
    }

    fn with_preface(frames: &[Vec<u8>]) -> Vec<u8> {
        [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frames.concat()].concat()
    }

    #[test]
    fn only_so_many_frames_may_carry_nothing() {
        for (kind, length) in [(PING, 8), (4, 0), (2, 5), (WINDOW_UPDATE, 4), (3, 4), (200, 0)] {
            let mut budget = FrameBudget::new();
            assert_eq!(budget.receive(&with_preface(&vec![frame(kind, length); 1000])), Ok(()));
            assert_eq!(budget.receive(&frame(kind, length)), Err(Flood), "{kind}");
        }
    }

    #[test]
    fn requests_and_bodies_earn_frames() {
        let mut budget = FrameBudget::new();
        budget.receive(&with_preface(&[])).unwrap();
        for _ in 0..1000 {
            let mut request = vec![frame(HEADERS, 30), frame(DATA, 10), frame(DATA, 0)];
            request.extend(vec![frame(WINDOW_UPDATE, 4); 21]);
            budget.receive(&request.concat()).unwrap();
        }
        // A response of 10 MiB, whose client opens both windows for every 2 KiB.
        for _ in 0..5 * 1024 {
            budget.send(2 * 1024);
            budget.receive(&vec![frame(WINDOW_UPDATE, 4); 2].concat()).unwrap();
        }
        // What is not used cannot be saved up.
        budget.send(usize::MAX);
        assert_eq!(budget.receive(&vec![frame(PING, 8); 1001].concat()), Err(Flood));
    }

    #[test]
    fn a_head_is_partial_until_its_last_byte() {
        let head = [&[0, 0, 2, HEADERS, 0, 0, 0, 0, 1, 7, 7][..], &[0, 0, 1, CONTINUATION, 4, 0, 0, 0, 1, 7]];
        let bytes = [&head.concat()[..], &frame(DATA, 3), &frame(PING, 8)].concat();
        let mut frames = FrameBudget::new();
        frames.receive(&with_preface(&[])).unwrap();
        for (at, byte) in bytes.iter().enumerate() {
            frames.receive(&[*byte]).unwrap();
            // From the end of the first frame's own head.
            assert_eq!(frames.has_partial_head(), (8..20).contains(&at), "{at}");
        }
    }

    proptest! {
        /// However the bytes are cut, the same frames are counted.
        #[test]
        fn cuts_change_nothing(
            frames in prop::collection::vec((prop::sample::select(vec![0, 1, 6, 8, 9]), 0..40_u8), 0..60),
            cuts in prop::collection::vec(1..50_usize, 1..20),
        ) {
            let frames: Vec<_> = frames.into_iter().map(|(kind, length)| frame(kind, length)).collect();
            let bytes = with_preface(&frames);
            let (mut whole, mut cut) = (FrameBudget::new(), FrameBudget::new());
            whole.receive(&bytes).unwrap();
            let mut rest = &bytes[..];
            for length in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*length).min(rest.len()));
                cut.receive(piece).unwrap();
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!((whole.left, whole.skipped), (cut.left, cut.skipped));
        }
    }
}
