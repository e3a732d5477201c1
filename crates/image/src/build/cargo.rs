//! Rust: one static binary from a package.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::inputs::Inputs;
use super::{Binary, BuildError, command, dep_info, tool};

const HINT: &str = "https://rustup.rs";
const SEVERAL: &str = "set `default-run` in its Cargo.toml, or name the image like one of them";
const ENCODED_SEPARATOR: &str = "\u{1f}";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize, Clone)]
struct Package {
    name: String,
    version: String,
    description: Option<String>,
    license: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
    default_run: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize, Clone)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Package {
    fn binaries(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|target| target.is_binary()).map(|target| target.name.as_str())
    }
}

impl Target {
    fn is_binary(&self) -> bool {
        self.kind.iter().any(|kind| kind == "bin")
    }
}

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

struct Toolchain {
    cargo: PathBuf,
    target: String,
    static_flag: bool,
}

/// The compiler's own description of itself: a new compiler makes a new binary.
pub(super) fn version(dir: &Path) -> Result<String, BuildError> {
    let rustc = tool::find("rustc", dir, HINT)?;
    tool::ask("rustc", tool::command(&rustc, dir).arg("-vV"), dir)
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

fn metadata(cargo: &Path, dir: &Path) -> Result<Metadata, BuildError> {
    let mut command = tool::command(cargo, dir);
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = tool::ask("cargo", &mut command, dir)?;
    serde_json::from_str(&text).map_err(|error| answer(dir, error.to_string()))
}

fn answer(dir: &Path, reason: String) -> BuildError {
    BuildError::Answer { tool: "cargo", dir: dir.to_owned(), reason }
}

/// The package in `dir` itself, or the fitting member when `dir` is only a workspace; and its
/// binary: the only one, the default one, or the one named like the image.
fn choose(metadata: &Metadata, dir: &Path, wanted: &str) -> Result<(Package, String), BuildError> {
    let manifest = dir.join("Cargo.toml");
    let own: Vec<_> = metadata.packages.iter().filter(|p| p.manifest_path == manifest).collect();
    let candidates = if own.is_empty() { metadata.packages.iter().collect() } else { own };
    let mut binaries: Vec<(&Package, &str)> = Vec::new();
    for package in candidates {
        let default = package.default_run.as_deref();
        let names = package.binaries().filter(|name| default.is_none_or(|d| d == *name));
        binaries.extend(names.map(|name| (package, name)));
    }
    let named: Vec<_> = binaries.iter().filter(|(_, name)| *name == wanted).copied().collect();
    match (binaries.as_slice(), named.as_slice()) {
        ([], _) => Err(BuildError::NoBinary { dir: dir.to_owned() }),
        ([(package, name)], _) | (_, [(package, name)]) => {
            Ok(((*package).clone(), (*name).to_owned()))
        }
        (several, _) => Err(BuildError::SeveralBinaries {
            dir: dir.to_owned(),
            names: several.iter().map(|(_, name)| (*name).to_owned()).collect(),
            hint: SEVERAL,
        }),
    }
}

/// musl when its standard library is installed and the project needs no C compiler for it, else
/// the host's own libc linked statically.
fn toolchain(cargo: PathBuf, dir: &Path, lock: &Path) -> Result<Toolchain, BuildError> {
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

fn named_once(metadata: &Metadata, binary: &str) -> bool {
    metadata.packages.iter().flat_map(Package::binaries).filter(|name| *name == binary).count() == 1
}

/// Adds our compiler flags to the user's. Those of the environment silence those of the
/// configuration, so ours go to whichever is in use.
fn flags(command: &mut std::process::Command, toolchain: &Toolchain, workspace: &Path) {
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

fn labels(package: &Package) -> Vec<(&'static str, String)> {
    let optional = [
        ("org.opencontainers.image.description", &package.description),
        ("org.opencontainers.image.licenses", &package.license),
        ("org.opencontainers.image.source", &package.repository),
    ];
    let given = optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    given.chain([("org.opencontainers.image.version", package.version.clone())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, default_run: Option<&str>, binaries: &[&str]) -> Package {
        let target = |name: &&str| Target { name: (*name).to_owned(), kind: vec!["bin".into()] };
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            description: None,
            license: None,
            repository: None,
            manifest_path: PathBuf::from(format!("/w/{name}/Cargo.toml")),
            default_run: default_run.map(str::to_owned),
            targets: binaries.iter().map(target).collect(),
        }
    }

    fn check(packages: Vec<Package>, dir: &str, wanted: &str, expected: Result<&str, &str>) {
        let metadata = Metadata { packages, workspace_root: PathBuf::from("/w") };
        let chosen = choose(&metadata, Path::new(dir), wanted);
        match (chosen, expected) {
            (Ok((_, name)), Ok(expected)) => assert_eq!(name, expected),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
            (chosen, expected) => panic!("{:?} instead of {expected:?}", chosen.map(|c| c.1)),
        }
    }

    #[test]
    fn the_only_the_default_or_the_image_s_binary_is_built() {
        check(vec![package("a", None, &["x"])], "/w/a", "img", Ok("x"));
        check(vec![package("a", Some("y"), &["x", "y"])], "/w/a", "img", Ok("y"));
        check(vec![package("a", None, &["x", "y"])], "/w/a", "y", Ok("y"));
    }

    #[test]
    fn a_package_is_chosen_by_its_folder_before_its_workspace() {
        let both = || vec![package("a", None, &["a"]), package("b", None, &["b"])];
        check(both(), "/w/a", "b", Ok("a"));
        check(both(), "/w", "b", Ok("b"));
        check(both(), "/w", "c", Err("several binaries (a, b): set `default-run`"));
    }

    #[test]
    fn libraries_and_ambiguous_packages_are_met_with_help() {
        check(vec![package("a", None, &[])], "/w/a", "a", Err("builds no binary"));
        check(vec![package("a", None, &["x", "y"])], "/w/a", "img", Err("(x, y)"));
    }

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
