//! The server's own log: one line per event, to standard error or to a bounded file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged when `SAMPAN_LOG` does not say.
const DEFAULT_FILTER: &str = "info,kube=warn,kube_runtime=warn,kube_client=warn,hyper=warn,\
    hickory_server=warn,hickory_proto=warn,hickory_resolver=warn,libcontainer=warn,nlink=warn";
/// How large the log file grows before it becomes `<name>.1`; one old file is kept.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Sets up logging for the process.
pub fn init(file: Option<&Path>) -> anyhow::Result<()> {
    let wanted = std::env::var("SAMPAN_LOG").unwrap_or_else(|_| DEFAULT_FILTER.to_owned());
    let filter: Targets = wanted
        .parse()
        .with_context(|| format!("read SAMPAN_LOG={wanted:?}; try \"info\" or \"debug\""))?;
    let lines = tracing_subscriber::fmt::layer().with_timer(Rfc3339).with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter);
    match file {
        Some(path) => {
            let log = Mutex::new(BoundedFile::open(path)?);
            registry.with(lines.with_writer(log)).init();
        }
        None => registry.with(lines.with_writer(io::stderr)).init(),
    }
    Ok(())
}

struct Rfc3339;

impl FormatTime for Rfc3339 {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{:.3}", jiff::Timestamp::now())
    }
}

/// A file that starts over when it is full, keeping one predecessor.
struct BoundedFile {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl BoundedFile {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let attempt = || format!("open the log file {}", path.display());
        let file = append_to(path).with_context(attempt)?;
        let bytes = file.metadata().with_context(attempt)?.len();
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    fn rotate(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".1");
        fs::rename(&self.path, old)?;
        self.file = append_to(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for BoundedFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.bytes + line.len() as u64 > FILE_BYTES_MAX {
            self.rotate()?;
        }
        let written = self.file.write(line)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_filter_is_well_formed() {
        DEFAULT_FILTER.parse::<Targets>().unwrap();
    }

    #[test]
    fn the_log_file_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("server.log");
        let mut log = BoundedFile::open(&path).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..30 {
            log.write_all(&line).unwrap();
        }
        let total: u64 =
            fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
        assert!(total <= 2 * FILE_BYTES_MAX);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
