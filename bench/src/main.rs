//! One command measures everything: `cargo run --release -p sampan-bench`.
//!
//! Each number is a median over several runs of the real release binary, in one go on one
//! machine; rivals run side by side where they are installed. The table goes to standard
//! output and from there into bench/README.md, by hand and with the machine named.

mod boat;
mod containers;
mod memory;
mod pods;
mod table;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args_os();
    if args.nth(1).is_some_and(|first| first == "shim") {
        container::shim_main(args);
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("the benchmarks need root, as the server does");
    }
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("set up TLS: a provider is installed already"))?;
    let binary = release_binary()?;
    let mut table = table::Table::default();
    pods::start_to_ready(&binary, &mut table)?;
    pods::idle_and_apply(&binary, &mut table)?;
    pods::shop(&binary, &mut table)?;
    containers::create_and_start(&binary, &mut table)?;
    print!("{table}");
    Ok(())
}

/// Builds the release binary, so that nobody measures an old one.
fn release_binary() -> anyhow::Result<PathBuf> {
    let workspace = workspace();
    let built = Command::new("cargo")
        .args(["build", "--release", "-p", "sampan"])
        .current_dir(&workspace)
        .status()
        .context("run cargo")?;
    if !built.success() {
        bail!("the release binary does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), PathBuf::from);
    Ok(target.join("release/sampan"))
}

/// The root of the source tree.
fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("bench/ lies in the workspace")
        .to_owned()
}
