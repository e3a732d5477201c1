//! The host's devices, for privileged containers.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use libcontainer::oci_spec::runtime::{LinuxDevice, LinuxDeviceBuilder, LinuxDeviceType};
use nix::libc;

/// Directories of /dev that a container has of its own.
const OWN: &[&str] = &["pts", "shm", "mqueue", "fd"];

/// Bound on the devices taken over.
const DEVICES_MAX: usize = 1024;

/// Every device node under /dev, but those a container has of its own.
pub(super) fn of_host() -> Vec<LinuxDevice> {
    let mut found = Vec::new();
    collect(Path::new("/dev"), &mut found);
    found
}

fn collect(directory: &Path, found: &mut Vec<LinuxDevice>) {
    // A directory that vanishes meanwhile had its devices unplugged.
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let own = entry.file_name().to_str().is_some_and(|name| OWN.contains(&name));
        let Ok(kind) = entry.file_type() else { continue };
        if found.len() >= DEVICES_MAX || (own && directory == Path::new("/dev")) {
            continue;
        }
        if kind.is_dir() {
            collect(&entry.path(), found);
        } else if kind.is_char_device() || kind.is_block_device() {
            found.extend(device(&entry.path(), kind.is_block_device()));
        }
    }
}

fn device(path: &Path, block: bool) -> Option<LinuxDevice> {
    // /dev/console is mounted over when there is a terminal, and must not be a node then.
    if path == Path::new("/dev/console") || path == Path::new("/dev/ptmx") {
        return None;
    }
    let data = fs::symlink_metadata(path).ok()?;
    let number = data.rdev();
    LinuxDeviceBuilder::default()
        .path(path)
        .typ(if block { LinuxDeviceType::B } else { LinuxDeviceType::C })
        .major(i64::from(libc::major(number)))
        .minor(i64::from(libc::minor(number)))
        .file_mode(data.mode() & 0o777)
        .uid(data.uid())
        .gid(data.gid())
        .build()
        .ok()
}
