//! Images from source, without a Dockerfile.
//!
//! A folder with a `Cargo.toml` or a `go.mod` becomes one static, stripped binary in an image from
//! scratch. The same source gives the same digest; source that did not change is not built again.

mod assemble;
mod cache;
mod cargo;
mod command;
mod dep_info;
mod elf;
mod go;
mod inputs;
mod tool;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::{Image, ImageStore, Reference, StoreError};
use inputs::Inputs;

pub(crate) use cache::forget_missing;

/// What a folder can be built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It has a `Cargo.toml`.
    Cargo,
    /// It has a `go.mod`.
    Go,
}

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildRequest {
    /// The folder with the source.
    pub dir: PathBuf,
    /// The image's name.
    pub name: Reference,
}

/// What a build is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The build tool was started; a cached build never gets here.
    Compiling(Source),
    /// A line the build tool wrote.
    Line(String),
    /// The binary is there and is put into an image.
    Packing,
}

/// What came of a build.
#[derive(Clone, Debug)]
pub struct BuildReport {
    /// The image, named as asked.
    pub image: Image,
    /// Nothing had changed, so nothing was built.
    pub cached: bool,
    /// The binary as the build tool left it, in bytes.
    pub size_before_strip: u64,
    /// The binary as it is in the image, in bytes.
    pub size_after_strip: u64,
    /// The whole image, in bytes.
    pub image_size: u64,
    /// How long it took.
    pub took: Duration,
}

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is nothing to build.
    #[error("{dir} has neither a Cargo.toml nor a go.mod")]
    NoSource {
        /// The folder.
        dir: PathBuf,
    },
    /// The build tool is not installed.
    #[error("{dir} needs `{tool}` to build, and it is not installed: see {hint}")]
    ToolMissing {
        /// cargo, rustc or go.
        tool: &'static str,
        /// The folder.
        dir: PathBuf,
        /// Where to get it.
        hint: &'static str,
    },
    /// The build tool ran and failed.
    #[error("`{tool}` failed in {dir} ({status}):\n{output}")]
    Failed {
        /// cargo or go.
        tool: &'static str,
        /// The folder.
        dir: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The last lines it wrote.
        output: String,
    },
    /// The build tool could not be run, or its files not be read.
    #[error("{step} {path}")]
    Step {
        /// What was attempted.
        step: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The build tool's answer is not understood.
    #[error("`{tool}` answered something unknown in {dir}: {reason}")]
    Answer {
        /// cargo or go.
        tool: &'static str,
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The folder builds no program.
    #[error("{dir} builds no binary: an image needs a `main`")]
    NoBinary {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder builds several programs, and nothing says which one is the service.
    #[error("{dir} builds several binaries ({}): {hint}", names.join(", "))]
    SeveralBinaries {
        /// The folder.
        dir: PathBuf,
        /// The binaries' names.
        names: Vec<String>,
        /// How to say which one.
        hint: &'static str,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A program ready to be put into an image.
struct Binary {
    name: String,
    path: PathBuf,
    labels: Vec<(&'static str, String)>,
    /// What it was made of; `None` when that cannot be told.
    inputs: Option<Inputs>,
}

/// How `dir` would be built, if it has source at all.
pub fn plan(dir: &Path) -> Option<Source> {
    if dir.join("Cargo.toml").is_file() {
        Some(Source::Cargo)
    } else if dir.join("go.mod").is_file() {
        Some(Source::Go)
    } else {
        None
    }
}

/// Builds `request.dir` into an image of `request.name`, or finds that nothing has changed.
pub fn build(
    store: &ImageStore,
    request: BuildRequest,
    mut progress: impl FnMut(Progress),
) -> Result<BuildReport, BuildError> {
    let started = Started { at: Instant::now(), time: SystemTime::now() };
    let BuildRequest { dir, name } = request;
    let dir = dir.canonicalize().map_err(|source| step("open folder", &dir, source))?;
    let source = plan(&dir).ok_or_else(|| BuildError::NoSource { dir: dir.clone() })?;
    let key = cache::Key::new(source, &dir, &name)?;
    if let Some(record) = cache::lookup(store, &key)
        && let Some(image) = store.get(&record.image)?
    {
        store.tag(&name, image.digest)?;
        return report(store, &record, true, &started);
    }
    progress(Progress::Compiling(source));
    let wanted = name.path().rsplit('/').next().unwrap_or_default().to_owned();
    let scratch = crate::scratch::Scratch::new(&store.tmp())
        .map_err(|source| step("create a folder in", &store.tmp(), source))?;
    let binary = match source {
        Source::Cargo => cargo::build(&dir, &wanted, &mut |line| progress(Progress::Line(line))),
        Source::Go => go::build(&dir, &wanted, scratch.path(), &mut |line| {
            progress(Progress::Line(line));
        }),
    }?;
    progress(Progress::Packing);
    let packed = assemble::assemble(store, &binary, &name)?;
    let record = cache::remember(store, &key, &binary, &packed, started.time);
    report(store, &record, false, &started)
}

struct Started {
    at: Instant,
    time: SystemTime,
}

fn report(
    store: &ImageStore,
    record: &cache::Record,
    cached: bool,
    started: &Started,
) -> Result<BuildReport, BuildError> {
    let image = store.get(&record.image)?.ok_or_else(|| StoreError::Read {
        what: "manifest",
        digest: record.image,
        source: io::ErrorKind::NotFound.into(),
    })?;
    Ok(BuildReport {
        image_size: image.size,
        image,
        cached,
        size_before_strip: record.size_before_strip,
        size_after_strip: record.size_after_strip,
        took: started.at.elapsed(),
    })
}

fn step(step: &'static str, path: &Path, source: io::Error) -> BuildError {
    BuildError::Step { step, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
