//! Where events go: through a bounded queue to one thread, which writes them. A request never waits
//! for the disk: what finds the queue full is dropped, counted, and told in the server's log.

mod file;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use self::file::RotatedFile;

/// So many events wait for the disk, as upstream's queue.
const EVENTS_MAX: usize = 10_000;
/// And so many bytes of them.
const BYTES_MAX: u64 = 32 << 20;
/// Written at once.
const BATCH_BYTES: usize = 256 << 10;
/// How often a loss is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Why an audit log cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Its file cannot be written.
    #[error("open the audit log {}", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no thread for it.
    #[error("start the writer of the audit log")]
    Thread(#[source] std::io::Error),
}

/// Where an audit log is written to.
#[derive(Debug, Clone)]
pub enum AuditTo {
    /// Standard output.
    Stdout,
    /// A file, and those it was before.
    File(AuditFile),
}

/// A file that is begun anew when it is full.
#[derive(Debug, Clone)]
pub struct AuditFile {
    /// Its name. Old ones have their time in theirs, before the extension.
    pub path: PathBuf,
    /// It is full then.
    pub bytes_max: u64,
    /// How many old ones are kept; 0: all.
    pub backups_max: usize,
    /// How many days old ones are kept; 0: for ever.
    pub days_max: u32,
}

/// The way to the writer.
pub(super) struct Sink {
    queue: SyncSender<Job>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    waiting_bytes: AtomicU64,
    taken: AtomicU64,
    lost: AtomicU64,
}

enum Job {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

enum Target {
    Stdout,
    File(Box<RotatedFile>),
}

impl Sink {
    pub(super) fn start(to: AuditTo) -> Result<Self, SinkError> {
        let target = match to {
            AuditTo::Stdout => Target::Stdout,
            AuditTo::File(options) => Target::File(Box::new(RotatedFile::open(options)?)),
        };
        let (queue, jobs) = sync_channel(EVENTS_MAX);
        let counts = Arc::new(Counts::default());
        let writer = Writer { target, counts: counts.clone(), told: None };
        std::thread::Builder::new()
            .name("audit-log".to_owned())
            .spawn(move || writer.run(&jobs))
            .map_err(SinkError::Thread)?;
        Ok(Self { queue, counts })
    }

    /// Takes a line, if there is room.
    pub(super) fn take(&self, line: Vec<u8>) {
        let bytes = line.len() as u64;
        self.counts.taken.fetch_add(1, Relaxed);
        let waiting = self.counts.waiting_bytes.fetch_add(bytes, Relaxed);
        let fits = waiting + bytes <= BYTES_MAX;
        if !fits || self.queue.try_send(Job::Line(line)).is_err() {
            self.counts.waiting_bytes.fetch_sub(bytes, Relaxed);
            self.counts.lost.fetch_add(1, Relaxed);
        }
    }

    /// Waits until all that was taken is written.
    pub(super) fn flush(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let (done, written) = sync_channel(1);
        let mut job = Job::Flush(done);
        loop {
            match self.queue.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < end => job = back,
                Err(_) => return false,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        written.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok()
    }

    pub(super) fn metrics(&self) -> String {
        let counter = |name: &str, about: &str, labels: &str, count: &AtomicU64| {
            let count = count.load(Relaxed);
            format!("# HELP {name} {about}\n# TYPE {name} counter\n{name}{labels} {count}\n")
        };
        counter(
            "apiserver_audit_event_total",
            "Counter of audit events generated and sent to the audit backend.",
            "",
            &self.counts.taken,
        ) + &counter(
            "apiserver_audit_error_total",
            "Counter of audit events that failed to be audited properly.",
            "{plugin=\"log\"}",
            &self.counts.lost,
        )
    }
}

struct Writer {
    target: Target,
    counts: Arc<Counts>,
    /// When a loss was told last, and how many events were lost then.
    told: Option<(Instant, u64)>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut batch = Vec::new();
        while let Ok(first) = jobs.recv() {
            let (mut lines, mut flushes) = (0, Vec::new());
            let mut next = Some(first);
            while let Some(job) = next {
                match job {
                    Job::Line(line) => {
                        batch.extend_from_slice(&line);
                        lines += 1;
                    }
                    Job::Flush(done) => flushes.push(done),
                }
                next = if batch.len() < BATCH_BYTES { jobs.try_recv().ok() } else { None };
            }
            self.write(&batch, lines);
            self.counts.waiting_bytes.fetch_sub(batch.len() as u64, Relaxed);
            batch.clear();
            batch.shrink_to(BATCH_BYTES);
            for done in flushes {
                // Who waits no longer does not hear it.
                let _ = done.try_send(());
            }
        }
    }

    fn write(&mut self, batch: &[u8], lines: u64) {
        let written = match &mut self.target {
            Target::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(batch).and_then(|()| out.flush())
            }
            Target::File(file) => file.write(batch),
        };
        let failure = written.err().map(|error| {
            self.counts.lost.fetch_add(lines, Relaxed);
            error.to_string()
        });
        self.tell(failure);
    }

    /// Someone must act, but need not be told of each event.
    fn tell(&mut self, failure: Option<String>) {
        let lost = self.counts.lost.load(Relaxed);
        let (at, before) = self.told.map_or((None, 0), |(at, lost)| (Some(at), lost));
        if lost == before || at.is_some_and(|at| at.elapsed() < TELL_EVERY) {
            return;
        }
        let why = failure.unwrap_or_else(|| "the disk is too slow".to_owned());
        tracing::error!(lost = lost - before, in_all = lost, why, "audit events were lost");
        self.told = Some((Instant::now(), lost));
    }
}
