//! Control groups, version 1 (separate hierarchies) and version 2, by plain file writes.
//!
//! libcontainer puts a container's first process into its group; everything else (limits,
//! devices, killing, counting, removal) is here, because it must also work when no shim lives.

mod devices;
mod layout;
mod limits;
mod removal;
mod usage;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::spec::Resources;

pub(crate) use layout::Layout;
use layout::Version;

/// One group, in every hierarchy that we use.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    version: Version,
    directories: Vec<Directory>,
}

/// The group in one hierarchy.
#[derive(Clone, Debug)]
struct Directory {
    /// The controllers of this hierarchy (v1); empty in v2, where it has all.
    controllers: Vec<String>,
    /// The hierarchy's mount point.
    mount: PathBuf,
    /// Below the mount point.
    name: PathBuf,
}

impl Directory {
    fn path(&self) -> PathBuf {
        self.mount.join(&self.name)
    }
}

impl Group {
    /// The group's name as libcontainer wants it: absolute, from the hierarchy's root.
    pub(crate) fn name(&self) -> PathBuf {
        let name = self.directories.first().map(|directory| directory.name.as_path());
        Path::new("/").join(name.unwrap_or(Path::new("")))
    }

    /// A group inside this one.
    pub(crate) fn child(&self, name: &str) -> Group {
        let mut group = self.clone();
        for directory in &mut group.directories {
            directory.name.push(name);
        }
        group
    }

    /// Makes the group, with all groups above it.
    pub(crate) fn create(&self) -> io::Result<()> {
        for directory in &self.directories {
            match self.version {
                Version::V1 => fs::create_dir_all(directory.path())?,
                Version::V2 => create_with_controllers(directory)?,
            }
        }
        Ok(())
    }

    /// Sets limits; what is `None` stays as it is.
    pub(crate) fn limit(&self, resources: &Resources) -> io::Result<()> {
        let settings = match self.version {
            Version::V1 => limits::v1(resources),
            Version::V2 => limits::v2(resources),
        };
        for setting in settings {
            let written = self.write(setting.controller, setting.file, &setting.value);
            if !setting.optional {
                written?;
            }
        }
        Ok(())
    }

    /// Makes the OOM killer take the whole group, where the kernel can (v2): half a container
    /// helps nobody.
    pub(crate) fn die_together(&self) -> io::Result<()> {
        match self.version {
            Version::V1 => Ok(()),
            Version::V2 => self.write("memory", "memory.oom.group", "1"),
        }
    }

    /// Allows no device but the harmless ones.
    pub(crate) fn restrict_devices(&self) -> io::Result<()> {
        match self.version {
            Version::V1 => {
                self.write("devices", "devices.deny", "a")?;
                for rule in devices::ALLOWED {
                    self.write("devices", "devices.allow", &rule.to_string())?;
                }
                Ok(())
            }
            Version::V2 => match self.directories.first() {
                Some(directory) => devices::attach(&directory.path()),
                None => Ok(()),
            },
        }
    }

    /// The path of a controller's file, if that controller is there.
    fn file(&self, controller: &str, file: &str) -> Option<PathBuf> {
        let directory = self.directories.iter().find(|directory| {
            directory.controllers.is_empty()
                || directory.controllers.iter().any(|have| have == controller)
        })?;
        Some(directory.path().join(file))
    }

    fn write(&self, controller: &str, file: &str, value: &str) -> io::Result<()> {
        let path = self.file(controller, file).ok_or_else(|| {
            io::Error::new(ErrorKind::Unsupported, format!("no cgroup controller {controller}"))
        })?;
        fs::write(&path, value).map_err(|error| annotate(error, "write", &path))
    }
}

/// In v2 a group's files exist only when the group above hands the controller down.
fn create_with_controllers(directory: &Directory) -> io::Result<()> {
    let mut path = directory.mount.clone();
    for component in directory.name.components() {
        for controller in ["cpu", "cpuset", "io", "memory", "pids"] {
            // A controller that this machine lacks is noticed when a limit needs it.
            let _ = fs::write(path.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        path.push(component);
        match fs::create_dir(&path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(annotate(error, "make", &path));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Says on what an attempt failed, which `io::Error` alone does not.
pub(crate) fn annotate(error: io::Error, action: &str, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{action} {}: {error}", path.display()))
}
