//! The thread that writes the log.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::json::Line;

/// Bytes of lines that wait to be written; more are dropped.
const PENDING_BYTES_MAX: usize = 1 << 20;
/// The longest wait for the log to be written at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

static STDOUT: LazyLock<Writer> = LazyLock::new(|| Writer::new(io::stdout()));

/// A handle on the log's thread; clones share it.
#[derive(Clone)]
pub struct Writer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    more: Condvar,
    written: Condvar,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    dropped: u64,
    writing: bool,
}

impl Writer {
    /// The process's standard output.
    pub fn stdout() -> Self {
        STDOUT.clone()
    }

    /// A thread that writes to `out` for as long as the process lives.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Self { shared: shared.clone() };
        let spawned = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            run(&shared, out);
        });
        if let Err(error) = spawned {
            eprintln!("the log cannot be written: {error}");
        }
        writer
    }

    /// Adds a line, or drops it when too many wait.
    pub fn write(&self, line: &str) {
        let mut state = lock(&self.shared);
        if state.pending.len() + line.len() > PENDING_BYTES_MAX {
            state.dropped += 1;
            return;
        }
        state.pending.extend_from_slice(line.as_bytes());
        if !state.writing {
            self.shared.more.notify_one();
        }
    }

    /// Waits until all lines so far are written, for a bounded time.
    pub fn flush(&self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        let mut state = lock(&self.shared);
        while (state.writing || !state.pending.is_empty()) && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = self.shared.written.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn run(shared: &Shared, mut out: impl Write) {
    let mut batch = Vec::new();
    loop {
        let mut state = lock(shared);
        state.writing = false;
        shared.written.notify_all();
        while state.pending.is_empty() {
            state = shared.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writing = true;
        std::mem::swap(&mut batch, &mut state.pending);
        let dropped = std::mem::take(&mut state.dropped);
        drop(state);
        if dropped > 0 {
            let line = Line::new("warn", "kit", "log lines dropped").raw("lines", dropped);
            batch.extend_from_slice(line.finish().as_bytes());
        }
        // Nobody is left to tell that the log cannot be written.
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        batch.clear();
    }
}

/// The state stays whole whatever panicked while it was held: every change is one call.
fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A reader that does not read until told to.
    struct Stuck(mpsc::Receiver<()>, Sink);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Once the sender is gone, everything passes.
            let _ = self.0.recv();
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_arrive_in_order_by_the_time_of_a_flush() {
        let sink = Sink::default();
        let writer = Writer::new(sink.clone());
        for n in 0..100 {
            writer.write(&format!("{n}\n"));
        }
        writer.flush();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let expected: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_reader_that_stops_costs_lines_and_is_told_so() {
        let (go, stop) = mpsc::channel();
        let sink = Sink::default();
        let writer = Writer::new(Stuck(stop, sink.clone()));
        let line = "x".repeat(PENDING_BYTES_MAX / 2);
        for _ in 0..8 {
            writer.write(&line);
        }
        drop(go);
        writer.flush();
        writer.write("last\n");
        writer.flush();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("log lines dropped"));
        assert!(text.len() < 5 * PENDING_BYTES_MAX);
    }
}
