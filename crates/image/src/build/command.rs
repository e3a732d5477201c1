//! Running a build tool: its lines are passed on as they come, and the last ones kept.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Lines of output kept for the error.
const KEPT_LINES_MAX: usize = 60;
/// A longer line is cut; some tools write megabytes without a line break.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Lines read ahead of the caller.
const QUEUE_LEN_MAX: usize = 256;

/// How a tool ended, and the last of what it wrote.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) tail: String,
}

enum Line {
    Out(String),
    Err(String),
}

/// Runs `command` to its end. Lines of its standard output and error go to the two callbacks; the
/// error's are kept.
pub(super) fn run(
    command: &mut Command,
    mut on_out: impl FnMut(String),
    mut on_err: impl FnMut(String),
) -> io::Result<Finished> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let lines = read_lines(&mut child);
    let mut tail = VecDeque::new();
    for line in lines {
        match line {
            Line::Out(line) => on_out(line),
            Line::Err(line) => {
                if tail.len() == KEPT_LINES_MAX {
                    tail.pop_front();
                }
                tail.push_back(line.clone());
                on_err(line);
            }
        }
    }
    let status = child.wait()?;
    Ok(Finished { status, tail: Vec::from(tail).join("\n") })
}

/// The lines of both streams in the order they come; ends when both have.
fn read_lines(child: &mut Child) -> Receiver<Line> {
    let (sender, receiver) = sync_channel(QUEUE_LEN_MAX);
    let out = child.stdout.take().expect("standard output is piped");
    let err = child.stderr.take().expect("standard error is piped");
    let sender_out = sender.clone();
    thread::spawn(move || forward(out, &sender_out, Line::Out));
    thread::spawn(move || forward(err, &sender, Line::Err));
    receiver
}

fn forward(stream: impl Read, sender: &SyncSender<Line>, wrap: fn(String) -> Line) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut bytes = Vec::new();
        match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        if sender.send(wrap(line)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_passed_on_and_the_last_ones_kept() {
        let script =
            "echo out; i=0; while [ $i -lt 100 ]; do echo line$i >&2; i=$((i+1)); done; exit 3";
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let finished = run(
            Command::new("sh").args(["-c", script]),
            |line| out.push(line),
            |line| err.push(line),
        )
        .unwrap();
        assert_eq!(finished.status.code(), Some(3));
        assert_eq!(out, ["out"]);
        assert_eq!(err.len(), 100);
        let tail: Vec<_> = finished.tail.lines().collect();
        assert_eq!((tail.len(), tail[0], tail[59]), (60, "line40", "line99"));
    }
}
