//! Children that end: containers, execs, and orphans that fell to the shim.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::event_loop::Shim;
use crate::protocol::Message;
use crate::record::write_json;
use crate::state::ExitStatus;

/// How long killed processes may take to end before a call gives up on them.
const DEATH_MAX: Duration = Duration::from_secs(10);

/// A process made by an exec.
pub(super) struct ExecProcess {
    /// Who is told of its end.
    pub client: u32,
    pub started_at: Timestamp,
}

impl Shim {
    /// Reaps every child that has ended, and tells who wants to know.
    pub(super) fn reap(&mut self) {
        self.drain_signals();
        loop {
            let (pid, code, signal) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid.as_raw(), code, None),
                Ok(WaitStatus::Signaled(pid, signal, _)) => {
                    (pid.as_raw(), 128 + signal as i32, Some(signal as i32))
                }
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return,
                Ok(_) | Err(Errno::EINTR) => continue,
                Err(errno) => return self.complain(&format!("wait: {errno}")),
            };
            self.ended(pid, code, signal);
        }
    }

    fn ended(&mut self, pid: i32, code: i32, signal: Option<i32>) {
        if let Some(exec) = self.execs.remove(&pid) {
            let status = ExitStatus {
                code,
                signal,
                oom_killed: false,
                started_at: exec.started_at,
                finished_at: Timestamp::now(),
            };
            self.send(exec.client, &Message::Ended(status), &[]);
        } else if self.namespace_init == Some(pid) {
            // Every container was in its namespace and ends with it.
            self.namespace_init = None;
        } else {
            let running = |id: &Rc<str>| {
                self.containers.get(id).is_some_and(|have| have.pid == pid && !have.has_exited())
            };
            if let Some(id) = self.containers.keys().find(|id| running(id)).cloned() {
                self.container_ended(&id, code, signal);
            }
        }
    }

    fn container_ended(&mut self, id: &Rc<str>, code: i32, signal: Option<i32>) {
        let Some(container) = self.containers.get_mut(id) else { return };
        let (status, attached) = container.finish(code, signal);
        let written = write_json(&self.directory.container_record(id), &container.state);
        if let Err(error) = written {
            self.complain(&error.to_string());
        }
        for client in attached {
            self.send(client, &Message::Ended(status), &[]);
        }
        let exit = Message::Exit { container: id.to_string(), status };
        let greeted: Vec<u32> = self
            .clients
            .iter()
            .filter(|(_, client)| client.greeted)
            .map(|(number, _)| *number)
            .collect();
        for client in greeted {
            self.send(client, &exit, &[]);
        }
    }

    /// Reaps until a condition holds, or the killed take too long. Tells whether it holds.
    pub(super) fn reap_until(&mut self, done: impl Fn(&Shim) -> bool) -> bool {
        let deadline = Instant::now() + DEATH_MAX;
        loop {
            self.reap();
            if done(self) {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            self.await_signal(50);
        }
    }

    /// The first process of the pid namespace that the containers share, made when needed.
    pub(super) fn namespace_init(&mut self) -> io::Result<i32> {
        if let Some(pid) = self.namespace_init {
            return Ok(pid);
        }
        let flags = libc::CLONE_NEWPID | libc::SIGCHLD;
        // SAFETY: without CLONE_VM and with no stack given this is fork; this process has one
        // thread, so the child may go on in this code.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        match i32::try_from(pid) {
            Ok(0) => be_namespace_init(),
            Ok(pid) if pid > 0 => {
                self.namespace_init = Some(pid);
                Ok(pid)
            }
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Reaps what falls to it until it is killed: by the shim, or by the shim's death.
fn be_namespace_init() -> ! {
    // SAFETY: numbers and a string that outlives the call; the child owns all its descriptors
    // and uses none of them again. The parent may have died before the wish to follow it.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, c"sampan-init".as_ptr());
        libc::close_range(0, libc::c_uint::MAX, 0);
        let mut child: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut child);
        libc::sigaddset(&raw mut child, libc::SIGCHLD);
        loop {
            while libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) > 0 {}
            // Blocked in the shim already; taken here one by one.
            libc::sigwaitinfo(&raw const child, std::ptr::null_mut());
        }
    }
}
