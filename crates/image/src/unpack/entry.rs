//! One entry of a layer's archive made real: its kind, its content, its attributes.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Uid, XattrFlags, makedev};
use rustix::io::Errno;
use tar::{Entry, EntryType};

use super::root::{OPAQUE, Place, Root, times};
use super::{UnpackError, step};

const WHITEOUT_PREFIX: &[u8] = b".wh.";
const OPAQUE_MARK: &[u8] = b".wh..wh..opq";
/// Other names with this prefix are aufs's own notes, not content.
const AUFS_PREFIX: &[u8] = b".wh..wh.";
const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";
/// Attributes of this space steer overlayfs; an image may not write them.
const XATTR_REFUSED: &[u8] = b"trusted.";
const PERMISSIONS: u32 = 0o7777;

/// What an entry says beside its content.
struct Attributes {
    mode: u32,
    uid: Uid,
    gid: Gid,
    modified: Timespec,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

pub(super) fn unpack<R: Read>(mut entry: Entry<'_, R>, root: &mut Root) -> Result<(), UnpackError> {
    if entry.header().entry_type() == EntryType::XGlobalHeader {
        return Ok(());
    }
    let name = entry.path_bytes().into_owned();
    let attributes = attributes(&mut entry, &name)?;
    let Some(place) = root.place(&name)? else {
        return root_itself(root, &attributes);
    };
    use std::os::unix::ffi::OsStrExt;
    match place.name.as_bytes() {
        OPAQUE_MARK => opaque_parent(&place),
        last if last.starts_with(AUFS_PREFIX) => Ok(()),
        last if last.starts_with(WHITEOUT_PREFIX) => whiteout(&place, root),
        _ => object(entry, &place, root, &attributes),
    }
}

fn root_itself(root: &mut Root, attributes: &Attributes) -> Result<(), UnpackError> {
    let path = std::path::Path::new("");
    let mode = Mode::from_raw_mode(attributes.mode);
    rustix::fs::fchown(root.fd(), Some(attributes.uid), Some(attributes.gid))
        .and_then(|()| rustix::fs::fchmod(root.fd(), mode))
        .map_err(|error| step("set attributes of", path, error.into()))?;
    root.note_directory(path, attributes.modified);
    Ok(())
}

fn opaque_parent(place: &Place) -> Result<(), UnpackError> {
    rustix::fs::fsetxattr(&place.parent, OPAQUE, b"y", XattrFlags::empty())
        .map_err(|error| step("mark as opaque", &place.path, error.into()))
}

/// Hides what lower layers have under this name. What this layer itself has there stays visible.
fn whiteout(mark: &Place, root: &mut Root) -> Result<(), UnpackError> {
    let name = mark.path.as_os_str();
    use std::os::unix::ffi::OsStrExt;
    let hidden = &mark.name.as_bytes()[WHITEOUT_PREFIX.len()..];
    if hidden.is_empty() || hidden == b"." || hidden == b".." {
        return Err(UnpackError::Traversal { name: name.to_string_lossy().into_owned() });
    }
    let parent = mark.path.parent().map(|p| p.as_os_str().as_bytes()).unwrap_or_default();
    let Some(place) = root.place(&[parent, b"/", hidden].concat())? else { return Ok(()) };
    match place.file_type()? {
        Some(FileType::Directory) => place.mark_opaque(),
        Some(_) => Ok(()),
        None => make_node(&place, FileType::CharacterDevice, 0),
    }
}

fn object<R: Read>(
    mut entry: Entry<'_, R>,
    place: &Place,
    root: &mut Root,
    attributes: &Attributes,
) -> Result<(), UnpackError> {
    let kind = entry.header().entry_type();
    let hides_lower = make_room(place, root, kind.is_dir())?;
    match kind {
        EntryType::Directory => {
            make_directory(place, hides_lower)?;
            root.note_directory(&place.path, attributes.modified);
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            write_file(&mut entry, place)?;
            root.note_file(&place.path);
        }
        EntryType::Symlink => {
            rustix::fs::symlinkat(&*link_target(&entry, place)?, &place.parent, &place.name)
                .map_err(|error| step("create symbolic link", &place.path, error.into()))?;
        }
        // A hard link has the attributes of what it links to.
        EntryType::Link => return hard_link(&link_target(&entry, place)?, place, root),
        EntryType::Char => make_node(place, FileType::CharacterDevice, device(&entry, place)?)?,
        EntryType::Block => make_node(place, FileType::BlockDevice, device(&entry, place)?)?,
        EntryType::Fifo => make_node(place, FileType::Fifo, 0)?,
        other => return Err(UnpackError::Kind { name: shown(place), kind: other.as_byte() }),
    }
    apply(place, attributes, kind)
}

/// Removes what an earlier entry left here, unless directory meets directory. True when that was a
/// whiteout, which the new entry must go on meaning.
fn make_room(place: &Place, root: &mut Root, for_directory: bool) -> Result<bool, UnpackError> {
    let failed = |source| step("replace", &place.path, source);
    match place.file_type()? {
        None => Ok(false),
        Some(FileType::Directory) if for_directory => Ok(false),
        Some(FileType::Directory) => {
            root.forget_directories();
            std::fs::remove_dir_all(place.through_fd()).map_err(failed)?;
            Ok(false)
        }
        Some(_) => {
            root.forget_directories();
            let whiteout = place.is_whiteout()?;
            rustix::fs::unlinkat(&place.parent, &place.name, AtFlags::empty())
                .map_err(|error| failed(error.into()))?;
            Ok(whiteout)
        }
    }
}

fn make_directory(place: &Place, hides_lower: bool) -> Result<(), UnpackError> {
    match rustix::fs::mkdirat(&place.parent, &place.name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) if !hides_lower => Ok(()),
        Ok(()) => place.mark_opaque(),
        Err(error) => Err(step("create directory", &place.path, error.into())),
    }
}

fn write_file<R: Read>(entry: &mut Entry<'_, R>, place: &Place) -> Result<(), UnpackError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file: OwnedFd =
        rustix::fs::openat(&place.parent, &place.name, flags, Mode::from_raw_mode(0o600))
            .map_err(|error| step("create", &place.path, error.into()))?;
    io::copy(entry, &mut File::from(file))
        .map_err(|source| step("write", &place.path, source))
        .map(|_| ())
}

fn hard_link(target: &[u8], place: &Place, root: &mut Root) -> Result<(), UnpackError> {
    let failed = |source| step("create hard link", &place.path, source);
    let Some(target) = root.place(target)? else {
        return Err(failed(io::Error::from(io::ErrorKind::IsADirectory)));
    };
    let flags = AtFlags::empty();
    rustix::fs::linkat(&target.parent, &target.name, &place.parent, &place.name, flags)
        .map_err(|error| failed(error.into()))
}

fn make_node(place: &Place, kind: FileType, device: u64) -> Result<(), UnpackError> {
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(&place.parent, &place.name, kind, mode, device)
        .map_err(|error| step("create device or pipe", &place.path, error.into()))
}

fn device<R: Read>(entry: &Entry<'_, R>, place: &Place) -> Result<u64, UnpackError> {
    let header = entry.header();
    match (header.device_major(), header.device_minor()) {
        (Ok(Some(major)), Ok(Some(minor))) => Ok(makedev(major, minor)),
        _ => Err(UnpackError::Field { name: shown(place), field: "device number" }),
    }
}

fn link_target<R: Read>(entry: &Entry<'_, R>, place: &Place) -> Result<Vec<u8>, UnpackError> {
    let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
    target.ok_or_else(|| UnpackError::Field { name: shown(place), field: "link target" })
}

/// In this order: a change of owner clears the set-uid bits and the capabilities.
fn apply(place: &Place, attributes: &Attributes, kind: EntryType) -> Result<(), UnpackError> {
    let failed = |error: Errno| step("set attributes of", &place.path, error.into());
    let (uid, gid) = (Some(attributes.uid), Some(attributes.gid));
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(&place.parent, &place.name, uid, gid, flags).map_err(failed)?;
    if !kind.is_symlink() {
        // Just made here, and not a symbolic link: there is nothing to follow.
        let mode = Mode::from_raw_mode(attributes.mode);
        rustix::fs::chmodat(&place.parent, &place.name, mode, AtFlags::empty()).map_err(failed)?;
    }
    for (name, value) in &attributes.xattrs {
        set_xattr(place, name, value)?;
    }
    let times = times(attributes.modified);
    rustix::fs::utimensat(&place.parent, &place.name, &times, flags).map_err(failed)
}

fn set_xattr(place: &Place, name: &[u8], value: &[u8]) -> Result<(), UnpackError> {
    match rustix::fs::lsetxattr(place.through_fd(), name, value, XattrFlags::empty()) {
        Ok(()) => Ok(()),
        // The file system cannot hold it; user attributes on links and devices are never allowed.
        Err(error @ (Errno::OPNOTSUPP | Errno::PERM)) if !name.starts_with(b"security.") => {
            let name = String::from_utf8_lossy(name);
            tracing::warn!(path = %place.path.display(), %name, %error, "extended attribute left out");
            Ok(())
        }
        Err(error) => Err(step("set an extended attribute of", &place.path, error.into())),
    }
}

fn attributes<R: Read>(entry: &mut Entry<'_, R>, name: &[u8]) -> Result<Attributes, UnpackError> {
    let invalid = |field| UnpackError::Field { name: lossy(name), field };
    let xattrs = xattrs(entry).map_err(|_| invalid("extended attribute"))?;
    let header = entry.header();
    let mode = header.mode().map_err(|_| invalid("mode"))? & PERMISSIONS;
    let id = |raw: io::Result<u64>, field| {
        let raw = raw.ok().and_then(|raw| u32::try_from(raw).ok());
        raw.filter(|raw| *raw != u32::MAX).ok_or_else(|| invalid(field))
    };
    let uid = Uid::from_raw(id(header.uid(), "owner")?);
    let gid = Gid::from_raw(id(header.gid(), "group")?);
    // Tools that mean "no time" write ones out of range: no reason to refuse the image.
    let tv_sec = header.mtime().ok().and_then(|time| i64::try_from(time).ok()).unwrap_or(0);
    Ok(Attributes { mode, uid, gid, modified: Timespec { tv_sec, tv_nsec: 0 }, xattrs })
}

fn xattrs<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut found = Vec::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        if let Some(name) = extension.key_bytes().strip_prefix(XATTR_PREFIX)
            && !name.starts_with(XATTR_REFUSED)
        {
            found.push((name.to_vec(), extension.value_bytes().to_vec()));
        }
    }
    Ok(found)
}

fn shown(place: &Place) -> String {
    place.path.display().to_string()
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
