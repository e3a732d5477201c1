//! The directory a layer is unpacked into, and safe ways to places below it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags,
};
use rustix::io::Errno;

use super::{FILES_SYNCED_SINGLY_MAX, UnpackError, step};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// The layer's root. No path resolved through it can leave it: the kernel treats it as `/`.
pub(super) struct Root {
    path: PathBuf,
    dir: OwnedFd,
    /// The directory the last entry was in; archives list directories' contents together.
    last: Option<(PathBuf, std::sync::Arc<OwnedFd>)>,
    /// Set at the end, because filling a directory changes it.
    directory_times: Vec<(PathBuf, Timespec)>,
    /// Every regular file, until there are too many to sync one by one.
    files: Vec<PathBuf>,
    files_count: usize,
}

/// An entry's place: its directory, held open, and its name in it.
pub(super) struct Place {
    pub(super) parent: std::sync::Arc<OwnedFd>,
    pub(super) name: OsString,
    pub(super) path: PathBuf,
}

impl Root {
    pub(super) fn open(path: &Path) -> Result<Self, UnpackError> {
        let dir = rustix::fs::open(path, DIRECTORY, Mode::empty())
            .map_err(|error| step("open", path, error.into()))?;
        Ok(Self {
            path: path.to_owned(),
            dir,
            last: None,
            directory_times: Vec::new(),
            files: Vec::new(),
            files_count: 0,
        })
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.dir
    }

    /// The place of an entry, its parent directories made if the archive left them out. `None` for
    /// the root itself.
    pub(super) fn place(&mut self, name: &[u8]) -> Result<Option<Place>, UnpackError> {
        let path = relative(name)?;
        let (Some(parent), Some(last)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        let parent = self.directory(parent)?;
        Ok(Some(Place { parent, name: last.to_owned(), path: path.clone() }))
    }

    fn directory(&mut self, path: &Path) -> Result<std::sync::Arc<OwnedFd>, UnpackError> {
        if let Some((last, dir)) = &self.last
            && last == path
        {
            return Ok(dir.clone());
        }
        let dir = match self.resolve(path) {
            Err(Errno::NOENT | Errno::NOTDIR) => self.create_all(path)?,
            other => {
                other.map_err(|error| step("open the layer's directory", path, error.into()))?
            }
        };
        let dir = std::sync::Arc::new(dir);
        self.last = Some((path.to_owned(), dir.clone()));
        Ok(dir)
    }

    fn resolve(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.dir, path, flags, Mode::empty(), within)
    }

    fn create_all(&self, path: &Path) -> Result<OwnedFd, UnpackError> {
        let failed = |error: Errno| step("create the layer's directory", path, error.into());
        let mut so_far = PathBuf::new();
        let mut dir = self.resolve(&so_far).map_err(failed)?;
        for component in path.iter() {
            so_far.push(component);
            dir = match self.resolve(&so_far) {
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    create_one(&dir, component).map_err(failed)?;
                    self.resolve(&so_far).map_err(failed)?
                }
                other => other.map_err(failed)?,
            };
        }
        Ok(dir)
    }

    /// The last directory may be gone or another one now.
    pub(super) fn forget_directories(&mut self) {
        self.last = None;
    }

    pub(super) fn note_directory(&mut self, path: &Path, modified: Timespec) {
        self.directory_times.push((path.to_owned(), modified));
    }

    pub(super) fn note_file(&mut self, path: &Path) {
        self.files_count += 1;
        if self.files_count <= FILES_SYNCED_SINGLY_MAX {
            self.files.push(path.to_owned());
        }
    }

    /// Gives directories their own times, innermost last entries first.
    pub(super) fn finish(&mut self) -> Result<(), UnpackError> {
        for (path, modified) in self.directory_times.drain(..).rev() {
            let relative = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
            let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            match rustix::fs::openat2(&self.dir, relative, DIRECTORY, Mode::empty(), within) {
                Ok(dir) => rustix::fs::futimens(dir, &times(modified))
                    .map_err(|error| step("set the time of", &path, error.into()))?,
                // A later entry put something else in its place.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(step("open", &path, error.into())),
            }
        }
        Ok(())
    }

    /// Makes the whole tree last through a power cut.
    pub(super) fn sync(self) -> Result<(), UnpackError> {
        let result = if self.files_count > FILES_SYNCED_SINGLY_MAX {
            rustix::fs::syncfs(&self.dir).map_err(io::Error::from)
        } else {
            self.sync_each()
        };
        result.map_err(|source| step("sync", &self.path, source))
    }

    fn sync_each(&self) -> io::Result<()> {
        for path in &self.files {
            let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
            match rustix::fs::openat2(&self.dir, path, flags, Mode::empty(), within) {
                Ok(file) => File::from(file).sync_all()?,
                // Replaced by a later entry of the layer, which is noted itself.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Syncing the root's inode commits the directory entries made before it, on journalling
        // file systems; each directory of a small layer is cheap enough to name, though.
        let mut dirs: Vec<&Path> = self.files.iter().filter_map(|path| path.parent()).collect();
        dirs.dedup();
        for dir in dirs {
            match self.resolve(dir) {
                Ok(dir) => File::from(dir).sync_all()?,
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        File::from(self.dir.try_clone()?).sync_all()
    }
}

impl Place {
    pub(super) fn file_type(&self) -> Result<Option<FileType>, UnpackError> {
        match rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(step("look at", &self.path, error.into())),
        }
    }

    /// Whether a whiteout stands here.
    pub(super) fn is_whiteout(&self) -> Result<bool, UnpackError> {
        is_whiteout(&self.parent, &self.name)
            .map_err(|error| step("look at", &self.path, error.into()))
    }

    /// A path that reaches this place and nothing else, for calls that want one. The last part is
    /// not resolved by the calls it is used with.
    pub(super) fn through_fd(&self) -> PathBuf {
        through_fd(&self.parent, &self.name)
    }

    /// Marks the directory here as hiding what lower layers have in it.
    pub(super) fn mark_opaque(&self) -> Result<(), UnpackError> {
        rustix::fs::lsetxattr(self.through_fd(), OPAQUE, b"y", XattrFlags::empty())
            .map_err(|error| step("mark as opaque", &self.path, error.into()))
    }
}

/// Makes a directory that the archive implies. One in a whiteout's place goes on hiding what the
/// layers below have there.
fn create_one(parent: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    let hides_lower = is_whiteout(parent, name)?;
    if hides_lower {
        rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
    }
    rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
    if hides_lower {
        rustix::fs::lsetxattr(through_fd(parent, name), OPAQUE, b"y", XattrFlags::empty())?;
    }
    Ok(())
}

/// Whether a whiteout stands there: a character device 0/0.
fn is_whiteout(parent: &OwnedFd, name: &OsStr) -> Result<bool, Errno> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => {
            let kind = FileType::from_raw_mode(stat.st_mode);
            Ok(kind == FileType::CharacterDevice && stat.st_rdev == 0)
        }
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

fn through_fd(parent: &OwnedFd, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd").join(parent.as_fd().as_raw_fd().to_string()).join(name)
}

/// The attribute that overlayfs reads.
pub(super) const OPAQUE: &str = "trusted.overlay.opaque";

pub(super) fn times(modified: Timespec) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: modified,
    }
}

/// An archive's path as one relative to the layer's root. A leading `/` means that root too, as for
/// every other tool; `..` is refused even where it would stay inside.
pub(super) fn relative(name: &[u8]) -> Result<PathBuf, UnpackError> {
    let mut path = PathBuf::new();
    for part in name.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                let name = String::from_utf8_lossy(name).into_owned();
                return Err(UnpackError::Traversal { name });
            }
            part => path.push(OsStr::from_bytes(part)),
        }
    }
    Ok(path)
}
