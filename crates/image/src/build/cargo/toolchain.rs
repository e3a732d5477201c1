//! Which compiler and which flags make a static binary here.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{HINT, answer};
use crate::build::{BuildError, tool};

const ENCODED_SEPARATOR: &str = "\u{1f}";

pub(super) struct Toolchain {
    pub(super) cargo: PathBuf,
    pub(super) target: String,
    static_flag: bool,
}

/// The compiler's own description of itself: a new compiler makes a new binary.
pub(in crate::build) fn version(dir: &Path) -> Result<String, BuildError> {
    let rustc = tool::find("rustc", dir, HINT)?;
    tool::ask("rustc", tool::command(&rustc, dir).arg("-vV"), dir)
}

/// musl when its standard library is installed and the project needs no C compiler for it, else
/// the host's own libc linked statically.
pub(super) fn toolchain(cargo: PathBuf, dir: &Path, lock: &Path) -> Result<Toolchain, BuildError> {
    let rustc = tool::find("rustc", dir, HINT)?;
    let version = version(dir)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| answer(dir, "rustc names no host".to_owned()))?.to_owned();
    let sysroot = tool::ask("rustc", tool::command(&rustc, dir).args(["--print", "sysroot"]), dir)?;
    let musl = host.replace("-linux-gnu", "-linux-musl");
    let installed = Path::new(sysroot.trim()).join("lib/rustlib").join(&musl).join("lib").is_dir();
    let architecture = host.split('-').next().unwrap_or_default();
    if host.ends_with("-musl") || (installed && musl_is_usable(lock, dir, architecture)) {
        return Ok(Toolchain { cargo, target: musl, static_flag: false });
    }
    Ok(Toolchain { cargo, target: host, static_flag: true })
}

/// Crates with C code build for musl only with a C compiler for musl.
fn musl_is_usable(lock: &Path, dir: &Path, architecture: &str) -> bool {
    let compiles_c = match std::fs::read_to_string(lock) {
        Ok(text) => text.lines().any(|line| line == "name = \"cc\"" || line == "name = \"cmake\""),
        Err(_) => true,
    };
    let compiler: &'static str = match architecture {
        "aarch64" => "aarch64-linux-musl-gcc",
        _ => "x86_64-linux-musl-gcc",
    };
    !compiles_c || ["musl-gcc", compiler].iter().any(|tool| tool::find(tool, dir, HINT).is_ok())
}

/// Adds our compiler flags to the user's. Those of the environment silence those of the
/// configuration, so ours go to whichever is in use.
pub(super) fn flags(command: &mut Command, toolchain: &Toolchain, workspace: &Path) {
    let ours = our_flags(toolchain, workspace);
    if let Some(user) = env::var_os("CARGO_ENCODED_RUSTFLAGS") {
        let separator = if user.is_empty() { "" } else { ENCODED_SEPARATOR };
        let mut all: OsString = user;
        all.push(separator);
        all.push(ours.join(ENCODED_SEPARATOR));
        command.env("CARGO_ENCODED_RUSTFLAGS", all);
    } else if let Ok(user) = env::var("RUSTFLAGS") {
        let user = user.split_whitespace().map(str::to_owned);
        let all: Vec<_> = user.chain(ours).collect();
        command.env_remove("RUSTFLAGS");
        command.env("CARGO_ENCODED_RUSTFLAGS", all.join(ENCODED_SEPARATOR));
    } else {
        let quoted: Vec<_> = ours.iter().map(|flag| toml_string(flag)).collect();
        let table = format!("target.{}.rustflags=[{}]", toolchain.target, quoted.join(","));
        command.args(["--config", &table]);
    }
}

/// Linked statically, and without the names of this machine's folders in it.
fn our_flags(toolchain: &Toolchain, workspace: &Path) -> Vec<String> {
    let mut flags = Vec::new();
    if toolchain.static_flag {
        flags.push("-Ctarget-feature=+crt-static".to_owned());
    }
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
    let folders = [cargo_home.map(|dir| (dir, "/cargo")), Some((checkout(workspace), "/src"))];
    for (dir, name) in folders.into_iter().flatten() {
        flags.push(format!("--remap-path-prefix={}={name}", dir.display()));
    }
    flags
}

/// The repository the workspace is in, because a package may depend on others beside the workspace;
/// the workspace itself when it is in none.
fn checkout(workspace: &Path) -> PathBuf {
    let repository = workspace.ancestors().find(|dir| dir.join(".git").exists());
    repository.unwrap_or(workspace).to_owned()
}

fn toml_string(text: &str) -> String {
    // JSON's escapes are a part of TOML's.
    serde_json::Value::from(text).to_string()
}
