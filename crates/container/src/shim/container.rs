//! One container of the pod: making it, starting it, its output, its end.

mod create;
mod devices;
mod ends;

pub(super) use create::set_oom_score;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::rc::Rc;

use caps::CapsHashSet;
use jiff::Timestamp;
use nix::libc;

use super::event_loop::poll;
use super::log::Log;
use super::passwd::Identity;
use super::stdio::{Attached, Channel, Output, Piece, buffer};
use crate::cgroup::Group;
use crate::protocol::Refusal;
use crate::state::{ContainerState, ExitStatus, Status};

/// How long a started child may take until its program runs or is known not to.
const EXEC_MAX_MS: i32 = 10_000;

/// Bytes that a child may say about why its program does not run.
const FAILURE_BYTES_MAX: usize = 4 << 10;

/// Reads of one stream before the others get their turn.
const READS_MAX: usize = 4;

/// Reads of one stream after its container has ended: what the pipe holds, and no more.
const LAST_READS_MAX: usize = 128;

pub(super) struct Container {
    pub state: ContainerState,
    pub group: Group,
    pub root: PathBuf,
    pub pid: i32,
    /// What execs take over.
    pub defaults: Defaults,
    library: libcontainer::container::Container,
    /// Where the child tells that its program cannot be run; until the start.
    failure: Option<OwnedFd>,
    outputs: Vec<Output>,
    pub stdin: Option<OwnedFd>,
    pub stdin_once: bool,
    pub terminal: Option<OwnedFd>,
    pub log: Log,
    pub attached: Vec<Attached>,
    /// Whether its pid namespace ends with its first process, and so all processes do.
    dies_whole: bool,
}

/// What a container's further processes have in common with its first one.
pub(super) struct Defaults {
    pub env: Vec<(String, String)>,
    pub cwd: String,
    pub identity: Rc<Identity>,
    pub capabilities: CapsHashSet,
    pub seccomp: bool,
    pub no_new_privileges: bool,
    pub oom_score_adj: i32,
}

impl Container {
    /// The descriptors to poll.
    pub(super) fn outputs(&self) -> impl Iterator<Item = (Channel, RawFd)> + '_ {
        self.outputs.iter().map(|output| (output.channel, output.descriptor()))
    }

    /// Lets the child run its program.
    pub(super) fn start(&mut self) -> Result<(), Refusal> {
        if self.state.status != Status::Created {
            return Err(self.wrong_state());
        }
        let failure = self.failure.take();
        self.library
            .start()
            .map_err(|error| Refusal::Failed(format!("start: {}", chain(&error))))?;
        let pid = u32::try_from(self.pid).unwrap_or_default();
        self.state.status = Status::Running { pid, started_at: Timestamp::now() };
        match failure.map(read_failure) {
            Some(Some(message)) => Err(Refusal::NotExecutable(message)),
            Some(None) | None => Ok(()),
        }
    }

    pub(super) fn wrong_state(&self) -> Refusal {
        let state = match self.state.status {
            Status::Created => "created",
            Status::Running { .. } => "running",
            Status::Exited(_) => "exited",
        };
        Refusal::WrongState { container: self.state.id.clone(), state: state.to_owned() }
    }

    pub(super) fn has_exited(&self) -> bool {
        matches!(self.state.status, Status::Exited(_))
    }

    /// Signals the first process, or all of them.
    pub(super) fn signal(&self, number: i32, all: bool) -> io::Result<()> {
        if all {
            return self.group.signal(number);
        }
        if self.has_exited() {
            return Ok(());
        }
        // SAFETY: kill takes no pointers. The process has not been reaped, so the number is its.
        match unsafe { libc::kill(self.pid, number) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Copies what an output stream has to the log and to whoever is attached.
    pub(super) fn copy_output(&mut self, channel: Channel) {
        self.copy(channel, READS_MAX);
    }

    fn copy(&mut self, channel: Channel, reads_max: usize) {
        let Some(at) = self.outputs.iter().position(|output| output.channel == channel) else {
            return;
        };
        let (mut bytes, mut lines) = (buffer(), Vec::new());
        let mut ended = false;
        for _ in 0..reads_max {
            let output = &mut self.outputs[at];
            match output.read(&mut bytes) {
                Piece::Bytes(length) => {
                    let piece = &bytes[..length];
                    output.lines.push(piece, channel, &mut lines);
                    self.attached.iter_mut().for_each(|attached| attached.copy(channel, piece));
                }
                Piece::Nothing => break,
                Piece::End => {
                    output.lines.finish(channel, &mut lines);
                    ended = true;
                    break;
                }
            }
        }
        self.write_log(&lines);
        if ended {
            self.outputs.remove(at);
        }
    }

    fn write_log(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        if let Err(error) = self.log.append(lines) {
            // A full disk must not stop the container; that lines are lost is told once.
            let warning = format!("the log lost lines: {error}");
            if !self.state.warnings.contains(&warning) {
                self.state.warnings.push(warning);
            }
        }
    }

    /// Takes note that the first process has ended: copies the rest of its output, kills what
    /// outlived it, and works out how it ended. Returns the clients that were attached.
    pub(super) fn finish(&mut self, code: i32, signal: Option<i32>) -> (ExitStatus, Vec<u32>) {
        let finished_at = Timestamp::now();
        let started_at = match self.state.status {
            Status::Running { started_at, .. } => started_at,
            Status::Created | Status::Exited(_) => finished_at,
        };
        let oom_killed = self.group.oom_kills().is_ok_and(|count| count > 0);
        if !self.dies_whole
            && let Err(error) = self.group.strike()
        {
            self.state.warnings.push(format!("kill what outlived the first process: {error}"));
        }
        self.finish_outputs();
        let status = ExitStatus { code, signal, oom_killed, started_at, finished_at };
        self.state.status = Status::Exited(status);
        (self.stdin, self.terminal, self.failure) = (None, None, None);
        let attached = std::mem::take(&mut self.attached);
        (status, attached.iter().map(|attached| attached.client).collect())
    }

    fn finish_outputs(&mut self) {
        let channels: Vec<Channel> = self.outputs.iter().map(|output| output.channel).collect();
        for channel in channels {
            self.copy(channel, LAST_READS_MAX);
        }
        let mut lines = Vec::new();
        for output in &mut self.outputs {
            output.lines.finish(output.channel, &mut lines);
        }
        self.write_log(&lines);
        self.outputs.clear();
    }
}

/// What a child told before it ended instead of becoming its program; `None` if it became it.
pub(super) fn read_failure(pipe: OwnedFd) -> Option<String> {
    let mut text = Vec::new();
    let mut bytes = [0; 512];
    while text.len() < FAILURE_BYTES_MAX {
        let ready = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        if !matches!(poll(&mut [ready], EXEC_MAX_MS), Ok(1)) {
            break;
        }
        match nix::unistd::read(&pipe, &mut bytes) {
            Ok(0) | Err(_) => break,
            Ok(length) => text.extend_from_slice(&bytes[..length]),
        }
    }
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
