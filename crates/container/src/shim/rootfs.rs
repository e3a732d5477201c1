//! What a container's mounts are made of: its overlay, and its v1 cgroups put together. All of it
//! is in the shim's own mount namespace, and ends with it.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::record::{make_private, remove_tree};
use crate::spec::RootFs;

/// mount(2) takes one page of options; longer ones go one by one through fsconfig(2).
const OPTIONS_BYTES_MAX: usize = 4_000;

/// Mounts the root file system at `target`.
pub(super) fn mount_overlay(rootfs: &RootFs, target: &Path) -> Result<(), String> {
    if rootfs.lower.is_empty() {
        return Err("it has no layer".to_owned());
    }
    let missing = |path: &&Path| !path.is_dir();
    let parts = rootfs.lower.iter().chain([&rootfs.upper, &rootfs.work]);
    if let Some(path) = parts.map(|path| path.as_path()).find(missing) {
        return Err(format!("no directory {}", path.display()));
    }
    let fail = |error: io::Error| format!("overlay on {}: {error}", target.display());
    forget_volatile(&rootfs.work).map_err(fail)?;
    match attempt(rootfs, target, true) {
        // Linux before 5.10 does not know the option.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            attempt(rootfs, target, false).map_err(fail)
        }
        result => result.map_err(fail),
    }
}

/// A volatile overlay leaves all syncing out: unmounting any other one first writes the whole file
/// system of its upper layer to disk, which can take a second, for files that nobody will read.
fn attempt(rootfs: &RootFs, target: &Path, volatile: bool) -> io::Result<()> {
    let mut options = options(rootfs);
    if options.len() > OPTIONS_BYTES_MAX {
        return mount_piecewise(rootfs, target, volatile);
    }
    if volatile {
        options.extend_from_slice(b",volatile");
    }
    let kind = Some("overlay");
    mount(kind, target, kind, MsFlags::empty(), Some(options.as_slice()))?;
    Ok(())
}

/// Overlay refuses directories that were once part of a volatile mount, lest somebody trusts
/// them after a crash of the machine. Nobody here does: a container's layer ends with it.
fn forget_volatile(work: &Path) -> io::Result<()> {
    remove_tree(&work.join("work/incompat/volatile"))
}

/// Mounts directories together under `tree`, each by the name of its hierarchy's mount point.
pub(super) fn mount_together<'a>(
    tree: &Path,
    parts: impl Iterator<Item = (&'a PathBuf, PathBuf)>,
) -> io::Result<()> {
    make_private(tree)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), tree, Some("tmpfs"), flags, Some("mode=755,size=64k"))?;
    for (hierarchy, directory) in parts {
        let target = tree.join(hierarchy.file_name().unwrap_or_default());
        std::fs::create_dir(&target)?;
        let none = None::<&str>;
        mount(Some(&directory), &target, none, MsFlags::MS_BIND, none)?;
    }
    Ok(())
}

/// Takes the mount away from this namespace; whoever still uses it keeps it.
pub(super) fn unmount(target: &Path) -> io::Result<()> {
    match umount2(target, MntFlags::MNT_DETACH) {
        Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn options(rootfs: &RootFs) -> Vec<u8> {
    let mut options = b"lowerdir=".to_vec();
    for (at, layer) in rootfs.lower.iter().enumerate() {
        if at > 0 {
            options.push(b':');
        }
        escape(layer, &mut options);
    }
    for (name, path) in [("upperdir", &rootfs.upper), ("workdir", &rootfs.work)] {
        options.extend_from_slice(format!(",{name}=").as_bytes());
        escape(path, &mut options);
    }
    options
}

/// Overlay splits its options at commas and colons that no backslash precedes.
fn escape(path: &Path, options: &mut Vec<u8>) {
    for byte in path.as_os_str().as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            options.push(b'\\');
        }
        options.push(*byte);
    }
}

/// For many layers: the newer mount calls, one layer at a time (Linux 6.7 and later).
fn mount_piecewise(rootfs: &RootFs, target: &Path, volatile: bool) -> io::Result<()> {
    // SAFETY: fsopen reads a string that outlives the call.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, c"overlay".as_ptr(), 1) };
    let context = owned(context)?;
    let layers = rootfs.lower.iter().map(|path| (c"lowerdir+", path));
    let others = [(c"upperdir", &rootfs.upper), (c"workdir", &rootfs.work)];
    for (key, path) in layers.chain(others) {
        configure(&context, SET_STRING, Some(key), Some(path))?;
    }
    if volatile {
        configure(&context, SET_FLAG, Some(c"volatile"), None)?;
    }
    configure(&context, CREATE, None, None)?;
    // SAFETY: fsmount takes numbers only.
    let mounted = unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), 1, 0) };
    let mounted = owned(mounted)?;
    let target = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: both strings end in NUL and outlive the call; the descriptors are open.
    let moved = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mounted.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_FROM_DESCRIPTOR,
        )
    };
    if moved == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

const SET_FLAG: libc::c_uint = 0;
const SET_STRING: libc::c_uint = 1;
const CREATE: libc::c_uint = 6;
const MOVE_FROM_DESCRIPTOR: libc::c_uint = 4;

fn configure(
    context: &OwnedFd,
    command: libc::c_uint,
    key: Option<&CStr>,
    value: Option<&PathBuf>,
) -> io::Result<()> {
    let value = value.map(|path| CString::new(path.as_os_str().as_bytes())).transpose()?;
    let key = key.map_or(std::ptr::null(), CStr::as_ptr);
    let value = value.as_ref().map_or(std::ptr::null(), |value| value.as_ptr());
    // SAFETY: key and value are null or end in NUL, and outlive the call.
    let result =
        unsafe { libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, key, value, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(result) {
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lower: &[&str], upper: &str, expected: &str) {
        let rootfs = RootFs {
            lower: lower.iter().map(Into::into).collect(),
            upper: upper.into(),
            work: "/w".into(),
        };
        assert_eq!(String::from_utf8(options(&rootfs)).unwrap(), expected);
    }

    #[test]
    fn options_name_the_layers_top_first() {
        check(&["/b", "/a"], "/u", "lowerdir=/b:/a,upperdir=/u,workdir=/w");
    }

    #[test]
    fn what_overlay_would_split_at_is_escaped() {
        check(&["/a:b"], "/u,v\\", "lowerdir=/a\\:b,upperdir=/u\\,v\\\\,workdir=/w");
    }

    #[test]
    fn what_is_missing_is_named() {
        let rootfs = RootFs { lower: vec!["/nonexistent".into()], ..RootFs::default() };
        let error = mount_overlay(&rootfs, Path::new("/tmp")).unwrap_err();
        assert_eq!(error, "no directory /nonexistent");
        let error = mount_overlay(&RootFs::default(), Path::new("/tmp")).unwrap_err();
        assert_eq!(error, "it has no layer");
    }
}
