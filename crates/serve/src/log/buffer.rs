//! The bounded buffer between requests and the log's output.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Bytes of lines that may wait. Lines beyond are dropped and counted.
pub(super) const BUFFER_BYTES_MAX: usize = 1 << 20;

/// From here on the writer does not wait for more lines to come together.
const HURRY_BYTES: usize = 256 << 10;

/// How long lines may gather before they are written: many lines per write call and per wake-up
/// of the writer, yet at once to a person's eye.
const GATHER: Duration = Duration::from_millis(25);

/// Takes lines from many threads; one thread of its own writes them out. Dropping it lets that
/// thread write what is left and end.
pub(super) struct Buffer {
    way: Way,
}

enum Way {
    Buffered(Arc<Shared>),
    /// Without a buffer: the thread that has a line writes it.
    Direct(Mutex<Box<dyn Write + Send>>),
}

struct Shared {
    state: Mutex<State>,
    /// The writer waits on this for lines.
    lines_came: Condvar,
    /// Those who flush wait on this for the writer.
    lines_written: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// Lines that found no room since the last write.
    dropped: u64,
    writer: Writer,
    /// The writer is to write at once.
    hurry: bool,
    closed: bool,
}

/// What the writer is doing, so that a line wakes it only when it must: waking a thread costs more
/// than all the rest of a line.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Writer {
    /// Waits for a first line.
    Idle,
    /// Lets lines gather.
    Gathering,
    /// Writes, or has not begun to wait.
    #[default]
    Busy,
}

impl Buffer {
    /// Starts the writer. `report` forms the line that says how many were dropped.
    pub(super) fn start(
        output: Box<dyn Write + Send>,
        report: impl Fn(&mut Vec<u8>, u64) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            lines_came: Condvar::new(),
            lines_written: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&theirs, output, report))?;
        Ok(Self { way: Way::Buffered(shared) })
    }

    /// Writes each line at once, in the thread that has it, which waits for the output.
    pub(super) fn unbuffered(output: Box<dyn Write + Send>) -> Self {
        Self { way: Way::Direct(Mutex::new(output)) }
    }

    /// Takes one line, or counts it as dropped if there is no room. Never waits for the output,
    /// if there is a buffer.
    pub(super) fn push(&self, line: &[u8], urgent: bool) {
        let shared = match &self.way {
            Way::Buffered(shared) => shared,
            Way::Direct(output) => {
                let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
                // As in the writer's thread, an output that fails cannot be reported anywhere.
                let _ = output.write_all(line).and_then(|()| output.flush());
                return;
            }
        };
        let mut state = shared.lock();
        if state.lines.len() + line.len() > BUFFER_BYTES_MAX {
            state.dropped += 1;
        } else {
            state.lines.extend_from_slice(line);
        }
        let hurry = urgent || state.lines.len() >= HURRY_BYTES;
        let wake = match state.writer {
            Writer::Idle => true,
            Writer::Gathering => hurry && !state.hurry,
            Writer::Busy => false,
        };
        state.hurry |= hurry;
        if wake {
            // Whoever comes next need not wake it again.
            if state.writer == Writer::Idle {
                state.writer = Writer::Busy;
            }
            drop(state);
            shared.lines_came.notify_one();
        }
    }

    /// Waits until all lines taken so far are written, at most `limit`.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let Way::Buffered(shared) = &self.way else { return true };
        let until = Instant::now() + limit;
        let mut state = shared.lock();
        while !state.settled() {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return false };
            state.hurry = true;
            shared.lines_came.notify_one();
            state = shared
                .lines_written
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Way::Buffered(shared) = &self.way {
            shared.lock().closed = true;
            shared.lines_came.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn nothing_to_write(&self) -> bool {
        self.lines.is_empty() && self.dropped == 0
    }

    fn settled(&self) -> bool {
        self.nothing_to_write() && self.writer != Writer::Busy
    }
}

/// The writer's thread.
fn write_all(
    shared: &Shared,
    mut output: Box<dyn Write + Send>,
    report: impl Fn(&mut Vec<u8>, u64),
) {
    let mut lines = Vec::new();
    loop {
        let mut state = shared.lock();
        if state.nothing_to_write() {
            state.writer = Writer::Idle;
            shared.lines_written.notify_all();
        }
        while state.nothing_to_write() {
            if state.closed {
                return;
            }
            state = shared.lines_came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.hurry && !state.closed {
            state.writer = Writer::Gathering;
            let waited = shared.lines_came.wait_timeout(state, GATHER);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.writer = Writer::Busy;
        state.hurry = false;
        mem::swap(&mut state.lines, &mut lines);
        let dropped = mem::take(&mut state.dropped);
        drop(state);

        if dropped > 0 {
            report(&mut lines, dropped);
        }
        // An output that fails cannot be reported anywhere: these lines are lost, as the next
        // are until it takes lines again.
        let _ = output.write_all(&lines).and_then(|()| output.flush());
        lines.clear();
        lines.shrink_to(HURRY_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    /// An output that takes bytes only when it is let.
    struct Gated {
        gate: mpsc::Receiver<()>,
        entered: mpsc::Sender<()>,
        taken: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.entered.send(());
            // A gate that is gone is open.
            let _ = self.gate.recv();
            let _ = self.taken.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Buffer, mpsc::Sender<()>, mpsc::Receiver<()>, mpsc::Receiver<Vec<u8>>) {
        let (open, gate) = mpsc::channel();
        let (entered, writing) = mpsc::channel();
        let (taken, output) = mpsc::channel();
        let buffer = Buffer::start(Box::new(Gated { gate, entered, taken }), |out, dropped| {
            out.extend_from_slice(format!("dropped {dropped}\n").as_bytes());
        });
        (buffer.unwrap(), open, writing, output)
    }

    #[test]
    fn lines_are_written_in_order_without_a_flush() {
        let (buffer, open, _writing, output) = gated();
        drop(open);
        buffer.push(b"one\n", false);
        buffer.push(b"two\n", false);
        let mut text = Vec::new();
        while text.len() < 8 {
            text.extend(output.recv_timeout(SOON).unwrap());
        }
        assert_eq!(text, b"one\ntwo\n");
    }

    #[test]
    fn a_full_buffer_drops_lines_and_says_how_many_and_nobody_waits() {
        let (buffer, open, writing, output) = gated();
        buffer.push(b"first\n", true);
        writing.recv_timeout(SOON).unwrap();
        // The writer now hangs in its output. All of this returns all the same.
        let line = [b'x'; 1024];
        for _ in 0..BUFFER_BYTES_MAX / line.len() + 7 {
            buffer.push(&line, true);
        }
        assert!(!buffer.flush(Duration::from_millis(10)));
        drop(open);
        assert!(buffer.flush(SOON));
        let all: Vec<u8> = output.try_iter().flatten().collect();
        assert_eq!(all.len(), b"first\n".len() + BUFFER_BYTES_MAX + b"dropped 7\n".len());
        assert!(all.ends_with(b"dropped 7\n"));
    }

    #[test]
    fn dropping_the_buffer_writes_what_is_left() {
        let (buffer, open, _writing, output) = gated();
        drop(open);
        buffer.push(b"last words\n", false);
        drop(buffer);
        let all: Vec<u8> = output.iter().flatten().collect();
        assert_eq!(all, b"last words\n");
    }

    #[test]
    fn without_a_buffer_a_line_is_written_when_push_returns() {
        let (open, gate) = mpsc::channel();
        let (entered, _writing) = mpsc::channel();
        let (taken, output) = mpsc::channel();
        drop(open);
        let buffer = Buffer::unbuffered(Box::new(Gated { gate, entered, taken }));
        buffer.push(b"one\n", false);
        assert_eq!(output.try_recv().unwrap(), b"one\n");
        assert!(buffer.flush(Duration::ZERO));
    }

    #[test]
    fn an_output_that_fails_does_not_end_the_log() {
        struct Closed(mpsc::Sender<()>);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                let _ = self.0.send(());
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (tried, tries) = mpsc::channel();
        let buffer = Buffer::start(Box::new(Closed(tried)), |_, _| ()).unwrap();
        for _ in 0..3 {
            buffer.push(b"line\n", false);
            tries.recv_timeout(SOON).unwrap();
            assert!(buffer.flush(SOON));
        }
    }
}
