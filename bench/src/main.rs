//! One command measures everything: `cargo run --release -p sampan-bench`; names of parts after
//! it (`api`, `pods`, `containers`, `etcd`) measure only those. `api --kubeconfig=FILE --pids=1,2` measures
//! another Kubernetes API server on this machine, whose processes these are, with the same client;
//! `api --load=create` measures one load alone, for a profiler.
//!
//! Each number is a median over several runs of the real release binary, in one go on one
//! machine; rivals run side by side where they are installed. The table goes to standard
//! output and from there into bench/README.md, by hand and with the machine named.

mod boat;
mod containers;
mod etcd_api;
mod kube_api;
mod memory;
mod pods;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Takes the release binary and adds what it measured.
type Measure = fn(&Path, &mut table::Table) -> anyhow::Result<()>;

const PARTS: [(&str, Measure); 4] = [
    ("api", kube_api::ours),
    ("pods", pods::all),
    ("containers", containers::create_and_start),
    ("etcd", etcd_api::compare),
];

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
    let mut wanted: Vec<String> = std::env::args().skip(1).collect();
    let other = Other::take(&mut wanted)?;
    let load = one_load(&mut wanted)?;
    check_parts(&wanted)?;
    let mut table = table::Table::default();
    if let Some(Other { kubeconfig, pids }) = other {
        kube_api::another(&kubeconfig, pids, load, &mut table)?;
        print!("{table}");
        return Ok(());
    }
    let binary = release_binary()?;
    if load.is_some() {
        kube_api::ours_by(&binary, load, &mut table)?;
        print!("{table}");
        return Ok(());
    }
    for (name, measure) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure(&binary, &mut table)?;
        }
    }
    print!("{table}");
    Ok(())
}

/// A server that is none of ours.
struct Other {
    kubeconfig: PathBuf,
    pids: Vec<u32>,
}

impl Other {
    /// Takes its flags out of the arguments.
    fn take(args: &mut Vec<String>) -> anyhow::Result<Option<Self>> {
        let mut flag = |name: &str| {
            let at = args.iter().position(|arg| arg.starts_with(name))?;
            Some(args.remove(at)[name.len()..].to_owned())
        };
        let (kubeconfig, pids) = (flag("--kubeconfig="), flag("--pids="));
        let Some(kubeconfig) = kubeconfig else {
            return if pids.is_some() { bail!("--pids needs --kubeconfig") } else { Ok(None) };
        };
        if args.as_slice() != ["api"] {
            bail!("another server can be measured by the part 'api' alone");
        }
        let pids = pids.context("--pids: whose CPU time and memory is measured?")?;
        let pids: Result<Vec<u32>, _> = pids.split(',').map(str::parse).collect();
        Ok(Some(Self { kubeconfig: kubeconfig.into(), pids: pids.context("read --pids")? }))
    }
}

/// Takes out of the arguments which load of the API is to be measured alone.
fn one_load(args: &mut Vec<String>) -> anyhow::Result<Option<kube_api::Kind>> {
    let Some(at) = args.iter().position(|arg| arg.starts_with("--load=")) else { return Ok(None) };
    let name = args.remove(at)["--load=".len()..].to_owned();
    if args.as_slice() != ["api"] {
        bail!("--load is for the part 'api' alone");
    }
    kube_api::Kind::named(&name).map(Some)
}

fn check_parts(wanted: &[String]) -> anyhow::Result<()> {
    let names = PARTS.map(|(name, _)| name);
    match wanted.iter().find(|wanted| !names.contains(&wanted.as_str())) {
        Some(unknown) => bail!("there is no part '{unknown}': give some of {}", names.join(", ")),
        None => Ok(()),
    }
}

/// Builds the release binary, so that nobody measures an old one; `SAMPAN_BIN` names another.
fn release_binary() -> anyhow::Result<PathBuf> {
    if let Some(binary) = std::env::var_os("SAMPAN_BIN") {
        return Ok(binary.into());
    }
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
