//! /containerLogs: the lines of a container's CRI log files, as they were or as they come.

mod entry;
mod messages;
mod options;

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path as Parts, Query, State};
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncSeekExt, BufReader};
use tokio::sync::mpsc;

use self::entry::{Carry, Entry};
use self::options::Options;
use super::{Failure, Served, upgrade};
use crate::shared::lock;

/// How often a followed file is looked at.
const POLL_EVERY: Duration = Duration::from_millis(200);
/// Lines that wait for a slow reader.
const QUEUE_LEN_MAX: usize = 64;
/// The longest line taken from a file; CRI lines are split at 16 KiB.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Rotated files that are read before the current one.
const ROTATED_MAX: u32 = 8;

pub(super) async fn serve(
    State(served): State<Served>,
    Parts((namespace, pod, container)): Parts<(String, String, String)>,
    Query(query): Query<Vec<(String, String)>>,
    request: Request<Body>,
) -> Response {
    let lines = match open(&served, &namespace, &pod, container, &query) {
        Ok(lines) => lines,
        Err(failure) => return failure.into_response(),
    };
    if upgrade::asks_for(request.headers(), "websocket") {
        return messages::answer(request, lines).await;
    }
    let lines = futures::stream::unfold(lines, |mut lines| async {
        let line: Bytes = lines.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(line), lines))
    });
    let text = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    (text, Body::from_stream(lines)).into_response()
}

fn open(
    served: &Served,
    namespace: &str,
    pod: &str,
    container: String,
    query: &[(String, String)],
) -> Result<mpsc::Receiver<Bytes>, Failure> {
    let options = Options::parse(query, Timestamp::now())?;
    let (uid, live) = served.pod(namespace, pod)?;
    let (begun, waiting) = {
        let live = lock(&live);
        (live.containers.get(&container).copied(), live.waiting.get(&container).copied())
    };
    let Some((attempt, _)) = begun else {
        let why = match waiting.unwrap_or("ContainerCreating") {
            "ErrImagePull" => "image can't be pulled",
            "ImagePullBackOff" => "trying and failing to pull image",
            reason => reason,
        };
        let message = format!("container {container:?} in pod {pod:?} is waiting to start: {why}");
        return Err(Failure::bad_request(message));
    };
    let attempt = match (options.previous, attempt) {
        (false, attempt) => attempt,
        (true, 0) => {
            let message =
                format!("previous terminated container {container:?} in pod {pod:?} not found");
            return Err(Failure::bad_request(message));
        }
        (true, attempt) => attempt - 1,
    };
    let paths = &served.shared()?.paths;
    let dir = paths.pod_logs(namespace, pod, &uid);
    let path = paths.log(&dir, &container, attempt);
    let runs = move || {
        let now = lock(&live).containers.get(&container).copied();
        now == Some((attempt, true))
    };
    let (sender, receiver) = mpsc::channel(QUEUE_LEN_MAX);
    // Ends with its reader: sending fails once the response is dropped.
    tokio::spawn(async move {
        let mut log =
            Log { out: sender, left: options.limit_bytes, options, carry: Carry::default() };
        if let Err(error) = log.send_all(&path, runs).await {
            tracing::debug!(path = %path.display(), %error, "log not read to its end");
        }
    });
    Ok(receiver)
}

/// Sends the lines of a log to one reader.
struct Log {
    out: mpsc::Sender<Bytes>,
    options: Options,
    left: Option<u64>,
    carry: Carry,
}

impl Log {
    async fn send_all(&mut self, path: &Path, runs: impl Fn() -> bool) -> std::io::Result<()> {
        let mut skip = match self.options.tail {
            Some(tail) => count_lines(path, self.options.since).await?.saturating_sub(tail),
            None => 0,
        };
        for file in rotated(path) {
            let mut reader = BufReader::new(tokio::fs::File::open(&file).await?);
            self.copy(&mut reader, &mut skip).await?;
        }
        match tokio::fs::File::open(path).await {
            Ok(file) => self.follow(path, file, skip, runs).await,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The current file, until it ends; when following, until the container does.
    async fn follow(
        &mut self,
        path: &Path,
        file: tokio::fs::File,
        mut skip: u64,
        runs: impl Fn() -> bool,
    ) -> std::io::Result<()> {
        let mut reader = BufReader::new(file);
        loop {
            // Asked before reading: what is written before the end is read after this.
            let ran = runs();
            self.copy(&mut reader, &mut skip).await?;
            if !self.options.follow || !ran || self.out.is_closed() || self.left == Some(0) {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(POLL_EVERY) => {}
                () = self.out.closed() => return Ok(()),
            }
            if replaced(path, reader.get_ref()).await {
                self.copy(&mut reader, &mut skip).await?;
                reader = BufReader::new(tokio::fs::File::open(path).await?);
            }
        }
    }

    /// All whole lines from here on.
    async fn copy(
        &mut self,
        reader: &mut BufReader<tokio::fs::File>,
        skip: &mut u64,
    ) -> std::io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).await?;
            if read == 0 {
                return Ok(());
            }
            if line.last() != Some(&b'\n') && read < LINE_BYTES_MAX {
                // Half written: read again when there is more.
                reader.seek(std::io::SeekFrom::Current(-(read as i64))).await?;
                return Ok(());
            }
            let Some(entry) = Entry::parse(&line) else { continue };
            if !entry.is_since(self.options.since) || !entry.is_of(self.options.stream) {
                continue;
            }
            if *skip > 0 {
                *skip -= u64::from(entry.whole);
                continue;
            }
            let shown = self.carry.show(&entry, self.options.timestamps);
            if !self.send(shown).await {
                return Ok(());
            }
        }
    }

    /// False when the reader is gone or has had what it may.
    async fn send(&mut self, mut line: Vec<u8>) -> bool {
        if let Some(left) = &mut self.left {
            line.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= line.len() as u64;
            if line.is_empty() {
                return false;
            }
        }
        self.out.send(line.into()).await.is_ok()
    }
}

/// The rotated files of a log that exist, oldest first.
fn rotated(path: &Path) -> Vec<PathBuf> {
    let name = |number: u32| PathBuf::from(format!("{}.{number}", path.display()));
    (1..=ROTATED_MAX).rev().map(name).filter(|path| path.exists()).collect()
}

/// How many lines there are that `since` lets through.
async fn count_lines(path: &Path, since: Option<Timestamp>) -> std::io::Result<u64> {
    let mut count = 0;
    let mut files = rotated(path);
    files.push(path.to_owned());
    for file in files {
        let Ok(file) = tokio::fs::File::open(&file).await else { continue };
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await? > 0 {
            let entry = Entry::parse(&line);
            count += u64::from(entry.is_some_and(|entry| entry.whole && entry.is_since(since)));
            line.clear();
        }
    }
    Ok(count)
}

/// Whether another file lies at `path` than the one that is open.
async fn replaced(path: &Path, open: &tokio::fs::File) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (tokio::fs::metadata(path).await, open.metadata().await) {
        (Ok(there), Ok(here)) => there.ino() != here.ino(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01T00:00:01Z stdout F one\n2026-01-01T00:00:02Z stderr P tw\n\
        2026-01-01T00:00:02Z stderr F o\n2026-01-01T00:00:03Z stdout F three\n";

    async fn shown(query: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        std::fs::write(dir.path().join("0.log.1"), "2026-01-01T00:00:00Z stdout F zero\n").unwrap();
        std::fs::write(&path, LOG).unwrap();
        let now = "2026-01-01T00:00:04Z".parse().unwrap();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let options = Options::parse(&pairs, now).unwrap();
        let (out, mut lines) = mpsc::channel(QUEUE_LEN_MAX);
        let mut log = Log { out, left: options.limit_bytes, options, carry: Carry::default() };
        log.send_all(&path, || false).await.unwrap();
        drop(log);
        let mut text = Vec::new();
        while let Some(line) = lines.recv().await {
            text.extend(line);
        }
        String::from_utf8(text).unwrap()
    }

    async fn check(query: &str, expected: &str) {
        assert_eq!(shown(query).await, expected, "{query}");
    }

    #[tokio::test]
    async fn lines_are_put_together_and_rotated_ones_come_first() {
        check("", "zero\none\ntwo\nthree\n").await;
        check("follow=true", "zero\none\ntwo\nthree\n").await;
    }

    #[tokio::test]
    async fn the_tail_is_counted_in_whole_lines() {
        check("tailLines=2", "two\nthree\n").await;
        check("tailLines=0", "").await;
        check("tailLines=99", "zero\none\ntwo\nthree\n").await;
    }

    #[tokio::test]
    async fn times_choose_and_are_shown() {
        check("sinceSeconds=2", "two\nthree\n").await;
        check("sinceTime=2026-01-01T00:00:03Z", "three\n").await;
        check(
            "sinceSeconds=2&timestamps=true",
            "2026-01-01T00:00:02Z two\n2026-01-01T00:00:03Z three\n",
        )
        .await;
    }

    #[tokio::test]
    async fn bytes_are_limited() {
        check("limitBytes=7", "zero\non").await;
    }

    #[tokio::test]
    async fn a_followed_log_goes_on_until_its_container_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.log");
        std::fs::write(&path, "2026-01-01T00:00:01Z stdout F one\n2026-01-01T00").unwrap();
        let running = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let (out, mut lines) = mpsc::channel(QUEUE_LEN_MAX);
        let options = Options { follow: true, ..Options::default() };
        let mut log = Log { out, left: None, options, carry: Carry::default() };
        let (file, runs) = (path.clone(), running.clone());
        let task = tokio::spawn(async move {
            log.send_all(&file, || runs.load(std::sync::atomic::Ordering::SeqCst)).await
        });
        assert_eq!(lines.recv().await.unwrap(), "one\n");
        std::fs::write(
            &path,
            "2026-01-01T00:00:01Z stdout F one\n2026-01-01T00:00:02Z stdout F two\n",
        )
        .unwrap();
        assert_eq!(lines.recv().await.unwrap(), "two\n");
        running.store(false, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(lines.recv().await, None);
        task.await.unwrap().unwrap();
    }
}
