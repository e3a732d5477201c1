//! Files of a volume on disk, replaced as a whole: they lie in a directory with a name of its
//! own, `..data` points at it, and what users see are links through `..data`. Turning
//! `..data` around is one rename. The layout is upstream's: programs know it.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use jiff::Timestamp;

use super::VolumeError;
use super::render::{File, Files};

/// The link that is turned around.
const DATA: &str = "..data";
/// Its next version, before the rename.
const DATA_NEXT: &str = "..data_tmp";

/// Makes `dir` hold exactly `files`; does nothing when it does. With `group`, files and
/// directories belong to that group. Says whether anything changed.
pub(crate) fn write(dir: &Path, files: &Files, group: Option<u32>) -> Result<bool, VolumeError> {
    fs::create_dir_all(dir).map_err(VolumeError::file("make", dir))?;
    own(dir, 0o755, None, group).map_err(VolumeError::file("set the owner of", dir))?;
    if holds(&dir.join(DATA), files, group) {
        return Ok(false);
    }
    let old = fs::read_link(dir.join(DATA)).ok();
    let name = format!("..{}", Timestamp::now().strftime("%Y_%m_%d_%H_%M_%S.%f"));
    let new = dir.join(&name);
    write_all(&new, files, group)?;
    turn(dir, &name).map_err(VolumeError::file("replace", &dir.join(DATA)))?;
    link(dir, files).map_err(VolumeError::file("link the files of", dir))?;
    if let Some(old) = old {
        let old = dir.join(old);
        fs::remove_dir_all(&old).map_err(VolumeError::file("remove", &old))?;
    }
    Ok(true)
}

/// Whether exactly these files are there with these modes and owners.
fn holds(data: &Path, files: &Files, group: Option<u32>) -> bool {
    if !data.is_dir() {
        return false;
    }
    let same = |(path, file): (&String, &File)| {
        let path = data.join(path);
        let owned = |meta: fs::Metadata| {
            meta.mode() & 0o777 == effective_mode(file.mode, group)
                && file.owner.is_none_or(|owner| owner == meta.uid())
        };
        fs::metadata(&path).is_ok_and(owned)
            && fs::read(&path).is_ok_and(|content| content == file.content)
    };
    count(data).is_ok_and(|count| count == files.len()) && files.iter().all(same)
}

fn count(dir: &Path) -> io::Result<usize> {
    let mut total = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(total)
}

/// A group that owns a file may read it.
fn effective_mode(mode: u32, group: Option<u32>) -> u32 {
    if group.is_some() { mode | 0o440 } else { mode }
}

fn write_all(dir: &Path, files: &Files, group: Option<u32>) -> Result<(), VolumeError> {
    fs::create_dir(dir).map_err(VolumeError::file("make", dir))?;
    own(dir, 0o755, None, group).map_err(VolumeError::file("set the owner of", dir))?;
    for (path, file) in files {
        let path = dir.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(VolumeError::file("make", parent))?;
        }
        fs::write(&path, &file.content).map_err(VolumeError::file("write", &path))?;
        own(&path, effective_mode(file.mode, group), file.owner, group)
            .map_err(VolumeError::file("set the owner of", &path))?;
    }
    Ok(())
}

fn own(path: &Path, mode: u32, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    if user.is_some() || group.is_some() {
        chown(path, user, group)?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn turn(dir: &Path, name: &str) -> io::Result<()> {
    let next = dir.join(DATA_NEXT);
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(name, &next)?;
    fs::rename(&next, dir.join(DATA))
}

/// Links for what is new, none for what is gone. Only the first part of a path is a link.
fn link(dir: &Path, files: &Files) -> io::Result<()> {
    let wanted: BTreeSet<&str> =
        files.keys().map(|path| path.split('/').next().unwrap_or(path)).collect();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !wanted.contains(name.as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    for name in wanted {
        let link = dir.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new(DATA).join(name), link)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Files {
        let file = |content: &str| File { content: content.into(), mode: 0o640, owner: None };
        list.iter().map(|(path, content)| ((*path).to_owned(), file(content))).collect()
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("..2"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_seen_through_the_data_link() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write(dir.path(), &files(&[("a", "1"), ("x/y", "2")]), None).unwrap());
        assert_eq!(names(dir.path()), ["..data", "a", "x"]);
        assert_eq!(fs::read_to_string(dir.path().join("x/y")).unwrap(), "2");
        assert_eq!(fs::read_link(dir.path().join("a")).unwrap(), Path::new("..data/a"));
        let mode = fs::metadata(dir.path().join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[test]
    fn the_same_files_again_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = files(&[("a", "1")]);
        assert!(write(dir.path(), &wanted, None).unwrap());
        let before = fs::read_link(dir.path().join(DATA)).unwrap();
        assert!(!write(dir.path(), &wanted, None).unwrap());
        assert_eq!(fs::read_link(dir.path().join(DATA)).unwrap(), before);
    }

    #[test]
    fn an_update_replaces_all_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &files(&[("a", "1"), ("b", "2")]), None).unwrap();
        assert!(write(dir.path(), &files(&[("b", "3")]), None).unwrap());
        assert_eq!(names(dir.path()), ["..data", "b"]);
        assert_eq!(fs::read_to_string(dir.path().join("b")).unwrap(), "3");
        let generations = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(generations, 3, "one generation, its link and one file");
    }
}
