//! Rust: one static binary from a package.

mod package;
mod toolchain;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::inputs::Inputs;
use super::{Binary, BuildError, command, dep_info, tool};
use package::{Metadata, Package, Target, choose, labels, metadata, named_once};
use toolchain::{Toolchain, flags, toolchain};

pub(super) use toolchain::version;

const HINT: &str = "https://rustup.rs";

/// One line of cargo's JSON messages, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
    target: Option<Target>,
}

/// What is known of a finished build.
#[derive(Default)]
struct Built {
    executable: Option<PathBuf>,
    /// The folders of all packages that were built from a path.
    packages: BTreeSet<PathBuf>,
}

pub(super) fn build(
    dir: &Path,
    wanted: &str,
    on_line: &mut dyn FnMut(String),
) -> Result<Binary, BuildError> {
    let cargo = tool::find("cargo", dir, HINT)?;
    let metadata = metadata(&cargo, dir)?;
    let (package, binary) = choose(&metadata, dir, wanted)?;
    let lock = metadata.workspace_root.join("Cargo.lock");
    let toolchain = toolchain(cargo, dir, &lock)?;
    let built = run(&toolchain, dir, &metadata, &package, &binary, on_line)?;
    let path = built
        .executable
        .clone()
        .ok_or_else(|| answer(dir, format!("no executable for `{binary}`")))?;
    let inputs = inputs(&built, &metadata, dir);
    Ok(Binary { name: binary, path, labels: labels(&package), inputs })
}

fn answer(dir: &Path, reason: String) -> BuildError {
    BuildError::Answer { tool: "cargo", dir: dir.to_owned(), reason }
}

fn run(
    toolchain: &Toolchain,
    dir: &Path,
    metadata: &Metadata,
    package: &Package,
    binary: &str,
    on_line: &mut dyn FnMut(String),
) -> Result<Built, BuildError> {
    let mut command = tool::command(&toolchain.cargo, dir);
    command
        .args(["build", "--release", "--message-format=json-render-diagnostics"])
        .args(["--target", &toolchain.target, "--bin", binary])
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_PROGRESS_WHEN", "never");
    if named_once(metadata, binary) {
        // Only this binary is built, but with the features of the whole workspace: its services then
        // share their dependencies instead of each compiling its own.
        command.arg("--workspace");
    } else {
        command.args(["--package", &package.name]);
    }
    if metadata.workspace_root.join("Cargo.lock").is_file() {
        command.arg("--locked");
    }
    flags(&mut command, toolchain, &metadata.workspace_root);
    let mut built = Built::default();
    let finished = command::run(&mut command, |line| note(&mut built, &line, binary), on_line)
        .map_err(|source| super::step("run cargo in", dir, source))?;
    if !finished.status.success() {
        let (dir, status) = (dir.to_owned(), finished.status);
        return Err(BuildError::Failed { tool: "cargo", dir, status, output: finished.tail });
    }
    Ok(built)
}

/// Takes from a message of cargo's which packages took part and where the binary is.
fn note(built: &mut Built, line: &str, binary: &str) {
    // Other lines are output of build scripts and wrappers.
    let Ok(message) = serde_json::from_str::<Message>(line) else { return };
    if message.reason != "compiler-artifact" {
        return;
    }
    let from_path = message.package_id.is_some_and(|id| id.starts_with("path+"));
    if let Some(dir) = message.manifest_path.as_deref().and_then(Path::parent)
        && from_path
    {
        built.packages.insert(dir.to_owned());
    }
    let ours = message.target.is_some_and(|target| target.name == binary && target.is_binary());
    if ours && message.executable.is_some() {
        built.executable = message.executable;
    }
}

/// Everything whose change should lead to a new build. `None` when that cannot be told.
fn inputs(built: &Built, metadata: &Metadata, dir: &Path) -> Option<Inputs> {
    let executable = built.executable.as_ref()?;
    let listed = std::fs::read_to_string(executable.with_extension("d")).ok()?;
    let mut inputs = Inputs::default();
    for package in &built.packages {
        inputs.tree(package);
        // Of a workspace above it, it may inherit.
        for above in package.ancestors() {
            inputs.file(&above.join("Cargo.toml"));
        }
    }
    for path in dep_info::dependencies(&listed) {
        inputs.file(&metadata.workspace_root.join(path));
    }
    // Each member has a say in the features of what they share.
    for package in &metadata.packages {
        inputs.file(&package.manifest_path);
    }
    for name in ["Cargo.toml", "Cargo.lock"] {
        inputs.file(&metadata.workspace_root.join(name));
    }
    for above in dir.ancestors() {
        for name in ["rust-toolchain", "rust-toolchain.toml", ".cargo/config", ".cargo/config.toml"]
        {
            inputs.file(&above.join(name));
        }
    }
    Some(inputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_tell_the_executable_and_the_packages_of_the_workspace() {
        let mut built = Built::default();
        let line = r#"{"reason":"compiler-artifact","package_id":"path+file:///w/a#0.1.0",
            "manifest_path":"/w/a/Cargo.toml","target":{"name":"a","kind":["bin"]},
            "executable":"/w/target/a"}"#;
        note(&mut built, line, "a");
        note(&mut built, "not json", "a");
        assert_eq!(built.executable.as_deref(), Some(Path::new("/w/target/a")));
        assert_eq!(built.packages.into_iter().collect::<Vec<_>>(), [PathBuf::from("/w/a")]);
    }
}
