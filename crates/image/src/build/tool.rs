//! Finding the build tools, and the environment they run in.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{BuildError, step};

/// Set by `cargo run` for the program it runs; a build started from there must not see them.
const CARGO_RUN_ONLY: [&str; 6] = [
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_CRATE_NAME",
    "OUT_DIR",
    "CARGO_BIN_NAME",
];
const CARGO_RUN_PREFIXES: [&str; 2] = ["CARGO_PKG_", "CARGO_BIN_EXE_"];
/// What may change the outcome of a build.
const RELEVANT_PREFIXES: [&str; 10] = [
    "CARGO_",
    "RUST",
    "CC",
    "CXX",
    "CFLAGS",
    "LDFLAGS",
    "GO",
    "CGO_",
    "SOURCE_DATE_EPOCH",
    "PKG_CONFIG",
];

/// A build tool that is there, or the error that says it is not.
pub(super) fn find(
    tool: &'static str,
    dir: &Path,
    hint: &'static str,
) -> Result<PathBuf, BuildError> {
    let on_path = env::var_os("PATH").unwrap_or_default();
    let places = env::split_paths(&on_path).chain(usual_places());
    let found = places.map(|place| place.join(tool)).find(|path| path.is_file());
    found.ok_or_else(|| BuildError::ToolMissing { tool, dir: dir.to_owned(), hint })
}

/// `sudo` narrows PATH: look where the installers put things, too.
fn usual_places() -> impl Iterator<Item = PathBuf> {
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = env::var_os("HOME").map(PathBuf::from);
    let in_home = home.map(|home| home.join(".cargo"));
    let cargo = [cargo_home, in_home].into_iter().flatten().map(|dir| dir.join("bin"));
    cargo.chain([PathBuf::from("/usr/local/go/bin")])
}

/// A command in `dir` without what `cargo run` adds to the environment.
pub(super) fn command(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for (name, _) in env::vars_os().filter(|(name, _)| is_cargo_run_only(name)) {
        command.env_remove(name);
    }
    command
}

/// Standard output of a quick question to a tool.
pub(super) fn ask(
    tool: &'static str,
    command: &mut Command,
    dir: &Path,
) -> Result<String, BuildError> {
    let output = command.output().map_err(|source| step("run a build tool in", dir, source))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        let (dir, status) = (dir.to_owned(), output.status);
        return Err(BuildError::Failed { tool, dir, status, output: text });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The part of the environment that may change what a build makes, in a fixed order.
pub(super) fn relevant_environment() -> Vec<(OsString, OsString)> {
    let relevant = |name: &OsString| {
        let text = name.to_string_lossy();
        RELEVANT_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) && !is_cargo_run_only(name)
    };
    let mut variables: Vec<_> = env::vars_os().filter(|(name, _)| relevant(name)).collect();
    variables.sort();
    variables
}

fn is_cargo_run_only(name: &OsString) -> bool {
    let text = name.to_string_lossy();
    CARGO_RUN_ONLY.contains(&&*text)
        || CARGO_RUN_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}
