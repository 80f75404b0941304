//! The bounded queue of log lines, and the loop of the thread that writes them.
//!
//! An output may be a pipe that nobody reads or a stopped terminal, so a write to it may block forever. Only the writer
//! thread blocks. Lines that do not fit into the queue meanwhile are dropped and counted.

use std::{
    io::{self, Write},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// The capacity of the queue in bytes. The writer buffers up to the same amount.
const BOUND: usize = 1024 * 1024;
/// How long the writer collects lines after a write, so that a busy edge does not wake it for each line.
const COLLECT: Duration = Duration::from_millis(5);
/// The writer stops collecting once this many bytes are queued.
const WAKE_BYTES: usize = BOUND / 8;
/// How long the writer waits for lines before it looks after its outputs.
const IDLE: Duration = Duration::from_secs(5);
/// Time between attempts if another process has made standard error non-blocking.
const RETRY: Duration = Duration::from_millis(10);

/// A queue of lines from any thread to one writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Notifies the writer of lines.
    lines: Condvar,
    /// Notifies threads in [`Queue::finish`] that the queue is empty.
    written: Condvar,
    /// Lines that did not fit.
    overflowed: AtomicU64,
    /// Lines that could not be written.
    unwritten: AtomicU64,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    writer: Writer,
    /// Whether a thread waits in [`Queue::finish`].
    is_urgent: bool,
}

/// The state of the writer thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// It was not started.
    None,
    /// It waits for a line.
    Idle,
    /// It waits for [`COLLECT`] after a write.
    Collecting,
    /// It is writing, or was notified of lines.
    Writing,
}

impl Queue {
    pub(super) const fn new() -> Self {
        let state = State { bytes: Vec::new(), writer: Writer::None, is_urgent: false };
        Self {
            state: Mutex::new(state),
            lines: Condvar::new(),
            written: Condvar::new(),
            overflowed: AtomicU64::new(0),
            unwritten: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing can panic between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends whole lines, or drops and counts them if they do not fit. Never waits for the writer.
    pub(super) fn push(&self, lines: &[u8]) {
        let mut state = self.state();
        if state.bytes.len() + lines.len() > BOUND {
            drop(state);
            self.overflowed.fetch_add(self::lines(lines), Relaxed);
            return;
        }
        state.bytes.extend_from_slice(lines);
        let wakes = match state.writer {
            Writer::Idle => true,
            Writer::Collecting => state.bytes.len() >= WAKE_BYTES,
            Writer::None | Writer::Writing => false,
        };
        if wakes {
            // No other thread needs to notify it until it runs.
            state.writer = Writer::Writing;
            drop(state);
            self.lines.notify_one();
        }
    }

    /// The number of lines that were dropped because they did not fit or could not be written.
    pub(super) fn dropped(&self) -> u64 {
        self.overflowed() + self.unwritten.load(Relaxed)
    }

    /// The number of lines that were dropped because they did not fit: the outputs accepted those before them too slowly.
    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed.load(Relaxed)
    }

    /// Passes batches of whole lines to `write` forever, and an empty one if there are none for [`IDLE`]. It returns how many lines it could not
    /// write. Called by the writer thread.
    pub(super) fn drain(&self, mut write: impl FnMut(&[u8]) -> u64) {
        let mut batch = Vec::new();
        loop {
            self.take(&mut batch);
            self.unwritten.fetch_add(write(&batch), Relaxed);
            batch.clear();
        }
    }

    /// Waits for lines, at most for [`IDLE`], and puts them into the empty `batch`.
    fn take(&self, batch: &mut Vec<u8>) {
        let mut state = self.state();
        if state.writer == Writer::Writing && !state.is_urgent && state.bytes.len() < WAKE_BYTES {
            state.writer = Writer::Collecting;
            let wait = |state: &mut State| state.writer == Writer::Collecting && !state.is_urgent;
            let waited = self.lines.wait_timeout_while(state, COLLECT, wait);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        while state.bytes.is_empty() {
            state.writer = Writer::Idle;
            self.written.notify_all();
            let (woken, waited) =
                self.lines.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if waited.timed_out() && state.bytes.is_empty() {
                return;
            }
        }
        state.writer = Writer::Writing;
        std::mem::swap(&mut state.bytes, batch);
    }

    /// Waits for at most `timeout` until all lines are written, and returns whether they are. Does not wait if there is no writer.
    pub(super) fn finish(&self, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        let mut state = self.state();
        state.is_urgent = true;
        self.lines.notify_one();
        while !matches!(state.writer, Writer::None | Writer::Idle) || !state.bytes.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || state.writer == Writer::None {
                break;
            }
            state = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_urgent = false;
        state.writer == Writer::Idle && state.bytes.is_empty()
    }

    /// Whether the writer was started.
    pub(super) fn has_writer(&self) -> bool {
        self.state().writer != Writer::None
    }

    /// Records that there is a writer. Must be called before its thread starts.
    pub(super) fn set_writer(&self) {
        self.state().writer = Writer::Writing;
    }
}

/// The number of lines that end in `bytes`.
pub(super) fn lines(bytes: &[u8]) -> u64 {
    u64::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u64::MAX)
}

/// The state of one output.
#[derive(Debug, Default)]
pub(super) struct Sink {
    /// Whether the last line was written in part.
    is_cut: bool,
    /// Why the last write failed.
    error: Option<io::Error>,
}

impl Sink {
    /// Writes whole lines, and returns how many could not be written.
    pub(super) fn write(&mut self, out: &mut (impl Write + ?Sized), batch: &[u8]) -> u64 {
        // The end of a line that was cut off is lost; the next one starts on a new line.
        if self.is_cut && self.write_bytes(out, b"\n") == 0 {
            return lines(batch);
        }
        let written = self.write_bytes(out, batch);
        let last = written.checked_sub(1).and_then(|last| batch.get(last));
        self.is_cut = written < batch.len() && last.is_some_and(|last| *last != b'\n');
        lines(batch.get(written..).unwrap_or_default())
    }

    /// Why the last write failed; none if it did not, or the output accepts nothing without an error.
    pub(super) fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Writes `bytes`, and returns how many were written: not all if the reader is gone or the disk is full, which may be temporary.
    fn write_bytes(&mut self, out: &mut (impl Write + ?Sized), bytes: &[u8]) -> usize {
        self.error = None;
        let mut rest = bytes;
        while !rest.is_empty() {
            match out.write(rest) {
                Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::park_timeout(RETRY),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
                Ok(_) => break,
            }
        }
        bytes.len() - rest.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;

    /// Passes on what is written, and blocks while the other end does not read.
    struct Slow(mpsc::SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn started() -> (Arc<Queue>, mpsc::Receiver<Vec<u8>>) {
        let queue = Arc::new(Queue::new());
        queue.set_writer();
        let (sender, receiver) = mpsc::sync_channel(0);
        let writing = Arc::clone(&queue);
        let (mut out, mut sink) = (Slow(sender), Sink::default());
        std::thread::spawn(move || writing.drain(|batch| sink.write(&mut out, batch)));
        (queue, receiver)
    }

    #[test]
    fn every_line_is_written_in_order_or_counted_as_dropped() {
        let (queue, receiver) = started();
        let line = |number: usize| format!("{number:01023}\n");
        let lines = 3 * BOUND / 1024;
        for number in 0..lines {
            queue.push(line(number).as_bytes());
        }
        let dropped = usize::try_from(queue.dropped()).unwrap();
        assert!(dropped >= BOUND / 1024, "{dropped}");
        let mut written = Vec::new();
        while written.len() < (lines - dropped) * 1024 {
            written.extend(receiver.recv().unwrap());
        }
        let text = String::from_utf8(written).unwrap();
        let numbers: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(numbers.len(), lines - dropped);
        assert!(numbers.is_sorted());
        // Once the reader reads again, no more lines are lost.
        queue.push(b"later\n");
        assert_eq!(receiver.recv().unwrap(), b"later\n");
        assert_eq!(queue.dropped(), dropped as u64);
    }

    #[test]
    fn unwritable_lines_are_counted() {
        let (queue, receiver) = started();
        drop(receiver);
        queue.push(b"one\ntwo\n");
        queue.finish(Duration::from_secs(20));
        queue.push(b"three\n");
        queue.finish(Duration::from_secs(20));
        assert_eq!(queue.dropped(), 3);
    }

    /// A disk with a limited number of free bytes.
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let length = bytes.len().min(disk.0);
            if length == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.0 -= length;
            disk.1.extend_from_slice(&bytes[..length]);
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_a_full_disk_cuts_off_is_not_joined_to_the_next() {
        let queue = Arc::new(Queue::new());
        queue.set_writer();
        let disk = Arc::new(Mutex::new((6, Vec::new())));
        let (writing, onto) = (Arc::clone(&queue), Arc::clone(&disk));
        let (mut out, mut sink) = (Disk(onto), Sink::default());
        std::thread::spawn(move || writing.drain(|batch| sink.write(&mut out, batch)));
        for (room, line, dropped) in [(0, "one\ntwo\nthree\n", 2), (0, "four\n", 3), (100, "five\n", 3)] {
            disk.lock().unwrap().0 += room;
            queue.push(line.as_bytes());
            queue.finish(Duration::from_secs(20));
            assert_eq!(queue.dropped(), dropped, "{line}");
        }
        assert_eq!(disk.lock().unwrap().1, b"one\ntw\nfive\n");
    }

    #[test]
    fn finish_waits_for_lines_but_not_forever() {
        let (queue, receiver) = started();
        queue.push(b"never read\n");
        queue.finish(Duration::from_millis(1));
        let reader = std::thread::spawn(move || receiver.recv().unwrap());
        queue.finish(Duration::from_secs(20));
        assert_eq!(reader.join().unwrap(), b"never read\n");
        // It does not wait if there is no writer.
        let queue = Queue::new();
        queue.push(b"a\n");
        queue.finish(Duration::from_secs(20));
    }
}
