//! From a fresh process to a shim: session, signals, namespaces, mounts, cgroup, socket.

use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::unistd;

use super::event_loop::Shim;
use crate::cgroup::{Group, Layout};
use crate::record::{PodDirectory, PodFile, ShimProcess, make_private, read_json, write_json};
use crate::spec::{PodNetwork, PodSpec};

/// Size of a pod's /dev/shm, as containerd and Docker have it.
const SHARED_MEMORY: &str = "mode=1777,size=65536k";

/// Bound on bundles and libcontainer's state, all containers together.
const PRIVATE: &str = "mode=700,size=32m";

/// Sysctls that belong to the ipc namespace.
const IPC_SYSCTLS: &[&str] = &["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."];

/// Makes this process the shim of the pod in `directory`. The error is for people.
pub(super) fn prepare(directory: PathBuf) -> Result<Shim, String> {
    let directory = PodDirectory::new(directory);
    detach(&directory).map_err(|error| format!("leave the caller: {error}"))?;
    let pod: PodFile = read_json(&directory.pod_file())
        .map_err(|error| error.to_string())?
        .ok_or_else(|| format!("no {}", directory.pod_file().display()))?;
    let process = ShimProcess::look(unistd::getpid().as_raw())
        .ok_or_else(|| "read /proc/self/stat".to_owned())?;
    write_json(&directory.process_file(), &process).map_err(|error| error.to_string())?;
    let signals = take_signals().map_err(|error| format!("take signals: {error}"))?;
    enter_namespaces(&pod.spec)?;
    mount_own(&directory).map_err(|error| format!("mount the pod's own files: {error}"))?;
    let layout = Layout::detect().map_err(|error| format!("find cgroups: {error}"))?;
    let group = layout.group(pod.cgroup.trim_start_matches('/'));
    match limit_and_listen(&group, &pod.spec, &directory) {
        Ok(listener) => Ok(Shim::new(pod.spec, directory, layout, group, signals, listener)),
        Err(error) => {
            // Whoever cleaned up meanwhile may have come before the group was there.
            group.remove().map_err(|cleanup| format!("{error}; remove the cgroup: {cleanup}"))?;
            Err(error)
        }
    }
}

fn limit_and_listen(
    group: &Group,
    pod: &PodSpec,
    directory: &PodDirectory,
) -> Result<UnixListener, String> {
    group.create().map_err(|error| format!("make the cgroup: {error}"))?;
    group.limit(&pod.resources).map_err(|error| format!("limit the cgroup: {error}"))?;
    listen(directory).map_err(|error| format!("listen: {error}"))
}

/// Tells the caller, once, and lets go of its pipe.
pub(super) fn say(text: &str) {
    let mut stdout = io::stdout();
    // A caller that has gone will find the pod by its directory.
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
        let _ = unistd::dup2_stdout(&null);
    }
}

/// Cuts what ties this process to its caller: descriptors, session, groups, mask.
fn detach(directory: &PodDirectory) -> io::Result<()> {
    // SAFETY: nothing in this process owns a descriptor above 2 yet; it has just been started.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(directory.log())?;
    unistd::dup2_stderr(&log)?;
    // Fails only for a process that leads its group already.
    let _ = unistd::setsid();
    umask(Mode::from_bits_truncate(0o022));
    unistd::setgroups(&[])?;
    // SAFETY: PR_SET_NAME reads a string that outlives the call; the other takes numbers only.
    unsafe {
        let name: &CStr = c"sampan-shim";
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        match libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Blocks all signals: those that matter come through the descriptor, the others never.
fn take_signals() -> io::Result<SignalFd> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
    let mut child = SigSet::empty();
    child.add(nix::sys::signal::Signal::SIGCHLD);
    Ok(SignalFd::with_flags(&child, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

fn enter_namespaces(pod: &PodSpec) -> Result<(), String> {
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS;
    flags.set(CloneFlags::CLONE_NEWNET, pod.network == PodNetwork::Own);
    flags.set(CloneFlags::CLONE_NEWIPC, !pod.host_ipc);
    unshare(flags).map_err(|errno| format!("make namespaces: {errno}"))?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)
        .map_err(|errno| format!("cut mount propagation: {errno}"))?;
    if !pod.hostname.is_empty() {
        unistd::sethostname(&pod.hostname)
            .map_err(|errno| format!("set host name {:?}: {errno}", pod.hostname))?;
    }
    if !pod.domain.is_empty() {
        set_domain(&pod.domain)
            .map_err(|error| format!("set domain name {:?}: {error}", pod.domain))?;
    }
    if pod.network == PodNetwork::Own {
        raise_loopback().map_err(|error| format!("bring up lo: {error}"))?;
    }
    for (name, value) in &pod.sysctls {
        set_sysctl(pod, name, value).map_err(|error| format!("sysctl {name}={value}: {error}"))?;
    }
    Ok(())
}

fn set_domain(domain: &str) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of one string.
    match unsafe { libc::setdomainname(domain.as_ptr().cast(), domain.len()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn raise_loopback() -> io::Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: an all-zero ifreq is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the socket is open, and SIOCSIFFLAGS reads one ifreq.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Writes a sysctl, if it belongs to a namespace of the pod's own: the host's are not ours.
fn set_sysctl(pod: &PodSpec, name: &str, value: &str) -> Result<(), String> {
    let own_net = pod.network == PodNetwork::Own && name.starts_with("net.");
    let own_ipc = !pod.host_ipc && IPC_SYSCTLS.iter().any(|prefix| name.starts_with(prefix));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '*');
    if !(own_net || own_ipc) || name.contains("..") || !name.chars().all(plain) {
        return Err("it is not of this pod's own namespaces".to_owned());
    }
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    fs::write(&path, value).map_err(|error| error.to_string())
}

fn mount_own(directory: &PodDirectory) -> io::Result<()> {
    make_private(&directory.records())?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for (name, target, options) in [
        ("private", directory.private(), PRIVATE),
        ("shm", directory.shared_memory(), SHARED_MEMORY),
    ] {
        make_private(&target)?;
        mount(Some(name), &target, Some("tmpfs"), flags, Some(options))?;
    }
    make_private(&directory.libcontainer())
}

/// The socket, bound by way of the directory's descriptor: its path may be over 107 bytes.
fn listen(directory: &PodDirectory) -> io::Result<UnixListener> {
    let opened = File::open(directory.path())?;
    let old = umask(Mode::from_bits_truncate(0o177));
    let bound = UnixListener::bind(format!("/proc/self/fd/{}/shim.sock", opened.as_raw_fd()));
    umask(old);
    let listener = bound?;
    listener.set_nonblocking(true)?;
    // A clean-up that took the directory away while we started did not see us.
    let (ours, named) = (opened.metadata()?, fs::metadata(directory.path())?);
    if (ours.dev(), ours.ino()) != (named.dev(), named.ino()) {
        return Err(io::Error::other("the pod's directory was replaced"));
    }
    debug_assert!(listener.as_fd().as_raw_fd() > 2);
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_refused(pod: &PodSpec, name: &str) {
        assert!(set_sysctl(pod, name, "1").is_err(), "{name}");
    }

    #[test]
    fn sysctls_of_the_host_are_refused() {
        let own = PodSpec::default();
        check_refused(&own, "vm.swappiness");
        check_refused(&own, "kernel.panic");
        check_refused(&own, "net.ipv4/../../../kernel/panic");
        check_refused(&own, "kernel.shm/../../vm/swappiness");
        let host = PodSpec { network: PodNetwork::Host, host_ipc: true, ..PodSpec::default() };
        check_refused(&host, "net.ipv4.ip_forward");
        check_refused(&host, "kernel.shmmax");
    }
}
