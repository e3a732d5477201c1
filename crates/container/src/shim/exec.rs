//! Further processes in a container, and attaching to its first one. Both are answered with
//! descriptors: the shim stands in no exec's way.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use jiff::Timestamp;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::container::{Container, chain, read_failure, set_oom_score};
use super::event_loop::Shim;
use super::program::Program;
use super::reap::ExecProcess;
use super::stdio::{Attached, TerminalSocket, attached_pipe};
use super::{bundle, descriptors, passwd};
use crate::exec::set_size;
use crate::protocol::{Refusal, Stdio};
use crate::record::write_json;
use crate::spec::{AttachSpec, ExecSpec};
use crate::state::Status;

/// Descriptors for the client, in the order of [`Stdio`].
pub(super) type Handed = (Stdio, Vec<OwnedFd>);

fn failed(action: &'static str) -> impl Fn(io::Error) -> Refusal {
    move |error| Refusal::Failed(format!("{action}: {error}"))
}

impl Shim {
    /// Runs a process in a container, for this client.
    pub(super) fn exec(&mut self, spec: &ExecSpec, client: u32) -> Result<Handed, Refusal> {
        let directory = self.directory.container(&spec.container);
        let state = self.directory.libcontainer();
        let container = self.container(&spec.container)?;
        if !matches!(container.state.status, Status::Running { .. }) {
            return Err(container.wrong_state());
        }
        let (handed, theirs) = ends(spec, &directory).map_err(failed("make stdio"))?;
        let before = descriptors::open();
        let program = program(spec, container, &theirs, &before);
        let identity = match &spec.user {
            Some(user) => passwd::identify(&container.root, user).map_err(Refusal::Failed)?,
            None => (*container.defaults.identity).clone(),
        };
        let process = bundle::process(&bundle::ProcessPart {
            identity: &identity,
            no_new_privileges: container.defaults.no_new_privileges,
            terminal: spec.tty.is_some(),
        });
        let process = process.map_err(|error| Refusal::Failed(error.to_string()))?;
        let file = directory.join("exec.json");
        write_json(&file, &process).map_err(failed("exec"))?;
        let score = container.defaults.oom_score_adj;
        let built = build(spec, program, &state, &file, theirs);
        remove_leftovers(&state.join(&spec.container));
        let (pid, failure) = match built {
            Ok(built) => built,
            Err(message) => {
                // SAFETY: what libcontainer opened it has leaked; all of ours is older, or went
                // with the call.
                unsafe { descriptors::close_since(&before) };
                return Err(Refusal::Failed(format!("exec: {message}")));
            }
        };
        if let Some(message) = read_failure(failure) {
            return Err(Refusal::NotExecutable(message));
        }
        // Inherited from the shim otherwise; the container's first process could be set as well.
        let _ = set_oom_score(pid, score);
        self.execs.insert(pid, ExecProcess { client, started_at: Timestamp::now() });
        handed.finish(spec).map_err(failed("make stdio"))
    }

    /// Hands a client the stdio of a container's first process.
    pub(super) fn attach(&mut self, spec: &AttachSpec, client: u32) -> Result<Handed, Refusal> {
        let container = self.container(&spec.container)?;
        if container.has_exited() {
            return Err(container.wrong_state());
        }
        container.hand_over(spec, client).map_err(failed("attach"))
    }
}

impl Container {
    fn hand_over(&mut self, spec: &AttachSpec, client: u32) -> io::Result<Handed> {
        let (mut which, mut handed) = (Stdio::default(), Vec::new());
        if spec.stdin
            && let Some(stdin) = &self.stdin
        {
            handed.push(stdin.try_clone()?);
            which.stdin = true;
            if self.stdin_once {
                // The client's copy is the last one: its end is the input's end.
                self.stdin = None;
            }
        }
        which.input_stays = spec.stdin && (self.terminal.is_some() || !self.stdin_once);
        let mut pipe = |wanted: bool, flag: &mut bool| -> io::Result<Option<OwnedFd>> {
            if !wanted {
                return Ok(None);
            }
            let (read, write) = attached_pipe()?;
            *flag = true;
            handed.push(read);
            Ok(Some(write))
        };
        let stdout = pipe(spec.stdout, &mut which.stdout)?;
        let stderr = pipe(spec.stderr && self.terminal.is_none(), &mut which.stderr)?;
        if let Some(terminal) = &self.terminal {
            handed.push(terminal.try_clone()?);
            which.terminal = true;
        }
        self.attached.push(Attached::new(client, stdout, stderr));
        Ok((which, handed))
    }
}

/// The client's ends of an exec's stdio.
struct ClientEnds {
    which: Stdio,
    descriptors: Vec<OwnedFd>,
    terminal: Option<TerminalSocket>,
}

/// The process's ends.
struct ProcessEnds {
    failure: (OwnedFd, OwnedFd),
    stdio: Option<[OwnedFd; 3]>,
    terminal: Option<std::path::PathBuf>,
}

impl ClientEnds {
    fn finish(mut self, spec: &ExecSpec) -> io::Result<Handed> {
        if let Some(socket) = self.terminal {
            let terminal = socket.receive()?;
            if let Some(size) = spec.tty {
                set_size(&terminal, size)?;
            }
            self.descriptors.push(terminal);
            self.which.terminal = true;
        }
        Ok((self.which, self.descriptors))
    }
}

fn ends(spec: &ExecSpec, directory: &Path) -> io::Result<(ClientEnds, ProcessEnds)> {
    let failure = pipe2(OFlag::O_CLOEXEC)?;
    let mut ours = ClientEnds { which: Stdio::default(), descriptors: Vec::new(), terminal: None };
    let mut theirs = ProcessEnds { failure, stdio: None, terminal: None };
    if spec.tty.is_some() {
        let socket = TerminalSocket::new(directory)?;
        theirs.terminal = Some(socket.path().to_owned());
        ours.terminal = Some(socket);
        return Ok((ours, theirs));
    }
    ours.which =
        Stdio { stdin: spec.stdin, stdout: spec.stdout, stderr: spec.stderr, ..Stdio::default() };
    let mut end = |wanted: bool, client_writes: bool| -> io::Result<OwnedFd> {
        if !wanted {
            return Ok(OpenOptions::new().read(true).write(true).open("/dev/null")?.into());
        }
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        let (client, process) = if client_writes { (write, read) } else { (read, write) };
        ours.descriptors.push(client);
        Ok(process)
    };
    theirs.stdio =
        Some([end(spec.stdin, true)?, end(spec.stdout, false)?, end(spec.stderr, false)?]);
    Ok((ours, theirs))
}

fn program(
    spec: &ExecSpec,
    container: &Container,
    theirs: &ProcessEnds,
    before: &BTreeSet<RawFd>,
) -> Program {
    let defaults = &container.defaults;
    let own = |name: &String| spec.env.iter().any(|(have, _)| have == name);
    let mut env: Vec<(String, String)> =
        defaults.env.iter().filter(|(name, _)| !own(name)).cloned().collect();
    env.extend(spec.env.iter().cloned());
    if spec.tty.is_some() && !env.iter().any(|(name, _)| name == "TERM") {
        env.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    let mut inherited = before.clone();
    inherited.remove(&theirs.failure.1.as_raw_fd());
    for end in theirs.stdio.iter().flatten() {
        inherited.remove(&end.as_raw_fd());
    }
    Program {
        args: spec.args.clone(),
        env,
        cwd: spec.cwd.clone().unwrap_or_else(|| defaults.cwd.clone()),
        capabilities: defaults.capabilities.clone(),
        seccomp: defaults.seccomp,
        failure: theirs.failure.1.as_raw_fd(),
        inherited,
    }
}

/// Has libcontainer make the process. Returns its pid, and where it tells if it cannot run.
fn build(
    spec: &ExecSpec,
    program: Program,
    state: &Path,
    process: &Path,
    theirs: ProcessEnds,
) -> Result<(i32, OwnedFd), String> {
    let (failure_read, failure_write) = theirs.failure;
    let mut builder = ContainerBuilder::new(spec.container.clone(), SyscallType::default())
        .with_root_path(state)
        .map_err(|error| chain(&error))?
        .with_executor(program)
        .with_console_socket(theirs.terminal);
    if let Some([stdin, stdout, stderr]) = theirs.stdio {
        builder = builder.with_stdin(stdin).with_stdout(stdout).with_stderr(stderr);
    }
    let tenant = builder.as_tenant().with_detach(true).with_process(Some(process));
    let pid = tenant.build().map_err(|error| chain(&error))?.as_raw();
    drop(failure_write);
    Ok((pid, failure_read))
}

/// libcontainer leaves a socket (and a link) per exec in its directory; probes would fill it.
fn remove_leftovers(state: &Path) {
    let Ok(entries) = fs::read_dir(state) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("tenant-") {
            // The directory goes with the container in any case.
            let _ = fs::remove_file(entry.path());
        }
    }
}
