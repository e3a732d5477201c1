//! A container's root file system: an overlay, mounted in the shim's own mount namespace.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

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
    let options = options(rootfs);
    let mounted = if options.len() < OPTIONS_BYTES_MAX {
        let flags = MsFlags::empty();
        mount(Some("overlay"), target, Some("overlay"), flags, Some(options.as_slice()))
            .map_err(io::Error::from)
    } else {
        mount_piecewise(rootfs, target)
    };
    mounted.map_err(|error| format!("overlay on {}: {error}", target.display()))
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
fn mount_piecewise(rootfs: &RootFs, target: &Path) -> io::Result<()> {
    // SAFETY: fsopen reads a string that outlives the call.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, c"overlay".as_ptr(), 1) };
    let context = owned(context)?;
    let layers = rootfs.lower.iter().map(|path| (c"lowerdir+", path));
    let others = [(c"upperdir", &rootfs.upper), (c"workdir", &rootfs.work)];
    for (key, path) in layers.chain(others) {
        configure(&context, SET_STRING, Some((key, path)))?;
    }
    configure(&context, CREATE, None)?;
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

const SET_STRING: libc::c_uint = 1;
const CREATE: libc::c_uint = 6;
const MOVE_FROM_DESCRIPTOR: libc::c_uint = 4;

fn configure(
    context: &OwnedFd,
    command: libc::c_uint,
    pair: Option<(&std::ffi::CStr, &std::path::PathBuf)>,
) -> io::Result<()> {
    let value = pair.map(|(_, path)| CString::new(path.as_os_str().as_bytes())).transpose()?;
    let key = pair.map_or(std::ptr::null(), |(key, _)| key.as_ptr());
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
