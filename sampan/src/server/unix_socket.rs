//! Unix sockets of the run directory, for root alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use anyhow::Context;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use tokio::net::UnixListener;

/// A socket that listens for as long as this lives, whatever becomes of the task that serves it.
pub struct UnixSocket {
    path: PathBuf,
    socket: StdListener,
}

impl UnixSocket {
    /// Binds it in place of what an earlier server left. The instance must be locked: a socket
    /// that another process serves would be taken from it.
    pub fn bind(path: &Path) -> anyhow::Result<Self> {
        let socket = bind_private(path).with_context(|| format!("listen at {}", path.display()))?;
        Ok(Self { path: path.to_owned(), socket })
    }

    /// The socket for one life of the task that serves it.
    pub fn open(&self) -> io::Result<UnixListener> {
        UnixListener::from_std(self.socket.try_clone()?)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        // Only for tidiness: the next server replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

fn bind_private(path: &Path) -> io::Result<StdListener> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Linux gives the file the mode of the socket: there is no moment in which others may connect.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&socket, Backlog::MAXCONN)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn it_is_for_its_owner_alone_and_goes_with_its_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/control.sock");
        let socket = UnixSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let listener = socket.open().unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        listener.accept().await.unwrap();
        drop((socket, listener));
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_killed_server_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists());
        let socket = UnixSocket::bind(&path).unwrap();
        UnixStream::connect(&path).unwrap();
        drop(socket);
    }
}
