//! Both ends of a new container's stdio: pipes, or a terminal that it makes itself.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::shim::stdio::{Channel, Output, TerminalSocket};
use crate::spec::ContainerSpec;

/// The shim's ends of a container's stdio, before and after it was made.
pub(super) struct Ours {
    pub failure: OwnedFd,
    pub outputs: Vec<Output>,
    pub stdin: Option<OwnedFd>,
    pub terminal: Option<TerminalSocket>,
}

pub(super) struct OurEnds {
    pub failure: OwnedFd,
    pub outputs: Vec<Output>,
    pub stdin: Option<OwnedFd>,
    pub terminal: Option<OwnedFd>,
}

/// The container's ends; with a terminal there are none.
pub(super) struct Theirs {
    pub failure: OwnedFd,
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
    pub terminal: Option<PathBuf>,
}

impl Theirs {
    pub(super) fn numbers(&self) -> BTreeSet<RawFd> {
        let stdio = [&self.stdin, &self.stdout, &self.stderr].into_iter().flatten();
        stdio.chain([&self.failure]).map(AsRawFd::as_raw_fd).collect()
    }
}

impl Ours {
    pub(super) fn finish(mut self) -> std::io::Result<OurEnds> {
        let terminal = self.terminal.map(TerminalSocket::receive).transpose()?;
        if let Some(terminal) = &terminal {
            self.outputs.push(Output::new(Channel::Stdout, terminal.try_clone()?)?);
        }
        let Ours { failure, outputs, stdin, .. } = self;
        Ok(OurEnds { failure, outputs, stdin, terminal })
    }
}

pub(super) fn stdio(spec: &ContainerSpec, directory: &Path) -> std::io::Result<(Ours, Theirs)> {
    let (failure_read, failure_write) = pipe2(OFlag::O_CLOEXEC)?;
    let mut ours = Ours { failure: failure_read, outputs: Vec::new(), stdin: None, terminal: None };
    let mut theirs =
        Theirs { failure: failure_write, stdin: None, stdout: None, stderr: None, terminal: None };
    if spec.tty {
        let socket = TerminalSocket::new(directory)?;
        theirs.terminal = Some(socket.path().to_owned());
        ours.terminal = Some(socket);
        return Ok((ours, theirs));
    }
    for channel in [Channel::Stdout, Channel::Stderr] {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        ours.outputs.push(Output::new(channel, read)?);
        match channel {
            Channel::Stdout => theirs.stdout = Some(write),
            Channel::Stderr => theirs.stderr = Some(write),
        }
    }
    if spec.stdin {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        (theirs.stdin, ours.stdin) = (Some(read), Some(write));
    }
    Ok((ours, theirs))
}
