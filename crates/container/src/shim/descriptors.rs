//! Which descriptors this process has open: to take them from children, and to find what a
//! failed call of libcontainer left behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::RawFd;

use nix::libc;

/// All open descriptors above stdio.
pub(super) fn open() -> BTreeSet<RawFd> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return BTreeSet::new() };
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<RawFd>().ok();
    let mut open: BTreeSet<RawFd> =
        entries.flatten().filter_map(number).filter(|fd| *fd > 2).collect();
    // The listing's own descriptor is among them, and closed by now.
    // SAFETY: F_GETFD takes no pointers and changes nothing.
    open.retain(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } != -1);
    open
}

/// Closes what is open now and was not then.
///
/// # Safety
/// Nothing alive may own a descriptor that was opened since `then`.
pub(super) unsafe fn close_since(then: &BTreeSet<RawFd>) {
    for fd in open().difference(then) {
        // SAFETY: the caller's promise: no owner is left to close it a second time.
        unsafe { libc::close(*fd) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn what_is_open_is_listed_and_what_is_closed_is_not() {
        let file = fs::File::open("/dev/null").unwrap();
        let fd = file.as_raw_fd();
        assert!(open().contains(&fd));
        assert!(!open().contains(&0));
    }
}
