//! The last steps of a child before it becomes the container's program: directory, seccomp,
//! capabilities, execve; and how it tells when that fails.

use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::RawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use caps::CapsHashSet;
use libcontainer::oci_spec::runtime::Spec;
use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use super::{capabilities, seccomp};

/// Where programs are looked for when the environment does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Exit codes of a child whose program could not be run, as a shell has them.
const NOT_FOUND: i32 = 127;
const NOT_RUNNABLE: i32 = 126;

/// A program to become, with what it may do. Cloned into the child.
#[derive(Clone)]
pub(super) struct Program {
    pub args: Vec<String>,
    /// All of its environment.
    pub env: Vec<(String, String)>,
    pub cwd: String,
    pub capabilities: CapsHashSet,
    /// Whether the default seccomp profile is loaded.
    pub seccomp: bool,
    /// Where a failure is written; closed by a successful execve.
    pub failure: RawFd,
    /// The shim's own descriptors, which the child must not keep alive.
    pub inherited: BTreeSet<RawFd>,
}

impl Executor for Program {
    fn exec(&self, _: &Spec) -> Result<(), ExecutorError> {
        let (code, message) = match self.become_it() {
            Ok(never) => match never {},
            Err(failure) => failure,
        };
        // SAFETY: the slice is alive; the descriptor is the child's own end of the pipe. There
        // is nobody left to tell if writing fails. _exit skips the shim's own exit handlers.
        unsafe {
            libc::write(self.failure, message.as_ptr().cast(), message.len());
            libc::_exit(code)
        }
    }

    /// Before the program may start it can wait for long; if the shim dies meanwhile, nothing
    /// here may look as if it lived.
    fn validate(&self, _: &Spec) -> Result<(), ExecutorValidationError> {
        for fd in &self.inherited {
            // SAFETY: the child owns copies of the shim's descriptors and will use none of
            // these; it never returns to code that would.
            unsafe { libc::close(*fd) };
        }
        Ok(())
    }

    /// Nothing: the environment is given to execve.
    fn setup_envs(&self, _: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }
}

enum Never {}

type Failure = (i32, String);

impl Program {
    fn become_it(&self) -> Result<Never, Failure> {
        let other = |message: String| (NOT_RUNNABLE, message);
        reset_signals().map_err(|errno| other(format!("reset signals: {errno}")))?;
        enter(Path::new(&self.cwd))
            .map_err(|error| other(format!("exec: chdir to cwd ({:?}): {error}", self.cwd)))?;
        if self.seccomp {
            // While there are capabilities left: it needs one unless new privileges are barred.
            seccomp::load(&self.capabilities)
                .map_err(|error| other(format!("load the seccomp profile: {error}")))?;
        }
        capabilities::reduce_to(&self.capabilities)
            .map_err(|error| other(format!("drop capabilities: {error}")))?;
        self.execute()
    }

    fn execute(&self) -> Result<Never, Failure> {
        let Some(name) = self.args.first() else {
            return Err((NOT_FOUND, "exec: no command".to_owned()));
        };
        let path = find(name, &self.env)?;
        let strings = |strings: &mut dyn Iterator<Item = String>| -> Option<Vec<CString>> {
            strings.map(|string| CString::new(string).ok()).collect()
        };
        let args = strings(&mut self.args.iter().cloned());
        let env = strings(&mut self.env.iter().map(|(name, value)| format!("{name}={value}")));
        let path_string = CString::new(path.as_os_str().as_encoded_bytes()).ok();
        let (Some(args), Some(env), Some(path_string)) = (args, env, path_string) else {
            return Err((NOT_RUNNABLE, format!("exec: {name:?}: a NUL byte in the arguments")));
        };
        let errno = match nix::unistd::execve(&path_string, &args, &env) {
            Ok(never) => match never {},
            Err(errno) => errno,
        };
        let code = if errno == Errno::ENOENT { NOT_FOUND } else { NOT_RUNNABLE };
        Err((code, format!("exec {}: {}", path.display(), lower(errno))))
    }
}

/// The error's words as runc (that is, Go) has them.
fn lower(errno: Errno) -> String {
    let words = errno.desc();
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The shim blocks all signals, Rust ignores SIGPIPE, and whoever started the server may have
/// ignored more (nohup does); programs expect neither.
fn reset_signals() -> nix::Result<()> {
    // The kernel's own structure, all zero: the default action. The C library's call would leave
    // out the signals that it keeps for itself.
    let default = [0u64; 4];
    for number in 1..=LAST_SIGNAL {
        // SAFETY: the structure is as long as any architecture's, and outlives the call; the
        // default action runs no code of ours. SIGKILL and SIGSTOP are refused, as they may be.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                SIGNAL_SET_BYTES,
            )
        };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// The kernel's highest signal, and the size of its signal sets.
const LAST_SIGNAL: libc::c_int = 64;
const SIGNAL_SET_BYTES: usize = 8;

/// Changes into a directory of the container, making it if need be.
fn enter(cwd: &Path) -> io::Result<()> {
    if !cwd.is_absolute() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not absolute"));
    }
    match std::env::set_current_dir(cwd) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(cwd)?;
            std::env::set_current_dir(cwd)?;
        }
        other => other?,
    }
    // A directory outside the root (reached through a leaked descriptor) has no absolute path.
    let inside = std::env::current_dir()?;
    if inside.is_absolute() { Ok(()) } else { Err(ErrorKind::PermissionDenied.into()) }
}

/// Finds the program's file, as execvp would, with errors in runc's words.
fn find(name: &str, env: &[(String, String)]) -> Result<PathBuf, Failure> {
    if name.contains('/') {
        return check(name, Path::new(name));
    }
    let path = env.iter().rev().find(|(have, _)| have == "PATH");
    let path = path.map_or(PATH, |(_, value)| value.as_str());
    let candidates = path.split(':').map(|directory| {
        if directory.is_empty() { PathBuf::from(".") } else { PathBuf::from(directory) }.join(name)
    });
    let mut failure = (NOT_FOUND, format!("exec: {name:?}: executable file not found in $PATH"));
    for candidate in candidates.filter(|_| !name.is_empty()) {
        match check(name, &candidate) {
            Ok(path) => return Ok(path),
            // Found, but not to be run: the better answer, unless a later one can be.
            Err((NOT_RUNNABLE, message)) => failure = (NOT_RUNNABLE, message),
            Err(_) => {}
        }
    }
    Err(failure)
}

fn check(name: &str, path: &Path) -> Result<PathBuf, Failure> {
    match fs::metadata(path) {
        Err(error) => {
            let words = match error.raw_os_error() {
                Some(number) => lower(Errno::from_raw(number)),
                None => error.to_string(),
            };
            let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
            Err((code, format!("exec: {name:?}: stat {}: {words}", path.display())))
        }
        Ok(data) if data.is_dir() => Err((NOT_RUNNABLE, format!("exec: {name:?}: is a directory"))),
        Ok(data) if data.permissions().mode() & 0o111 == 0 => {
            Err((NOT_RUNNABLE, format!("exec: {name:?}: permission denied")))
        }
        Ok(_) => Ok(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_find(name: &str, path: &str, expected: Result<&str, &str>) {
        let env = [("PATH".to_owned(), path.to_owned())];
        let found = find(name, &env).map_err(|(_, message)| message);
        let found = found.as_ref().map(|path| path.to_str().unwrap()).map_err(String::as_str);
        assert_eq!(found, expected, "{name} in {path}");
    }

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().to_str().unwrap();
        let good = format!("{top}/good");
        fs::write(&good, "").unwrap();
        fs::set_permissions(&good, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(format!("{top}/plain"), "").unwrap();
        fs::set_permissions(format!("{top}/plain"), fs::Permissions::from_mode(0o644)).unwrap();
        check_find("good", &format!("/nowhere:{top}"), Ok(&good));
        check_find(&good, "", Ok(&good));
        check_find("plain", top, Err("exec: \"plain\": permission denied"));
        check_find(top, "", Err(&format!("exec: {top:?}: is a directory")));
    }

    #[test]
    fn what_is_missing_is_told_in_runcs_words() {
        check_find("/x", "/bin", Err("exec: \"/x\": stat /x: no such file or directory"));
        check_find("nope", "/nowhere", Err("exec: \"nope\": executable file not found in $PATH"));
        check_find("", "/bin", Err("exec: \"\": executable file not found in $PATH"));
    }
}
