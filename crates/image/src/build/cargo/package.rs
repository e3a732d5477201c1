//! What cargo knows of a folder: its packages, and which binary is the service.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::answer;
use crate::build::{BuildError, tool};

const SEVERAL: &str = "set `default-run` in its Cargo.toml, or name the image like one of them";

#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    pub(super) workspace_root: PathBuf,
}

#[derive(Deserialize, Clone)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: Option<String>,
    pub(super) license: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) manifest_path: PathBuf,
    pub(super) default_run: Option<String>,
    pub(super) targets: Vec<Target>,
}

#[derive(Deserialize, Clone)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) kind: Vec<String>,
}

impl Package {
    pub(super) fn binaries(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(|target| target.is_binary()).map(|target| target.name.as_str())
    }
}

impl Target {
    pub(super) fn is_binary(&self) -> bool {
        self.kind.iter().any(|kind| kind == "bin")
    }
}

pub(super) fn metadata(cargo: &Path, dir: &Path) -> Result<Metadata, BuildError> {
    let mut command = tool::command(cargo, dir);
    command.args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = tool::ask("cargo", &mut command, dir)?;
    serde_json::from_str(&text).map_err(|error| answer(dir, error.to_string()))
}

/// The package in `dir` itself, or the fitting member when `dir` is only a workspace; and its
/// binary: the only one, the default one, or the one named like the image.
pub(super) fn choose(
    metadata: &Metadata,
    dir: &Path,
    wanted: &str,
) -> Result<(Package, String), BuildError> {
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

/// Whether no other package of the workspace has a binary of this name.
pub(super) fn named_once(metadata: &Metadata, binary: &str) -> bool {
    metadata.packages.iter().flat_map(Package::binaries).filter(|name| *name == binary).count() == 1
}

pub(super) fn labels(package: &Package) -> Vec<(&'static str, String)> {
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
}
