//! A client at a process's stdio: what the protocols have in common. [`web_socket`] and [`spdy`]
//! carry it.

mod spdy;
mod web_socket;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use container::{Error, Exec, ExitStatus, Size, StdioReader, StdioWriter};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub(super) use self::spdy::{PROTOCOLS as SPDY_PROTOCOLS, run as over_spdy};
pub(super) use self::web_socket::{PROTOCOLS as WEB_SOCKET_PROTOCOLS, run as over_web_socket};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;

/// The most data in one piece.
const CHUNK_BYTES: usize = 32 * 1024;
/// Pieces of output that wait for a slow client.
const QUEUE_LEN_MAX: usize = 16;
/// How long output may still come after the process has ended: a child of it may hold the pipe.
const OUTPUT_AFTER_EXIT: Duration = Duration::from_secs(2);
/// How much may still come then: more than any pipe holds.
const BYTES_AFTER_EXIT_MAX: usize = 4 << 20;

/// Which ends of a process a client wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    pub tty: bool,
}

/// What a client has asked for, and so what it is told at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A process of its own: how that ended.
    Exec,
    /// To be with a container's process, which is the pod's: how that ended stands in its status.
    Attach,
}

#[derive(Deserialize)]
struct TerminalSize {
    #[serde(rename = "Width")]
    width: u16,
    #[serde(rename = "Height")]
    height: u16,
}

impl From<TerminalSize> for Size {
    fn from(size: TerminalSize) -> Self {
        Self { rows: size.height, columns: size.width }
    }
}

/// What a process puts out, piece by piece. An empty piece is the end of its stream.
struct Output {
    queue: mpsc::Receiver<(u8, Bytes)>,
    ended: watch::Sender<bool>,
    /// They end with this.
    _readers: JoinSet<()>,
}

impl Output {
    fn of(exec: &mut Exec) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE_LEN_MAX);
        let (ended, _) = watch::channel(false);
        let mut readers = JoinSet::new();
        for (channel, reader) in [(STDOUT, exec.stdout.take()), (STDERR, exec.stderr.take())] {
            if let Some(reader) = reader {
                readers.spawn(pump(channel, reader, sender.clone(), ended.subscribe()));
            }
        }
        Self { queue, ended, _readers: readers }
    }

    async fn next(&mut self) -> Option<(u8, Bytes)> {
        self.queue.recv().await
    }

    /// The process has ended: what it has written is still to be had, and then no more.
    fn process_ended(&self) {
        self.ended.send_replace(true);
    }
}

/// Reads an output to its end; once the process has ended, until nothing comes any more. A client
/// may take its time.
async fn pump(
    channel: u8,
    mut reader: StdioReader,
    output: mpsc::Sender<(u8, Bytes)>,
    ended: watch::Receiver<bool>,
) {
    let (mut buffer, mut late) = (BytesMut::new(), 0);
    while late < BYTES_AFTER_EXIT_MAX {
        buffer.reserve(CHUNK_BYTES);
        let read = tokio::select! {
            biased;
            read = reader.read_buf(&mut buffer) => read,
            () = given_up(ended.clone()) => break,
        };
        // A terminal whose last user is gone fails with EIO: its end, too.
        let Ok(read @ 1..) = read else { break };
        if *ended.borrow() {
            late += read;
        }
        if output.send((channel, buffer.split().freeze())).await.is_err() {
            return;
        }
    }
    // A client that is gone need not know.
    let _ = output.send((channel, Bytes::new())).await;
}

async fn given_up(mut ended: watch::Receiver<bool>) {
    if ended.wait_for(|ended| *ended).await.is_ok() {
        tokio::time::sleep(OUTPUT_AFTER_EXIT).await;
    }
}

/// Writes to the process until there is no more, or it has closed its input.
async fn feed(mut pieces: mpsc::Receiver<Bytes>, mut stdin: StdioWriter) {
    while let Some(piece) = pieces.recv().await {
        if stdin.write_all(&piece).await.is_err() {
            // It goes on without; what comes is taken, and lost.
            drop(stdin);
            while pieces.recv().await.is_some() {}
            return;
        }
    }
}

/// How it ended, as a Status.
fn told(purpose: Purpose, ended: Result<ExitStatus, Error>) -> Value {
    match ended {
        Ok(status) => self::ended(purpose, &status),
        Err(error) => failed(purpose, &error),
    }
}

fn success() -> Value {
    json!({"metadata": {}, "status": "Success"})
}

fn ended(purpose: Purpose, status: &ExitStatus) -> Value {
    if status.code == 0 || purpose == Purpose::Attach {
        return success();
    }
    let code = status.code.to_string();
    json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code}]}})
}

fn failed(purpose: Purpose, error: &Error) -> Value {
    let attempted = match purpose {
        Purpose::Exec => "error executing command in container",
        Purpose::Attach => "error attaching to container",
    };
    json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": format!("{attempted}: {error}")})
}

/// The same for protocols that know no Status: nothing when all went well.
fn plain(status: &Value) -> Option<String> {
    (status["status"] != "Success")
        .then(|| status["message"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn an_exit_code_is_told_as_kubectl_reads_it() {
        let at = Timestamp::UNIX_EPOCH;
        let exit = |code| ExitStatus {
            code,
            signal: None,
            oom_killed: false,
            started_at: at,
            finished_at: at,
        };
        assert_eq!(ended(Purpose::Exec, &exit(0))["status"], "Success");
        assert_eq!(ended(Purpose::Attach, &exit(3))["status"], "Success");
        let failed = ended(Purpose::Exec, &exit(3));
        assert_eq!(failed["reason"], "NonZeroExitCode");
        assert_eq!(failed["details"]["causes"][0]["message"], "3");
        assert_eq!(plain(&ended(Purpose::Exec, &exit(0))), None);
        let text = "command terminated with non-zero exit code: exit status 3";
        assert_eq!(plain(&failed).as_deref(), Some(text));
    }
}
