//! `sampan backup FILE`: all that cannot be made again, in one file, while the server runs or not.

use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;

use crate::backup::Contents;
use crate::backup::file::NewFile;
use crate::backup::read::Backup;
use crate::backup::restore;
use crate::backup::write::{self, Source};
use crate::cli::BackupArgs;
use crate::control;
use crate::instance::{EXTERNAL_STORE, Instance};
use crate::machine;
use crate::server::stores;
use crate::text;

/// Pieces that wait for a slow disk.
const PIECES_MAX: usize = 4;
/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

pub async fn run(instance: &Instance, args: BackupArgs) -> anyhow::Result<()> {
    machine::require_root("backup")?;
    let to_stdout = args.file == Path::new("-");
    if to_stdout && io::stdout().is_terminal() {
        bail!("a backup is no text: give a FILE, or redirect standard output");
    }
    let contents = if to_stdout {
        take(instance, io::stdout()).await?.0
    } else {
        // Before any work is done: a name that is taken is told at once.
        let (contents, file) = take(instance, NewFile::create(&args.file, args.force)?).await?;
        file.finish(args.force)?;
        contents
    };
    let place = if to_stdout { "standard output".into() } else { args.file.display().to_string() };
    eprintln!("Backed up to {place}: {}.", contents.summary());
    eprintln!("  {}, sha256 of its content {}", text::size(contents.bytes), contents.sha256);
    eprintln!("  Images and volumes are not in it. It holds keys and Secrets: keep it safe.");
    Ok(())
}

/// Writes the backup of a running server, or of a stopped one's data.
async fn take<W: Write + Send + 'static>(
    instance: &Instance,
    to: W,
) -> anyhow::Result<(Contents, W)> {
    let to = Progress::new(to);
    if instance.running()?.is_some() {
        let body = control::get(instance, control::BACKUP).await?;
        return from_server(body, to).await;
    }
    from_data_dir(instance, to).await
}

/// What the server sends is checked on its way into the file.
async fn from_server<W: Write + Send + 'static>(
    mut body: Incoming,
    to: Progress<W>,
) -> anyhow::Result<(Contents, W)> {
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    let copy = tokio::task::spawn_blocking(move || {
        let mut to = to;
        let from = Tee { pieces, piece: Bytes::new(), to: &mut to };
        let contents = Backup::begin(from).and_then(Backup::check)?;
        to.flush().context("write the backup")?;
        anyhow::Ok((contents, to.done()))
    });
    while let Some(frame) = body.frame().await {
        // An answer that breaks off is told as such by whoever reads it.
        let Ok(frame) = frame else { break };
        let Ok(piece) = frame.into_data() else { continue };
        if sender.send(piece).await.is_err() {
            break;
        }
    }
    drop(sender);
    copy.await.context("write the backup")?
}

async fn from_data_dir<W: Write + Send + 'static>(
    instance: &Instance,
    mut to: Progress<W>,
) -> anyhow::Result<(Contents, W)> {
    let _lock = instance.lock_for_maintenance()?;
    restore::finish(instance.data_dir()).context("finish a restore that was interrupted")?;
    if instance.data_dir().join(EXTERNAL_STORE).exists() {
        bail!(
            "the objects of {} are in an external etcd, and its server is stopped\n\
             start it, or back the etcd up with 'etcdctl snapshot save'",
            instance.data_dir().display()
        );
    }
    let present = stores::present(instance);
    if present.is_empty() {
        bail!("there is nothing to back up in {}", instance.data_dir().display());
    }
    let wanted = present.into_iter().map(|space| (space, stores::untouched())).collect();
    let spaces = stores::open_all(instance, wanted).await?;
    let source = Source { data_dir: instance.data_dir().to_owned(), spaces: spaces.clone() };
    let copied = tokio::task::spawn_blocking(move || {
        let contents = write::write(&source, &mut to)?;
        anyhow::Ok((contents, to.done()))
    });
    let copied = copied.await.context("write the backup")?;
    stores::close_all(spaces).await;
    copied
}

/// Reads what comes from the server, and passes all of it on.
struct Tee<'a, W> {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
    to: &'a mut W,
}

impl<W: Write> Read for Tee<'_, W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => {
                    self.to.write_all(&piece)?;
                    self.piece = piece;
                }
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(into.len());
        into[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// A writer that tells on a terminal how far it has come.
struct Progress<W> {
    to: W,
    bytes: u64,
    shown: Option<Instant>,
}

impl<W: Write> Progress<W> {
    fn new(to: W) -> Self {
        let shown = io::stderr().is_terminal().then(Instant::now);
        Self { to, bytes: 0, shown }
    }

    fn done(self) -> W {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
        self.to
    }
}

impl<W: Write> Write for Progress<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.to.write(bytes)?;
        self.bytes += count as u64;
        if self.shown.is_some_and(|shown| shown.elapsed() >= PROGRESS_EVERY) {
            eprint!("\r\x1b[K{} written", text::size(self.bytes));
            self.shown = Some(Instant::now());
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
