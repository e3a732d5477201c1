//! The channel protocol: one byte of channel before each message's data. v5 can close a
//! channel, v4 cannot; the exit is told as a Status on the error channel.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use container::{Error, Exec, ExitStatus, Size, StdioReader, StdioWriter, Terminal};
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What is spoken, best first.
pub(super) const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// The most data in one message.
const CHUNK_BYTES_MAX: usize = 32 * 1024;
/// Messages that wait for a slow client.
const QUEUE_LEN_MAX: usize = 16;
/// How long output may still come after the process has ended: a child of it may hold the pipe.
const OUTPUT_AFTER_EXIT: Duration = Duration::from_secs(2);

/// What a client sends.
#[derive(Debug, PartialEq, Eq)]
enum Input {
    Data(Bytes),
    Resize(Size),
    Close,
    Nothing,
}

#[derive(Deserialize)]
struct TerminalSize {
    #[serde(rename = "Width")]
    width: u16,
    #[serde(rename = "Height")]
    height: u16,
}

fn parse(message: &Bytes) -> Input {
    match message.first() {
        Some(&STDIN) => Input::Data(message.slice(1..)),
        Some(&RESIZE) => match serde_json::from_slice::<TerminalSize>(&message[1..]) {
            Ok(size) => Input::Resize(Size { rows: size.height, columns: size.width }),
            Err(_) => Input::Nothing,
        },
        Some(&CLOSE) if message.get(1) == Some(&STDIN) => Input::Close,
        _ => Input::Nothing,
    }
}

/// What a client has asked for, and so what it is told at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A process of its own: how that ended.
    Exec,
    /// To be with a container's process, which is the pod's: how that ended stands in its status.
    Attach,
}

/// Connects a client with a process until the process ends or the client goes.
pub(super) async fn run(socket: WebSocket, purpose: Purpose, process: Result<Exec, Error>) {
    let (mut sink, mut stream) = socket.split();
    let mut exec = match process {
        Ok(exec) => exec,
        Err(error) => return finish(&mut sink, failed(purpose, &error)).await,
    };
    let (output, mut queue) = mpsc::channel::<Bytes>(QUEUE_LEN_MAX);
    let mut readers = JoinSet::new();
    for (channel, reader) in [(STDOUT, exec.stdout.take()), (STDERR, exec.stderr.take())] {
        if let Some(reader) = reader {
            readers.spawn(pump(channel, reader, output.clone()));
        }
    }
    drop(output);
    let mut stdin = exec.stdin.take();
    let terminal = exec.terminal.clone();
    let status = loop {
        tokio::select! {
            status = exec.wait() => break status,
            Some(message) = queue.recv() => {
                if sink.send(Message::Binary(message)).await.is_err() {
                    return;
                }
            }
            message = stream.next() => {
                let input = match message {
                    Some(Ok(Message::Binary(message))) => parse(&message),
                    Some(Ok(Message::Text(text))) => parse(&Bytes::from(text)),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => Input::Nothing,
                };
                take(input, &mut stdin, terminal.as_ref()).await;
            }
        }
    };
    let rest = async {
        while let Some(message) = queue.recv().await {
            if sink.send(Message::Binary(message)).await.is_err() {
                return;
            }
        }
    };
    // Late output of a child is given up.
    let _ = tokio::time::timeout(OUTPUT_AFTER_EXIT, rest).await;
    let status =
        status.map_or_else(|error| failed(purpose, &error), |status| ended(purpose, &status));
    finish(&mut sink, status).await;
}

/// Hands on what a client sent.
async fn take(input: Input, stdin: &mut Option<StdioWriter>, terminal: Option<&Terminal>) {
    match input {
        Input::Data(data) => {
            // A process that has closed its input goes on without it.
            if let Some(writer) = stdin
                && writer.write_all(&data).await.is_err()
            {
                *stdin = None;
            }
        }
        Input::Close => *stdin = None,
        Input::Resize(size) => {
            if let Some(Err(error)) = terminal.map(|terminal| terminal.resize(size)) {
                tracing::debug!(%error, "terminal not resized");
            }
        }
        Input::Nothing => {}
    }
}

/// Copies an output to the client, with its channel before every piece.
async fn pump(channel: u8, mut reader: StdioReader, output: mpsc::Sender<Bytes>) {
    let mut buffer = vec![0; CHUNK_BYTES_MAX];
    loop {
        match reader.read(&mut buffer).await {
            // A terminal whose last user is gone fails with EIO: its end, too.
            Ok(0) | Err(_) => return,
            Ok(read) => {
                let mut message = Vec::with_capacity(read + 1);
                message.push(channel);
                message.extend(&buffer[..read]);
                if output.send(message.into()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Tells how it went, and closes. A client that is gone need not hear it.
async fn finish(sink: &mut SplitSink<WebSocket, Message>, status: Value) {
    let mut message = vec![ERROR];
    message.extend(status.to_string().into_bytes());
    if sink.send(Message::Binary(message.into())).await.is_ok() {
        // kubectl takes a close without a code for a broken connection.
        let close = CloseFrame { code: close_code::NORMAL, reason: Utf8Bytes::default() };
        let _ = sink.send(Message::Close(Some(close))).await;
    }
}

/// The end of a process as a Status.
fn ended(purpose: Purpose, status: &ExitStatus) -> Value {
    if status.code == 0 || purpose == Purpose::Attach {
        return success();
    }
    let code = status.code.to_string();
    json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code}]}})
}

fn success() -> Value {
    json!({"metadata": {}, "status": "Success"})
}

fn failed(purpose: Purpose, error: &Error) -> Value {
    let attempted = match purpose {
        Purpose::Exec => "error executing command in container",
        Purpose::Attach => "error attaching to container",
    };
    json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": format!("{attempted}: {error}")})
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn check(message: &'static [u8], expected: Input) {
        assert_eq!(parse(&Bytes::from_static(message)), expected);
    }

    #[test]
    fn messages_are_read_by_channel() {
        check(b"\x00ls\n", Input::Data("ls\n".into()));
        let size = Size { rows: 40, columns: 120 };
        check(b"\x04{\"Width\":120,\"Height\":40}", Input::Resize(size));
        check(b"\xff\x00", Input::Close);
    }

    #[test]
    fn nonsense_is_passed_over() {
        check(b"", Input::Nothing);
        check(b"\x04{}", Input::Nothing);
        check(b"\xff\x01", Input::Nothing);
        check(b"\x09x", Input::Nothing);
    }

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
    }
}
